"""docker-compose.yml: valid by the specification, and everything that it names exists."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from celery.bin.celery import celery as celery_command

from localaws.__main__ import _parser as localaws_parser
from localaws.http.signatures import Credentials
from localaws.server import serve
from producer.backend.workers import WorkerReport
from producer.contract.stages import QUEUES
from tests.support.schemas import check_schema
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SETTINGS = {f"TRANSCRIBE_{name.upper()}" for name in WorkerSettings.model_fields}
#: What boto3 reads, beside AWS_REGION, which the worker does.
AWS = {
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
}
SECRET = re.compile("KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL")
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def _interpolated(value: str, **environment: str) -> str:
    """A value as Compose reads it; a required variable that is not set raises KeyError."""

    def put_in(match: re.Match[str]) -> str:
        name, kind, default = match.groups()
        return environment[name] if kind != "-" or name in environment else default

    return _VARIABLE.sub(put_in, value).replace("$$", "$")


def test_the_file_is_valid_by_the_compose_specification() -> None:
    done = check_schema(FILE, "compose-spec")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_specification_would_find_a_misspelt_key(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(FILE.read_text().replace("    stop_grace_period: 30s", "    stop_grace: 60s"))
    done = check_schema(wrong, "compose-spec")
    assert done.returncode == 1
    assert "stop_grace" in done.stdout


def test_services_and_profiles() -> None:
    profiles = {name: tuple(service.get("profiles", ())) for name, service in SERVICES.items()}
    assert profiles == {"redis": (), "worker": (), "localaws": ("local",), "flower": ("ops",)}


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_refers_to_is_there(name: str) -> None:
    service = SERVICES[name]
    assert ("image" in service) != ("build" in service)
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    assert {each["source"] for each in service.get("configs", ())} <= set(COMPOSE["configs"])
    for volume in service.get("volumes", ()):
        if isinstance(volume, dict):
            assert volume["type"] == "bind"
            assert (ROOT / _interpolated(volume["source"])).is_dir()
        else:
            assert _interpolated(volume).split(":")[0] in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_watched_hardened_and_for_this_machine_only(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["restart"] == "unless-stopped"
    assert not service.get("privileged")
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    tag = service.get("image", "built:here").partition(":")[2]
    assert tag not in {"", "latest"}


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_is_root(name: str) -> None:
    user = _interpolated(SERVICES[name].get("user", ""))
    # Flower's image names a user of its own, and so does ours.
    assert user or name in {"flower", "localaws"}
    assert user.split(":")[0] not in {"root", "0"}


def test_the_worker_can_be_scaled() -> None:
    assert not {"container_name", "hostname", "ports", "deploy"} & set(SERVICES["worker"])


def test_the_workers_variables_are_its_settings_and_boto3s() -> None:
    # The original script's settings file contains keys, and is for workers outside of containers.
    assert set(SERVICES["worker"]["environment"]) == (SETTINGS - {"TRANSCRIBE_ENV_FILE"}) | AWS


def test_the_file_contains_no_credential() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            # None is passed on from the shell, and so is a variable without a default.
            passed_on = value is None or re.fullmatch(r"\$\{\w+:-\}", str(value))
            assert passed_on or not SECRET.search(name)


def test_the_emulator_accepts_the_workers_keys() -> None:
    example, _ = _example()
    configured = SERVICES["localaws"]["environment"]
    environment = {name: _interpolated(value, **example) for name, value in configured.items()}
    expected = Credentials(example["AWS_ACCESS_KEY_ID"], example["AWS_SECRET_ACCESS_KEY"])
    assert Credentials.from_environment(environment) == expected
    # Without keys, as on a machine with a role, it is not started, but must be readable.
    without = {name: _interpolated(value) for name, value in configured.items()}
    assert Credentials.from_environment(without) is None


def test_the_worker_knows_the_address_of_every_service() -> None:
    worker = SERVICES["worker"]
    environment = worker["environment"]
    assert environment["TRANSCRIBE_REDIS_URL"] == "redis://redis:6379/0"
    targets = [
        volume["target"] if isinstance(volume, dict) else _interpolated(volume).split(":")[1]
        for volume in worker["volumes"]
    ]
    assert environment["TRANSCRIBE_AUDIO_ROOTS"] in targets
    assert environment["TRANSCRIBE_RESULTS_DIR"] in targets
    recordings = worker["volumes"][0]
    assert recordings["target"] == environment["TRANSCRIBE_AUDIO_ROOTS"]
    assert recordings["read_only"] is True


def test_a_bucket_must_be_named() -> None:
    bucket = SERVICES["worker"]["environment"]["TRANSCRIBE_BUCKET"]
    assert _interpolated(bucket, TRANSCRIBE_BUCKET="mine") == "mine"
    with pytest.raises(KeyError):
        _interpolated(bucket)


def test_the_worker_waits_for_the_emulator_only_where_it_runs() -> None:
    assert SERVICES["worker"]["depends_on"] == {
        "redis": {"condition": "service_healthy"},
        "localaws": {"condition": "service_healthy", "required": False},
    }


def test_redis_loses_a_second_at_most_and_evicts_nothing() -> None:
    program, *words = SERVICES["redis"]["command"]
    assert program == "redis-server"
    assert dict(zip(words[::2], words[1::2], strict=True)) == {
        "--appendonly": "yes",
        "--appendfsync": "everysec",
        "--save": "",
        "--maxmemory-policy": "noeviction",
        "--hash-max-listpack-value": "1024",
    }
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]


def test_the_workers_command_exists() -> None:
    program, option, app, command = SERVICES["worker"]["command"]
    assert program in {script.name for script in entry_points(group="console_scripts")}
    assert option in {word for each in celery_command.params for word in each.opts}
    assert find_spec(f"{app}.celery") is not None
    assert command in celery_command.commands


def test_the_emulators_command_exists() -> None:
    python, option, module, *arguments = SERVICES["localaws"]["command"]
    assert (python, option) == ("python", "-m")
    assert find_spec(f"{module}.__main__") is not None
    assert localaws_parser().parse_args(arguments).host == "0.0.0.0"


def _report(name: str) -> WorkerReport:
    """The heartbeat of a worker that serves every queue."""
    return WorkerReport(
        name=name,
        pid=1,
        version="1",
        queues=QUEUES,
        concurrency=1,
        busy=0,
        started_at=datetime.now(UTC),
        seen_at=0.0,
    )


@pytest.mark.parametrize(
    ("workers", "healthy"),
    [
        (["celery@{host}", "celery@other"], True),
        (["celery@{host}2", "celery@other"], False),
        ([], False),
    ],
)
def test_the_workers_health_is_its_own(workers: list[str], healthy: bool, stack: Stack) -> None:
    kind, command = SERVICES["worker"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    for name in workers:
        stack.client.fleet.report(_report(name.format(host=socket.gethostname())))
    done = subprocess.run(
        ["/bin/sh", "-c", _interpolated(command)],
        check=False,
        env={
            **os.environ,
            **stack.environment,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        timeout=DEADLINE,
    )
    assert (done.returncode == 0) is healthy


def test_the_emulators_health_check_asks_a_path_that_answers() -> None:
    kind, _, option, code = SERVICES["localaws"]["healthcheck"]["test"]
    assert (kind, option) == ("CMD", "-c")
    port = localaws_parser().parse_args(SERVICES["localaws"]["command"][3:]).port
    assert f"http://127.0.0.1:{port}/" in code
    with serve(recogniser="fixed:1") as endpoint:
        here = code.replace(f"http://127.0.0.1:{port}", endpoint.url)
        for asked, answered in ((here, True), (here.replace("health", "nothing"), False)):
            done = subprocess.run(
                [sys.executable, "-c", asked], check=False, capture_output=True, timeout=30
            )
            assert (done.returncode == 0) is answered


def test_flower_knows_all_queues() -> None:
    values: dict[str, Any] = {}
    exec(COMPOSE["configs"]["flower"]["content"], values)  # noqa: S102
    assert tuple(queue.name for queue in values["task_queues"]) == QUEUES
    assert values["task_default_queue"] == QUEUES[0]
    target = Path(SERVICES["flower"]["configs"][0]["target"])
    # Celery's default loader imports a module of this name.
    assert target.name == "celeryconfig.py"
    environment = SERVICES["flower"]["environment"]
    assert environment["PYTHONPATH"] == str(target.parent)
    assert (
        environment["CELERY_BROKER_URL"]
        == (SERVICES["worker"]["environment"]["TRANSCRIBE_REDIS_URL"])
    )


def _example() -> tuple[dict[str, str], set[str]]:
    """`.env.example`: what it sets, and what it names at all."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = [re.fullmatch(r"(#?)([A-Z_]+)=(.*)", line) for line in lines]
    found = [pair.groups() for pair in pairs if pair]
    return {name: value for off, name, value in found if not off}, {name for _, name, _ in found}


def test_the_example_turns_on_the_emulator() -> None:
    values, _ = _example()
    options = localaws_parser().parse_args(SERVICES["localaws"]["command"][3:])
    assert values["COMPOSE_PROFILES"] in SERVICES["localaws"]["profiles"]
    assert values["AWS_ENDPOINT_URL"] == f"http://localaws:{options.port}"
    assert [values["TRANSCRIBE_BUCKET"]] == options.bucket
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"} <= set(values)


def test_the_example_names_what_there_is() -> None:
    _, names = _example()
    known = {match[0] for match in _VARIABLE.findall(FILE.read_text())}
    assert names <= known | SETTINGS | AWS | {"COMPOSE_PROFILES"}
    # Ports are explained by what they are.
    assert known - SETTINGS - {"REDIS_PORT", "FLOWER_PORT"} <= names


def test_interpolation_in_these_tests_is_composes() -> None:
    assert _interpolated("${A:-b:c}/$$d") == "b:c/$d"
    assert _interpolated("${A:-b}", A="x") == "x"
