"""What a released version left in Redis is read today, and what it wrote is written today."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from producer.backend.capacity import Account
from producer.backend.dead_letters import DeadLetter
from producer.backend.workers import WorkerReport
from producer.contract.job import Job
from producer.contract.request import TranscriptionRequest
from tests.compatibility.run import stored
from tests.compatibility.schemas import opened
from tests.compatibility.versions import VERSIONS, frozen
from tests.conftest import make_stack
from tests.support.stack import Stack
from worker.ingress.envelope import Envelope

each_version = pytest.mark.parametrize("released", VERSIONS)
RECORDS = [
    pytest.param(released, name, id=f"{released}-{name}")
    for released in VERSIONS
    for name in frozen(released, "stored")["records"]
]
REPORTS: dict[str, type[BaseModel]] = {
    "heartbeat": WorkerReport,
    "dead_letter": DeadLetter,
    "capacity": Account,
}


@pytest.mark.parametrize(("released", "name"), RECORDS)
def test_a_record_is_read_as_it_was(released: str, name: str) -> None:
    found = frozen(released, "stored")
    job = Job.from_record(name, found["records"][name]).model_dump(mode="json")
    assert _same_fields(job, found["jobs"][name]) == found["jobs"][name]


@pytest.mark.parametrize(("released", "name"), RECORDS)
def test_a_request_submitted_again_is_the_same_request(released: str, name: str) -> None:
    text = frozen(released, "stored")["records"][name]["request"]
    assert TranscriptionRequest.parse(json.loads(text)).canonical() == text


@each_version
def test_messages_are_accepted(released: str) -> None:
    messages = frozen(released, "stored")["messages"]
    (ours,), (others,) = messages["ours"], messages["others"]
    hint = Envelope.from_bytes(json.dumps(ours).encode())
    assert (hint.headers.task, hint.argument()) == ("transcription.upload", "queued")
    submitted = Envelope.from_bytes(json.dumps(others).encode())
    assert submitted.headers.task == "transcription.submit"
    assert submitted.argument() == {"audio": "/a.wav"}


@each_version
@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_read_as_it_was(released: str, name: str) -> None:
    report = frozen(released, "stored")["reports"][name]
    read = REPORTS[name].model_validate(report).model_dump(mode="json")
    assert _same_fields(read, report) == report


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, dict[str, Any]]]:
    with make_stack(tmp_path_factory.mktemp("compatibility")) as stack:
        yield stack, stored(stack)


@each_version
def test_a_run_writes_all_that_it_wrote(released: str, run: tuple[Stack, dict[str, Any]]) -> None:
    before, now = frozen(released, "stored"), run[1]
    for kind in ("records", "reports"):
        for name, fields in before[kind].items():
            assert fields.keys() <= now[kind][name].keys(), name
    for sender, messages in before["messages"].items():
        for old, new in zip(messages, now["messages"][sender], strict=True):
            assert _shape(old).items() <= _shape(new).items()


COMMANDS = {
    "status, list, wait": (["status", "done"], ["list"], ["wait", "done", "queued"]),
    "doctor": (["doctor"],),
    "dead list": (["dead", "list"],),
    "recover": (["recover", "done"],),
}


@each_version
@pytest.mark.parametrize("commands", COMMANDS)
def test_json_output_is_as_its_schema_says(
    released: str, commands: str, run: tuple[Stack, dict[str, Any]]
) -> None:
    schema = opened(frozen(released, "outputs")[commands])
    for arguments in COMMANDS[commands]:
        done = run[0].transcribe(*arguments, "--json")
        assert done.stdout, done.stderr
        for line in done.stdout.splitlines():
            jsonschema.validate(json.loads(line), schema)


def _same_fields(now: Any, before: Any) -> Any:
    """Of what is now, the fields that were there before."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return now
    return {name: _same_fields(now[name], value) for name, value in before.items() if name in now}


def _shape(value: Any, path: str = "") -> dict[str, str]:
    """The path and type of each value of a message."""
    if not isinstance(value, dict):
        return {path: type(value).__name__}
    return {
        inner: kind
        for name, each in value.items()
        for inner, kind in _shape(each, f"{path}.{name}").items()
    }
