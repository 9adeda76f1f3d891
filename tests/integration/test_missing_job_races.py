"""What else happens while a worker looks for the result of a job that AWS's list lacks."""

import pytest

from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.stages import FLEET, Stage
from tests.support.stack import Stack
from tests.support.stages import acquired_work, collect_once, poll_once, started
from tests.support.waiting import until
from worker.errors import Crashed
from worker.leases import LeaseLost
from worker.runtime.context import Context
from worker.stages import poll as polling
from worker.stages.collect import Collect

NAME = "daily"


def state(stack: Stack) -> JobState:
    return stack.client.get(NAME).state


def ended(worker: Context, stack: Stack, *names: str) -> None:
    """Bring jobs to where AWS has ended them, whether well or not."""
    for name in names or [NAME]:
        started(worker, stack, name)
    until(lambda: "IN_PROGRESS" not in {job["status"] for job in stack.account()["jobs"]})


def test_a_job_that_is_stopped_during_the_search_of_its_result_keeps_its_slot(
    stack: Stack, slow: Context
) -> None:
    started(slow, stack, NAME)
    poll_once(slow, lacks=[NAME])
    work = acquired_work(slow, Stage.COLLECT, NAME)
    stack.client.cancel(NAME)
    with pytest.raises(LeaseLost):
        Collect().run(work)
    assert (state(stack), stack.running_ids()) == (JobState.CANCELLED, [NAME])
    # Of a stopped job nothing is collected: AWS says when it has ended.
    assert poll_once(slow, lacks=[NAME]) == []
    assert stack.calls("GetTranscriptionJob") == 1
    assert stack.running_ids() == [NAME]


def test_of_a_stopped_job_that_has_ended_nothing_is_collected(
    stack: Stack, worker: Context
) -> None:
    ended(worker, stack)
    stack.client.cancel(NAME)
    assert poll_once(worker) == [NAME]
    assert (state(stack), stack.running_ids()) == (JobState.CANCELLED, [])
    assert stack.broker.command("ZCARD", keys.SCHEDULE(Stage.COLLECT)) == 0


def test_a_collect_that_crashes_on_a_running_job_does_not_fail_it(
    stack: Stack, slow: Context
) -> None:
    started(slow, stack, NAME)
    poll_once(slow, lacks=[NAME])
    work = acquired_work(slow, Stage.COLLECT, NAME)
    Collect().abandon(work, Crashed("Crashed", "A bug."))
    assert (state(stack), stack.running_ids()) == (JobState.TRANSCRIBING, [NAME])
    assert poll_once(slow, lacks=[NAME]) == []
    assert stack.calls("GetTranscriptionJob") == 1


def test_an_outdated_worker_moves_no_job(stack: Stack, worker: Context) -> None:
    ended(worker, stack)
    poll_once(worker)
    late = acquired_work(worker, Stage.COLLECT, NAME)
    # Meanwhile AWS was asked, and another worker collects it.
    assert poll_once(worker, lists=False) == [NAME]
    with pytest.raises(LeaseLost):
        Collect().run(late)
    assert not worker.running.record_missed(late.lease)
    assert state(stack) is JobState.COLLECTING
    collect_once(worker, NAME)
    assert state(stack) is JobState.COMPLETED


def test_no_result_is_searched_of_a_job_that_aws_has_failed_meanwhile(
    stack: Stack, worker: Context
) -> None:
    stack.fault(kind="fail", reason="Failed to parse audio file.", match=NAME)
    ended(worker, stack)
    poll_once(worker)
    late = acquired_work(worker, Stage.COLLECT, NAME)
    assert poll_once(worker, lists=False) == [NAME]
    assert state(stack) is JobState.FAILED
    assert stack.broker.command("ZCARD", keys.SCHEDULE(Stage.COLLECT)) == 0
    assert not worker.schedule.release(late.lease, 0)


def test_a_job_that_aws_does_not_answer_for_delays_no_other(stack: Stack, worker: Context) -> None:
    names = [f"job-{number}" for number in range(4)]
    stack.fault(kind="fail", reason="Failed to parse audio file.", match="job")
    ended(worker, stack, *names)
    poll_once(worker)
    for name in names:
        collect_once(worker, name)
    stack.fault(operation="GetTranscriptionJob", kind="timeout", seconds=60, match="^job-0$")
    work = acquired_work(worker, Stage.POLL, FLEET)
    found = polling.ended_jobs(work, worker.running.snapshot("5"))
    assert {next(found)[0].id for _ in range(3)} == set(names[1:])
    stack.clear_faults()
