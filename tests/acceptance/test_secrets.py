"""Passwords and keys are in no log, record, message, error or command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from producer import Client
from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.stages import CONTROL_QUEUE
from producer.errors import BrokerUnavailable
from producer.settings import ProducerSettings
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until
from worker.settings import WorkerSettings

pytestmark = pytest.mark.long

PASSWORD = "hunter2-of-redis"
WRONG = "hunter3-of-redis"
SECRET = "wJalrXUtnFEMI-of-the-script"
SECRETS = (PASSWORD, WRONG, SECRET)


def let_in(stack: Stack) -> None:
    """The password is known to Redis, until it restarts."""
    stack.broker.command("ACL", "SETUSER", "queue", "on", f">{PASSWORD}", "~*", "&*", "+@all")


def script_settings(stack: Stack) -> Path:
    path = stack.folder / "transcribe.env"
    settings = f"AWS_ACCESS_KEY=AKIASCRIPT\nAWS_SECRET_KEY={SECRET}\nS3_BUCKET=test-bucket\n"
    path.write_text(settings)
    return path


def inspected(stack: Stack) -> str:
    """What Celery says of a worker to any client."""
    printed = ""
    worker = stack.client.fleet.alive()[0].name
    for what in ("conf", "stats", "report"):
        command = [sys.executable, "-m", "celery", "-A", "worker", "inspect", what, "-d", worker]
        ran = subprocess.run(
            command,
            env={**os.environ, **stack.environment},
            cwd=stack.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "worker@" in ran.stdout, ran
        printed += ran.stdout + ran.stderr
    return printed


def test_no_secret_is_ever_shown(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.sandbox.aws_keys = {"AWS_ACCESS_KEY_ID": "AKIASCRIPT", "AWS_SECRET_ACCESS_KEY": SECRET}
    stack.start_aws("--recogniser", "fixed:0.3")
    # These are nowhere but in the script's settings file.
    for name in stack.sandbox.aws_keys:
        del stack.environment[name]
    let_in(stack)
    url = f"redis://queue:{PASSWORD}@127.0.0.1:{stack.redis_port}/0"
    stack.environment |= {
        "TRANSCRIBE_REDIS_URL": url,
        "TRANSCRIBE_ENV_FILE": str(script_settings(stack)),
    }
    for kind in ("expired_token", "error500", "timeout", "throttle"):
        stack.fault(kind=kind, operation="*Object", times=1)
        stack.fault(kind=kind, operation="*TranscriptionJob", times=1)
    worker = stack.start_worker(log_level="debug")
    recording = stack.sample("silence.wav")
    stack.client.submit(recording, name="good", cleanup=True)
    stack.client.submit(recording.with_name("none.wav"), name="bad")
    stack.broker.command("LPUSH", CONTROL_QUEUE, "no message")
    stack.client.wait(["good", "bad"], timeout=DEADLINE, cleaned=True)

    # After a restart, Redis does not know the user.
    stack.stop_redis(signal.SIGKILL)
    stack.start_redis_again()
    until(lambda: "refuses the password" in json.dumps(stack.log()))
    let_in(stack)
    stack.client.submit(recording, name="later")
    stack.job_in("later", JobState.COMPLETED)
    until(stack.client.fleet.alive)

    shown = [inspected(stack)]
    for arguments in (["doctor"], ["list", "--json"], ["status", "bad"], ["dead", "list"]):
        ran = stack.transcribe(*arguments)
        shown += [ran.stdout, ran.stderr]
    wrong = url.replace(PASSWORD, WRONG)
    shown.append(stack.transcribe("list", TRANSCRIBE_REDIS_URL=wrong).stderr)
    with Client(settings=ProducerSettings(redis_url=wrong)) as far:
        with pytest.raises(BrokerUnavailable) as caught:
            far.submit("/audio/a.wav")
        shown += [repr(far), repr(caught.value), *traceback.format_exception(caught.value)]
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    settings = WorkerSettings.load()
    shown += [repr(settings), str(settings), repr(settings.credentials)]
    worker.terminate()
    assert worker.wait(timeout=DEADLINE) == 0
    # Redis's file has all that was ever written to it.
    for folder in (stack.sandbox.folder, stack.results):
        files = [path for path in folder.rglob("*") if path.is_file()]
        shown += [path.read_bytes().decode("latin-1") for path in files]
    assert any("job.moved" in text for text in shown)
    assert any(keys.JOB("good") in text for text in shown)
    assert [secret for secret in SECRETS for text in shown if secret in text] == []
