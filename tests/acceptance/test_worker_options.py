"""Each option of `celery worker` works, or is refused in one sentence; none is ignored."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.contract.job import JobState
from producer.contract.stages import QUEUES
from tests.conftest import make_stack
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until

pytestmark = pytest.mark.long


def run_worker(stack: Stack, *options: str) -> subprocess.CompletedProcess[str]:
    """A worker that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "worker", *options],
        env={**os.environ, **stack.environment},
        cwd=stack.folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis and AWS, for workers that end before they use them."""
    with make_stack(tmp_path_factory.mktemp("configured")) as built:
        built.start_aws("--recogniser", "fixed:0.2")
        yield built


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--autoscale=8,2"], "--autoscale cannot change the number of threads"),
        (["--autoscale=0"], "--autoscale cannot change the number of threads"),
        (["-B"], "-B has nothing to do"),
        (["--scheduler", "x.y:Z"], "--scheduler has nothing to do"),
        (["--time-limit=5"], "--time-limit needs a pool of processes"),
        (["--soft-time-limit=5"], "--soft-time-limit needs a pool of processes"),
        (["--max-tasks-per-child=5"], "--max-tasks-per-child needs a pool of processes"),
        (["--max-memory-per-child=5"], "--max-memory-per-child needs a pool of processes"),
        (["--pool-start-method=spawn"], "--pool-start-method needs a pool of processes"),
        (["-P", "prefork"], "only -P threads keeps leases alive, not -P prefork"),
        (["-P", "solo"], "only -P threads keeps leases alive, not -P solo"),
        (["--pool=solo"], "only -P threads keeps leases alive, not -P solo"),
        (["-O", "fair"], "-O fair needs a pool of processes"),
        (["-c", "auto"], "-c auto counts CPUs"),
        (["-Q", "transcription.uplaod"], "there is no queue 'transcription.uplaod'"),
        (["-X", "celery"], "there is no queue 'celery'"),
        (["-X", ",".join(QUEUES)], "-X excludes every queue"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_work_is_refused_in_one_sentence(
    configured: Stack, options: list[str], says: str
) -> None:
    done = run_worker(configured, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"worker: {says}")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(".\n")


def events(lines: list[dict[str, object]]) -> set[object]:
    return {line["level"] for line in lines}


def test_the_level_of_l_wins_over_the_setting(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    stack.start_worker("loud", "-l", "DEBUG", log_level="error")
    stack.start_worker("quiet", "--loglevel", "ERROR", log_level="debug")
    stack.start_worker("plain", log_level="debug")
    until(lambda: "debug" in events(stack.log("loud")))
    until(lambda: "debug" in events(stack.log("plain")))
    assert not events(stack.log("quiet")) - {"error"}


def test_the_log_goes_to_the_file_of_f(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    stack.start_worker("worker", "-f", str(stack.folder / "%n.txt"))
    written = stack.folder / "worker.txt"
    until(lambda: '"level": "info"' in written.read_text())
    assert stack.log() == []


def test_c_bounds_how_many_stages_are_at_work_at_once(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    stack.block(operation="PutObject", match="audio")
    stack.start_worker("worker", "-c", "2", concurrency="9")
    recording = stack.sample("silence.wav")
    ids = stack.client.submit_many(
        {"audio": str(recording), "name": f"one-of-three-{number}"} for number in range(3)
    )
    until(lambda: stack.client.counts()[JobState.UPLOADING] == 2)
    (report,) = stack.client.fleet.alive()
    assert report.concurrency == 2
    assert stack.client.counts()[JobState.UPLOADING] == 2
    stack.clear_faults()
    jobs = stack.client.wait(ids, timeout=60)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    assert stack.client.counts()[JobState.COMPLETED] == 3


@pytest.mark.parametrize(
    "options",
    [
        ["-P", "threads", "-O", "default", "-E", "--purge"],
        ["-Q", ",".join(QUEUES), "-X", QUEUES[3]],
        ["--without-heartbeat", "--without-gossip", "--prefetch-multiplier", "2"],
        ["--disable-prefetch", "-S", "state"],
    ],
    ids=" ".join,
)
def test_what_works_does_a_job(stack: Stack, options: list[str]) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    job = stack.client.submit(stack.sample("silence.wav"), name="one")
    stack.start_worker("worker", *options)
    stack.job_in(job.id, JobState.COMPLETED)
    excluded = "-X" in options
    (report,) = stack.client.fleet.alive()
    assert len(report.queues) == (3 if excluded else 4)


def pid_in(file: Path) -> int:
    return int(file.read_text()) if file.is_file() and file.read_text().strip() else 0


def test_d_leaves_a_worker_that_works_and_stops(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    pidfile, log = stack.folder / "worker.pid", stack.folder / "worker.txt"
    done = run_worker(stack, "-D", "--pidfile", str(pidfile), "-f", str(log))
    assert (done.returncode, done.stderr) == (0, "")
    pid = until(lambda: pid_in(pidfile))
    try:
        job = stack.client.submit(stack.sample("silence.wav"), name="one")
        stack.job_in(job.id, JobState.COMPLETED)
    finally:
        os.kill(pid, 15)
    until(lambda: stack.client.fleet.alive() == [])
    until(lambda: not Path(f"/proc/{pid}").exists())
