"""Results that are missing or broken, jobs that are deleted, a bucket that is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from producer.contract.job import Job, JobState
from tests.conftest import make_stack
from tests.support.stack import BUCKET, Stack
from tests.support.waiting import DEADLINE, until

PATIENCE = 4
SPOILT = {
    "no_result": "ResultMissing",
    "truncated_result": "ResultBroken",
    "not_json": "ResultBroken",
}


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A worker that does not wait long for results."""
    with make_stack(tmp_path_factory.mktemp("impatient")) as stack:
        stack.start_aws("--recogniser", "fixed:0.3")
        buckets = f"{BUCKET},no-such-bucket"
        stack.start_worker(result_patience=str(PATIENCE), audio_buckets=buckets)
        yield stack


def submit(stack: Stack, *names: str) -> list[str]:
    recording = stack.sample("silence.wav")
    return stack.client.submit_many({"audio": str(recording), "name": name} for name in names)


def ends(stack: Stack, *names: str) -> list[Job]:
    jobs = stack.client.wait(submit(stack, *names), timeout=DEADLINE)
    return list(jobs.values())


def starts(stack: Stack, name: str) -> int:
    return [each["name"] for each in stack.account()["jobs"]].count(name)


def test_a_broken_result_is_awaited_for_so_long_and_no_longer(impatient: Stack) -> None:
    names = {kind: kind.replace("_", "-") for kind in SPOILT}
    for kind, name in names.items():
        impatient.fault(kind=kind, match=f"^never-{name}$")
        impatient.fault(kind=kind, match=f"^later-{name}$", seconds=1.5)
    never = {kind: f"never-{name}" for kind, name in names.items()}
    late = [f"later-{name}" for name in names.values()]
    submit(impatient, *never.values(), *late)

    for job in impatient.client.wait(late, timeout=DEADLINE).values():
        assert (job.state, starts(impatient, job.id)) == (JobState.COMPLETED, 1)
        assert job.id in impatient.client.text(job.id)
    for kind, name in never.items():
        job = impatient.client.wait(name, timeout=DEADLINE)[name]
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert (job.error.code, job.error.stage) == (SPOILT[kind], "collect")
        assert f"{name}.json" in job.error.message
        waited = job.times[JobState.FAILED] - job.times[JobState.COLLECTING]
        assert waited.total_seconds() > PATIENCE
        assert starts(impatient, name) == 1


@pytest.mark.parametrize("number", [1, 7])
def test_the_result_of_a_job_that_somebody_deleted_is_fetched(
    impatient: Stack, number: int
) -> None:
    names = [f"deleted-{number}-{each}" for each in range(number)]
    impatient.fault(kind="delete_job", match=f"^deleted-{number}-")
    for job in ends(impatient, *names):
        assert job.state is JobState.COMPLETED, job.error
        assert job.id in impatient.client.text(job.id)


def test_a_deleted_jobs_result_that_may_not_be_read_is_not_paid_for_again(
    impatient: Stack,
) -> None:
    impatient.fault(kind="delete_job", match="^deleted-denied$")
    impatient.fault(operation="GetObject", kind="access_denied", times=None, match="-denied")
    (job,) = ends(impatient, "deleted-denied")
    assert job.error is not None
    assert (job.error.code, job.error.stage) == ("AccessDenied", "collect")
    impatient.clear_faults()
    impatient.client.retry(job.id)
    job = impatient.client.wait(job.id, timeout=DEADLINE)[job.id]
    assert (job.state, job.attempt) == (JobState.COMPLETED, 1)


def test_a_job_that_was_deleted_with_its_result_says_so(impatient: Stack) -> None:
    impatient.fault(kind="delete_job", match="^nothing-left$")
    impatient.fault(kind="no_result", match="^nothing-left$")
    (job,) = ends(impatient, "nothing-left")
    assert job.error is not None
    assert job.error.code == "JobGone"


def test_a_bucket_that_is_gone_is_waited_for_and_doctor_says_so(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.3")
    stack.fault(kind="no_result", match="^paid$", seconds=1)
    stack.fault(kind="lost_bucket", operation="GetObject", match="/paid/")
    worker = stack.start_worker()
    submit(stack, "paid")
    stack.job_in("paid", JobState.COLLECTING)
    stack.fault(kind="lost_bucket")
    submit(stack, "new")

    # A worker first checks AWS at its start.
    stack.start_worker("fresh")
    until(lambda: "bucket test-bucket does not exist" in stack.transcribe("doctor").stdout)
    delayed = {
        line["job_id"]
        for line in (*stack.log(), *stack.log("fresh"))
        if line["event"] == "stage.retried_later" and line["code"] == "NoSuchBucket"
    }
    assert delayed == {"paid", "new"}
    stack.clear_faults()
    for job in stack.client.wait(["paid", "new"], timeout=DEADLINE).values():
        assert (job.state, starts(stack, job.id)) == (JobState.COMPLETED, 1)
    assert worker.poll() is None


def test_audio_in_a_bucket_that_is_not_there_fails_with_that_reason(impatient: Stack) -> None:
    job = impatient.client.submit("s3://no-such-bucket/a.wav", name="nowhere")
    failed = impatient.client.wait(job.id, timeout=DEADLINE)[job.id]
    assert failed.error is not None
    assert failed.error.code == "NoSuchBucket"


def test_a_start_without_its_bucket_fails_with_the_services_reason(impatient: Stack) -> None:
    impatient.fault(kind="lost_bucket", operation="StartTranscriptionJob", match="^homeless$")
    (job,) = ends(impatient, "homeless")
    assert job.error is not None
    assert "bucket can't be accessed" in job.error.message
