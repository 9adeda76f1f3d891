"""AWS has bad days; no job is lost to them, and none is started twice."""

from __future__ import annotations

import pytest

from producer.contract.job import Job, JobState
from tests.support.stack import BUCKET, Stack
from tests.support.waiting import DEADLINE, until


def run(stack: Stack, name: str, **options: object) -> Job:
    """A job under a name of its own, to its end."""
    job = stack.client.submit(stack.sample("silence.wav", f"{name}.wav"), name=name, **options)
    return stack.client.wait(job.id, timeout=DEADLINE, cleaned=True)[job.id]


def starts(stack: Stack, name: str) -> list[str]:
    return [each["name"] for each in stack.account()["jobs"] if each["name"].startswith(name)]


def completed_once(stack: Stack, job: Job) -> None:
    assert job.state is JobState.COMPLETED, job.error
    assert starts(stack, job.id) == [job.id]
    assert job.id in stack.client.text(job.id)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("start-500", {"operation": "StartTranscriptionJob", "kind": "error500"}),
        ("start-500-done", {"operation": "StartTranscriptionJob", "kind": "error500_after"}),
        ("start-throttled", {"operation": "StartTranscriptionJob", "kind": "throttle"}),
        ("start-limit", {"operation": "StartTranscriptionJob", "kind": "limit"}),
        ("start-expired", {"operation": "StartTranscriptionJob", "kind": "expired_token"}),
        ("get-500", {"operation": "GetTranscriptionJob", "kind": "error500"}),
        ("get-throttled", {"operation": "GetTranscriptionJob", "kind": "throttle"}),
        ("put-500", {"operation": "PutObject", "kind": "error500"}),
        ("put-expired", {"operation": "PutObject", "kind": "expired_token"}),
        ("read-500", {"operation": "GetObject", "kind": "error500"}),
    ],
)
def test_a_hiccup_costs_a_job_seconds_only(
    served: Stack, name: str, fields: dict[str, object]
) -> None:
    before = len(served.log())
    served.fault(match=name, times=2, **fields)
    completed_once(served, run(served, name))
    warnings = [line["event"] for line in served.log()[before:] if line["level"] == "warning"]
    # S3's own client has retried, where it may; otherwise the log has a line.
    assert warnings or fields["operation"] in {"PutObject", "GetObject"}


@pytest.mark.parametrize("kind", ["error500", "throttle", "timeout_after"])
def test_listing_that_fails_delays_but_loses_nothing(served: Stack, kind: str) -> None:
    names = [f"list-{kind.replace('_', '-')}-{number}" for number in range(8)]
    served.fault(operation="ListTranscriptionJobs", kind=kind, times=2, seconds=1)
    ids = served.client.submit_many(
        {"audio": str(served.sample("silence.wav", f"{name}.wav")), "name": name} for name in names
    )
    for job in served.client.wait(ids, timeout=DEADLINE).values():
        completed_once(served, job)


def test_cleanup_that_fails_is_tried_again(served: Stack) -> None:
    before = set(served.objects())
    served.fault(operation="DeleteObject", kind="error500", times=4)
    served.fault(operation="DeleteTranscriptionJob", kind="throttle", times=1)
    job = run(served, "clean-later", cleanup=True)
    assert job.cleaned_at is not None
    assert set(served.objects()) == before


def test_cleanup_that_is_forbidden_does_not_uncomplete_a_job(served: Stack) -> None:
    served.fault(operation="DeleteTranscriptionJob", kind="access_denied", times=1)
    job = run(served, "clean-never", cleanup=True)
    assert job.state is JobState.COMPLETED
    assert "DeleteTranscriptionJob" in (job.cleanup_error or "")


def test_what_is_forbidden_fails_with_advice(served: Stack) -> None:
    served.fault(operation="StartTranscriptionJob", kind="access_denied", times=1)
    job = run(served, "forbidden")
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "transcribe policy" in job.error.message


def test_a_result_that_was_paid_for_is_fetched_by_a_retry(served: Stack) -> None:
    served.fault(operation="GetObject", kind="access_denied", match="paid")
    job = served.client.submit(served.sample("silence.wav"), name="paid")
    failed = served.job_in(job.id, JobState.FAILED)
    assert failed.error is not None
    assert (failed.error.code, failed.error.stage) == ("AccessDenied", "collect")
    served.clear_faults()
    served.client.retry(job.id)
    again = served.job_in(job.id, JobState.COMPLETED)
    assert again.attempt == 1
    assert [each["name"] for each in served.account()["jobs"]].count("paid") == 1


def test_a_reason_of_the_service_fails_the_job_with_it(served: Stack) -> None:
    served.fault(kind="fail", match="parse", reason="Failed to parse audio file.")
    job = run(served, "parse-error")
    assert job.error is not None
    assert (job.state, job.error.code) == (JobState.FAILED, "TranscriptionFailed")
    assert "Failed to parse audio file." in job.error.message


def test_an_internal_failure_of_the_service_is_tried_again_thrice(served: Stack) -> None:
    served.fault(kind="fail", match="^shaky$", reason="Internal error. Try again.")
    job = run(served, "shaky")
    assert (job.state, job.attempt) == (JobState.COMPLETED, 2)
    assert starts(served, "shaky") == ["shaky", "shaky--try-2"]
    served.fault(kind="fail", match="^broken", reason="Internal error. Try again.")
    job = run(served, "broken")
    assert (job.state, job.attempt) == (JobState.FAILED, 3)
    assert starts(served, "broken") == ["broken", "broken--try-2", "broken--try-3"]


def test_a_job_that_somebody_deleted_is_failed_with_that_reason(served: Stack) -> None:
    # No worker sees it end.
    served.fault(operation="Get*", kind="error500", match="deleted-by")
    job = served.client.submit(served.sample("silence.wav"), name="deleted-by-somebody")
    served.job_in(job.id, JobState.TRANSCRIBING)

    def ended() -> bool:
        jobs = served.account()["jobs"]
        return any(each["name"] == job.id and each["status"] == "COMPLETED" for each in jobs)

    until(ended)
    transcribe = served.aws("transcribe")
    transcribe.delete_transcription_job(TranscriptionJobName=job.id)
    served.aws("s3").delete_object(Bucket=BUCKET, Key=f"transcribe-queue/{job.id}/{job.id}.json")
    served.clear_faults()
    failed = served.client.wait(job.id, timeout=DEADLINE)[job.id]
    assert failed.error is not None
    assert failed.error.code == "JobGone"


def test_wrong_credentials_are_waited_out_and_doctor_says_so(served: Stack) -> None:
    served.fault(operation="*", kind="expired_token", times=None)
    job = served.client.submit(served.sample("silence.wav"), name="patient")
    until(lambda: "rejects the worker's credentials" in served.transcribe("doctor").stdout)
    assert served.client.get(job.id).state is not JobState.FAILED
    served.clear_faults()
    completed_once(served, served.client.wait(job.id, timeout=DEADLINE)[job.id])
