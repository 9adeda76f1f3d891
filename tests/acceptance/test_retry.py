"""A retry fetches what was paid for, and starts anew only what has nothing to be fetched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from producer.backend import keys
from producer.contract.job import Job, JobState
from producer.errors import WrongState
from tests.conftest import make_stack
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until

PATIENCE = 4


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A worker that does not wait long for results, and jobs that take a second."""
    with make_stack(tmp_path_factory.mktemp("retried")) as stack:
        stack.start_aws("--recogniser", "fixed:1")
        stack.start_worker(result_patience=str(PATIENCE))
        yield stack


def submit(stack: Stack, name: str, **fields: object) -> str:
    return stack.client.submit(stack.sample("silence.wav"), name=name, **fields).id


def expire(stack: Stack, name: str) -> Job:
    """Let a job's deadline be over, without waiting for it."""
    stack.broker.command("ZADD", str(keys.DEADLINES), stack.now() - 1, name)
    failed = stack.job_in(name, JobState.FAILED)
    assert failed.error is not None
    assert failed.error.code == "DeadlineExceeded"
    return failed


def retried(stack: Stack, name: str) -> Job:
    """Retry a job as soon as it was stopped everywhere; returns how it ended."""

    def is_retried() -> bool:
        try:
            stack.client.retry(name)
        except WrongState:  # it is still being stopped
            return False
        return True

    until(is_retried)
    return stack.client.wait(name, timeout=DEADLINE)[name]


def starts(stack: Stack, name: str) -> list[str]:
    """The Transcribe jobs that were started, and billed, for a job."""
    names = [each["name"] for each in stack.account()["jobs"]]
    return [each for each in names if each.partition("--try-")[0] == name]


def fetched(stack: Stack, job: Job) -> None:
    assert (job.state, job.attempt, job.error) == (JobState.COMPLETED, 1, None)
    assert starts(stack, job.id) == [job.id], "billed once"
    assert job.id in stack.client.text(job.id)


def started_anew(stack: Stack, job: Job) -> None:
    assert (job.state, job.attempt) == (JobState.COMPLETED, 2)
    assert starts(stack, job.id) == [job.id, f"{job.id}--try-2"]
    assert f"{job.id}--try-2" in stack.client.text(job.id)


@pytest.mark.parametrize("cleanup", [False, True])
def test_a_job_that_was_late_to_be_collected_is_fetched(served: Stack, *, cleanup: bool) -> None:
    name = f"late-{cleanup}"
    served.fault(operation="GetObject", kind="error500", times=None, match=f"/{name}/")
    submit(served, name, cleanup=cleanup)
    served.job_in(name, JobState.COLLECTING)
    failed = expire(served, name)
    assert failed.error is not None
    assert failed.error.stage == "collect"
    served.clear_faults()
    fetched(served, retried(served, name))
    if cleanup:
        until(lambda: served.client.get(name).cleaned_at)
        assert [key for key in served.objects() if name in key] == []


@pytest.mark.parametrize("cleanup", [False, True])
def test_a_job_that_was_late_to_be_transcribed_is_fetched(served: Stack, *, cleanup: bool) -> None:
    name = f"slow-{cleanup}"
    # No worker sees it end.
    served.fault(operation="Get*", kind="error500", times=None, match=f"(^|/){name}(/|$)")
    submit(served, name, cleanup=cleanup)
    served.job_in(name, JobState.TRANSCRIBING)
    failed = expire(served, name)
    assert failed.error is not None
    assert failed.error.stage == "poll"
    served.clear_faults()
    fetched(served, retried(served, name))


def test_a_job_whose_start_seemed_to_fail_is_awaited(served: Stack) -> None:
    served.fault(operation="StartTranscriptionJob", kind="error500_after", times=1, match="^sure$")
    served.fault(operation="GetTranscriptionJob", kind="access_denied", times=None, match="^sure$")
    submit(served, "sure")
    failed = served.job_in("sure", JobState.FAILED)
    assert failed.error is not None
    assert (failed.error.code, failed.error.stage) == ("AccessDenied", "start")
    served.clear_faults()
    fetched(served, retried(served, "sure"))


def test_a_result_that_turns_up_late_is_fetched(served: Stack) -> None:
    served.fault(kind="no_result", match="^turns-up$", seconds=PATIENCE + 3)
    submit(served, "turns-up")
    failed = served.job_in("turns-up", JobState.FAILED)
    assert failed.error is not None
    assert failed.error.code == "ResultMissing"
    until(lambda: "transcribe-queue/turns-up/turns-up.json" in served.objects())
    fetched(served, retried(served, "turns-up"))


@pytest.mark.parametrize("kind", ["no_result", "not_json"])
def test_a_job_that_has_no_result_is_started_anew(served: Stack, kind: str) -> None:
    name = f"never-{kind.replace('_', '-')}"
    served.fault(kind=kind, match=f"^{name}$")
    submit(served, name)
    served.job_in(name, JobState.FAILED)
    started_anew(served, retried(served, name))


def test_a_job_that_is_gone_with_its_result_is_started_anew(served: Stack) -> None:
    served.fault(kind="delete_job", match="^gone$")
    served.fault(kind="no_result", match="^gone$")
    submit(served, "gone")
    failed = served.job_in("gone", JobState.FAILED)
    assert failed.error is not None
    assert failed.error.code == "JobGone"
    started_anew(served, retried(served, "gone"))


@pytest.mark.parametrize("state", [JobState.TRANSCRIBING, JobState.COLLECTING])
def test_a_cancelled_job_was_deleted_and_is_started_anew(served: Stack, state: JobState) -> None:
    name = f"cancelled-{state.lower()}"
    if state is JobState.TRANSCRIBING:
        served.fault(kind="stuck", match=f"^{name}$")
    else:
        served.block(operation="GetObject", match=f"/{name}/")
    submit(served, name)
    served.job_in(name, state)
    served.client.cancel(name)
    served.clear_faults()
    started_anew(served, retried(served, name))


def test_what_transcribe_could_not_do_is_started_anew_at_once(served: Stack) -> None:
    served.fault(kind="fail", match="^parse$", reason="Failed to parse audio file.")
    submit(served, "parse")
    served.job_in("parse", JobState.FAILED)
    retried = served.client.retry("parse")
    # A worker may have gone on with it already.
    assert retried.times[JobState.QUEUED] > retried.times[JobState.FAILED]
    started_anew(served, served.client.wait("parse", timeout=DEADLINE)["parse"])
