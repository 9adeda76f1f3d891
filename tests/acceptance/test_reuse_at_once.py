"""Reuse when much happens at once: several producers and workers, kills, restarts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks import recordings
from producer import Client
from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.stages import Stage
from tests.support.stack import Stack
from tests.support.twins import done, ended, starts, submit, waits_for
from tests.support.waiting import DEADLINE, until


def test_a_folder_that_is_submitted_again_says_what_is_done(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    folder = stack.audio / "calls"
    folder.mkdir()
    recordings.make(folder, ["one", "two", "three"])

    def submitted() -> tuple[list[str], str]:
        done = stack.transcribe("submit", str(folder), "--recursive")
        assert done.returncode == 0
        return done.stdout.split(), done.stderr

    ids, said = submitted()
    assert "new" not in said
    assert submitted() == (ids, "3 recordings: 3 on their way, 0 new.\n")
    stack.client.cancel(ids[0])
    stack.start_worker(reuse="tenant")
    ended(stack, ids[1])
    ended(stack, ids[2])
    recordings.make(folder, ["four"])
    again, said = submitted()
    assert said == "4 recordings: 2 done, 1 cancelled, 1 new.\n"
    assert {*ids} < {*again}
    fresh = stack.transcribe("submit", str(folder), "--recursive", "--fresh").stdout.split()
    assert len(fresh) == 4
    assert not {*fresh} & {*again}


def test_two_producers_submit_the_same_at_once_under_other_names(stack: Stack) -> None:
    sounds = recordings.names(100)
    folders = [stack.audio / "one", stack.audio / "two"]
    for folder in folders:
        folder.mkdir()
        recordings.make(folder, sounds)
    stack.start_aws("--recogniser", "fixed:0.3")
    for name in ("worker-1", "worker-2"):
        stack.start_worker(name, reuse="tenant")

    def produce(folder: Path) -> list[str]:
        with Client(stack.redis_url) as client:
            return client.submit_many({"audio": str(each)} for each in sorted(folder.iterdir()))

    with ThreadPoolExecutor(2) as pool:
        ids = [job_id for some in pool.map(produce, folders) for job_id in some]
    jobs = stack.client.wait(ids, timeout=3 * DEADLINE)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    assert len([job for job in jobs.values() if job.reused_from is None]) == 100
    assert starts(stack) == 100


@pytest.mark.parametrize("moment", ["start", "collect"])
def test_a_worker_that_is_killed_in_between_costs_no_second_start(
    stack: Stack, moment: str
) -> None:
    stack.start_aws("--recogniser", "fixed:0.3")
    worker = stack.start_worker(reuse="tenant", lease="2")
    operation = {"start": "StartTranscriptionJob", "collect": "GetObject"}[moment]
    # Transcribe has the job, and the worker dies before it hears of it.
    stack.fault(kind="timeout_after", operation=operation, seconds=600, times=1)
    for name in ("tide-1", "tide-2"):
        submit(stack, "tide", name)
    until(lambda: stack.calls(operation))
    worker.kill()
    worker.wait()
    stack.clear_faults()
    stack.start_worker("second", reuse="tenant")
    jobs = [ended(stack, name) for name in ("tide-1", "tide-2")]
    assert starts(stack) == 1
    assert len([job for job in jobs if job.reused_from is not None]) == 1


def test_a_worker_that_is_killed_as_it_reuses_a_result(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    worker = stack.start_worker(reuse="tenant")
    done(stack, "ebb", "ebb-1")
    stack.block(operation="DeleteObject")
    submit(stack, "ebb", "ebb-2")
    until(lambda: stack.calls("DeleteObject"))
    worker.kill()
    worker.wait()
    stack.clear_faults()
    stack.start_worker("second", reuse="tenant")
    assert ended(stack, "ebb-2").reused_from == "ebb-1"
    assert starts(stack) == 1
    assert [key for key in stack.objects() if "/ebb-2/" in key] == []


def test_a_result_of_an_earlier_life_of_a_job_serves_no_other(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    stack.start_worker(reuse="tenant")
    done(stack, "surf", "surf-1")
    stack.broker.command("FLUSHALL")
    # Transcribe has a job of that name and audio, with options that nobody knows any more.
    other: dict[str, Any] = {"show_alternatives": True, "max_alternatives": 2}
    first = done(stack, "surf", "surf-1", **other)
    assert first.fingerprint is not None
    assert starts(stack) == 1
    assert done(stack, "surf", "surf-2", **other).reused_from is None
    assert done(stack, "surf", "surf-3", **other).reused_from == "surf-2"
    assert starts(stack) == 2


def test_a_job_that_waits_is_started_once_nothing_is_reused_any_more(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    worker = stack.start_worker(reuse="tenant")
    stack.fault(kind="stuck", match="^lull-1$")
    submit(stack, "lull", "lull-1")
    stack.job_in("lull-1", JobState.TRANSCRIBING)
    submit(stack, "lull", "lull-2")
    waits_for(stack, "lull-2", "lull-1")
    worker.terminate()
    worker.wait(timeout=DEADLINE)
    stack.broker.command("ZADD", keys.SCHEDULE(Stage.UPLOAD), 1, "lull-2")
    stack.start_worker("second", reuse="off")
    job = ended(stack, "lull-2")
    assert (job.reused_from, job.waits_for, job.fingerprint) == (None, None, None)
    assert starts(stack) == 2
