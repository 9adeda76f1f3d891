"""Workers and producers of a released version beside those of today, on one Redis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from producer.contract.job import JobState
from producer.contract.stages import CONTROL_QUEUE, QUEUES, Stage
from tests.compatibility.old_code import COMMITS, PACKAGES, unpack
from tests.compatibility.versions import VERSIONS
from tests.support.messages import raw_message
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until

pytestmark = pytest.mark.long

_COMMAND = "from producer.cli.main import main; main()"
_UPLOADS = (Stage.UPLOAD.queue, Stage.CLEANUP.queue)
_OTHERS = tuple(queue for queue in QUEUES if queue not in _UPLOADS)


class OldCode:
    """A worker and a command line of a released version, on the stack of a test."""

    def __init__(self, stack: Stack, code: Path) -> None:
        self._stack = stack
        self._environment = {"PYTHONPATH": str(code)}
        for package in PACKAGES:
            where = self._python(f"import {package}; print({package}.__file__)").stdout
            assert Path(where.strip()).is_relative_to(code)

    def start_worker(self, *options: str) -> subprocess.Popen[bytes]:
        today = self._stack.environment
        self._stack.environment = today | self._environment
        try:
            return self._stack.start_worker("old", *options)
        finally:
            self._stack.environment = today

    def transcribe(self, *arguments: str, stdin: str | None = None) -> str:
        """What a command prints. It must succeed."""
        done = self._python(_COMMAND, *arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _python(
        self, code: str, *arguments: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, **self._stack.environment, **self._environment},
            cwd=self._stack.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )


@pytest.fixture(params=COMMITS)
def old(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> OldCode:
    folder = tmp_path / "old"
    folder.mkdir()
    stack.start_aws("--recogniser", "fixed:0.5")
    return OldCode(stack, unpack(request.param, folder))


def test_every_release_but_the_newest_has_its_commit() -> None:
    """The newest may be that of today, whose commit does not exist yet."""
    assert set(COMMITS) <= set(VERSIONS)
    assert set(VERSIONS) - set(COMMITS) <= {VERSIONS[-1]}


def requests(stack: Stack, by: str) -> list[dict[str, object]]:
    """Jobs that between them need every stage, and most of what a record can have."""
    audio = str(stack.sample("silence.wav"))
    plain: list[dict[str, object]] = [
        {"audio": audio, "name": f"{by}-{number}", "metadata": {"tenant": f"tenant-{number % 2}"}}
        for number in range(4)
    ]
    return [
        *plain,
        {"audio": audio, "name": f"{by}-cleaned", "cleanup": True, "formats": ["txt", "srt"]},
        {"audio": audio, "name": f"{by}-keyed", "key": f"keys/{by}.wav", "priority": 0},
    ]


def submit_from_both(stack: Stack, old: OldCode) -> list[str]:
    """Jobs of an old and a new producer, and of another language."""
    lines = "\n".join(json.dumps(each) for each in requests(stack, "old"))
    ids = old.transcribe("submit", "-", stdin=lines).split()
    ids += stack.client.submit_many(requests(stack, "new"))
    other = {"audio": str(stack.sample("silence.wav")), "name": "other-language"}
    stack.broker.command("LPUSH", CONTROL_QUEUE, raw_message(other))
    assert len(ids) == 12
    return [*ids, "other-language"]


def assert_each_done_once(stack: Stack, old: OldCode, ids: list[str]) -> None:
    """Every job is COMPLETED, was started once, and both versions see the same of it."""
    until(lambda: sum(stack.client.counts().values()) == len(ids), what="all jobs recorded")
    jobs = stack.client.wait(ids, timeout=DEADLINE)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    assert sorted(each["name"] for each in stack.account()["jobs"]) == sorted(ids)
    for name in ("old-cleaned", "new-cleaned"):
        until(lambda name=name: stack.client.get(name).cleaned_at is not None)  # type: ignore[misc]
    listed = old.transcribe("list", "--limit", "100", "--json").splitlines()
    seen = {job["id"]: job for job in map(json.loads, listed)}
    assert seen.keys() == set(ids)
    for each in ids:
        now = stack.client.get(each).model_dump(mode="json")
        # A newer version knows more fields, of the request, too.
        now["request"] = {name: now["request"][name] for name in seen[each]["request"]}
        assert seen[each] == {name: now[name] for name in seen[each]}
    until(lambda: not stack.scheduled(), what="an empty schedule")


def moved_to(stack: Stack, worker: str) -> set[str]:
    """The states into which a worker has moved jobs."""
    return {line["state"] for line in stack.log(worker) if line["event"] == "job.moved"}


@pytest.mark.parametrize("uploads", ["old", "new"])
def test_each_job_passes_through_both_versions(stack: Stack, old: OldCode, uploads: str) -> None:
    """One version uploads and cleans up, the other one starts, polls and collects."""
    ids = submit_from_both(stack, old)
    queues = {"old": _UPLOADS, "new": _OTHERS}
    if uploads == "new":
        queues = {"old": _OTHERS, "new": _UPLOADS}
    old.start_worker("-Q", ",".join(queues["old"]))
    stack.start_worker("new", "-Q", ",".join(queues["new"]))
    assert_each_done_once(stack, old, ids)
    others = "new" if uploads == "old" else "old"
    assert moved_to(stack, uploads) == {"READY"}
    assert moved_to(stack, others) >= {"TRANSCRIBING", "COLLECTING", "COMPLETED"}


def test_beside_an_older_worker_no_result_is_reused(stack: Stack, old: OldCode) -> None:
    """It could neither collect it, nor wake who waits for it."""
    ids = submit_from_both(stack, old)
    old.start_worker("-Q", ",".join(_OTHERS))
    stack.start_worker("new", "-Q", ",".join(_UPLOADS), reuse="all")
    assert_each_done_once(stack, old, ids)
    assert stack.client.get("new-1").fingerprint is not None


def test_a_fleet_is_upgraded_under_load(stack: Stack, old: OldCode) -> None:
    """The old worker is killed with jobs in all stages; the new one continues them."""
    leaving = old.start_worker()
    ids = submit_from_both(stack, old)
    until(lambda: stack.client.counts()[JobState.TRANSCRIBING] >= 1, what="a running job")
    stack.start_worker("new")
    checks = [json.loads(line) for line in old.transcribe("doctor", "--json").splitlines()]
    workers = {each["check"].partition("@")[0] for each in checks if "worker " in each["check"]}
    assert workers == {"worker old", "worker new"}
    leaving.kill()
    leaving.wait()
    assert_each_done_once(stack, old, ids)


def test_a_fleet_is_downgraded_under_load(stack: Stack, old: OldCode) -> None:
    """The way back: the old worker continues what the new one leaves."""
    leaving = stack.start_worker("new")
    ids = submit_from_both(stack, old)
    until(lambda: stack.client.counts()[JobState.TRANSCRIBING] >= 1, what="a running job")
    old.start_worker()
    leaving.terminate()
    leaving.wait(timeout=DEADLINE)
    assert_each_done_once(stack, old, ids)
