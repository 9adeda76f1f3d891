"""Each call that a worker makes to AWS fails in each way; every job ends well, and starts once.

All of it happens at once, to a job for each call and each way of failing; each test looks at one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.contract.job import Job, JobState
from tests.conftest import make_stack
from tests.support.stack import BUCKET, Stack
from tests.support.waiting import DEADLINE, until
from worker.aws.transfer import PART_BYTES

KINDS = ("error500", "error500_after", "timeout", "timeout_after")
#: Calls that are about one job, and how often they fail. S3's own client tries thrice before we do.
OF_A_JOB = {
    "HeadObject": 4,
    "PutObject": 4,
    "CreateMultipartUpload": 4,
    "UploadPart": 4,
    "CompleteMultipartUpload": 4,
    "ListMultipartUploads": 4,
    "AbortMultipartUpload": 4,
    "StartTranscriptionJob": 2,
    "GetTranscriptionJob": 2,
    "GetObject": 4,
    "DeleteObject": 4,
    "DeleteTranscriptionJob": 2,
}
#: The same, where what was done needs no further call.
DONE_ALREADY = {"PutObject": 2, "CompleteMultipartUpload": 1, "AbortMultipartUpload": 3}
#: Calls that are about none; the last two are made for `doctor`.
OF_NONE = {"ListTranscriptionJobs": 1, "HeadBucket": 2, "GetCallerIdentity": 1}


def name_of(operation: str, kind: str) -> str:
    return f"{operation}.{kind}"


def about(name: str) -> str:
    """What finds a job's name, and keys beneath it, and no other's."""
    return rf"(^|/){name}($|/)"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All jobs are submitted, and all faults are set."""
    with make_stack(tmp_path_factory.mktemp("account")) as stack:
        stack.start_aws("--recogniser", "fixed:1", "--quota", "list=off,delete=off")
        short = stack.sample("silence.wav")
        long = stack.sample("silence.wav", "long.wav")
        with long.open("ab") as file:
            file.truncate(PART_BYTES + 1)
        for kind in KINDS:
            set_faults(stack, kind)
        rates = {"list_rate": "100", "delete_rate": "100"}
        workers = [stack.start_worker(name, **rates) for name in ("one", "two")]
        stack.client.submit_many(requests(short, long))
        break_off(stack, {name_of("AbortMultipartUpload", kind) for kind in KINDS})
        yield stack
        for worker in workers:
            worker.terminate()
        assert [worker.wait(timeout=DEADLINE) for worker in workers] == [0, 0]


def set_faults(stack: Stack, kind: str) -> None:
    def fault(operation: str, times: int, match: str | None = None) -> None:
        stack.fault(kind=kind, operation=operation, times=times, seconds=0.2, match=match)

    for operation, times in OF_NONE.items():
        fault(operation, times)
    after = DONE_ALREADY if kind.endswith("_after") else {}
    for operation, times in (OF_A_JOB | after).items():
        fault(operation, times, about(name_of(operation, kind)))
    # So that there is time to cancel it.
    slow = about(name_of("AbortMultipartUpload", kind))
    stack.fault(kind="timeout", operation="UploadPart", seconds=5, times=1, match=slow)
    # A job is asked for by its name where its result is not there yet.
    late = about(name_of("GetTranscriptionJob", kind))
    stack.fault(kind="no_result", seconds=8, times=1, match=late)


def requests(short: Path, long: Path) -> Iterator[dict[str, object]]:
    """A job for each call and kind."""
    for operation in OF_A_JOB:
        for kind in KINDS:
            name = name_of(operation, kind)
            audio = long if "Upload" in operation else short
            yield {"audio": str(audio), "name": name, "cleanup": True}


def break_off(stack: Stack, names: set[str]) -> None:
    """Cancel jobs in the middle of their uploads in parts, in any order of their starts."""

    s3 = stack.aws("s3")

    def all_are() -> bool:
        found = s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        for name in names & {each["Key"].split("/")[1] for each in found}:
            stack.client.cancel(name)
            names.remove(name)
        return not names

    until(all_are)


def uploads(stack: Stack, name: str) -> list[object]:
    prefix = f"transcribe-queue/{name}/"
    answer = stack.aws("s3").list_multipart_uploads(Bucket=BUCKET, Prefix=prefix)
    return list(answer.get("Uploads", []))


def ended(stack: Stack, name: str) -> Job:
    return stack.client.wait(name, timeout=DEADLINE, cleaned=True)[name]


def faults_left(stack: Stack, name: str) -> list[object]:
    """The calls that were never made, or not often enough."""
    return [fault for fault in stack.faults() if fault["match"] == about(name)]


def leaves_nothing(stack: Stack, name: str) -> None:
    until(lambda: not [key for key in stack.objects() if f"/{name}/" in key])
    until(lambda: not uploads(stack, name))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", [each for each in OF_A_JOB if not each.startswith("Abort")])
def test_a_call_that_fails_costs_its_job_seconds_only(
    account: Stack, operation: str, kind: str
) -> None:
    name = name_of(operation, kind)
    job = ended(account, name)
    assert (job.state, job.error, job.cleanup_error) == (JobState.COMPLETED, None, None)
    jobs = account.account()["jobs"]
    attempts = {name, *(f"{name}.{number}" for number in (2, 3))}
    assert [each["name"] for each in jobs if each["name"] in attempts] == [name]
    assert faults_left(account, name) == []
    leaves_nothing(account, name)


@pytest.mark.parametrize("kind", KINDS)
def test_an_upload_that_cannot_be_aborted_at_first_is_aborted_later(
    account: Stack, kind: str
) -> None:
    name = name_of("AbortMultipartUpload", kind)
    assert ended(account, name).state is JobState.CANCELLED
    leaves_nothing(account, name)
    # The upload itself is aborted, too, once its part is answered.
    until(lambda: faults_left(account, name) == [])


@pytest.mark.parametrize("operation", OF_NONE)
def test_a_call_that_is_about_no_job_may_fail_too(account: Stack, operation: str) -> None:
    until(lambda: operation not in [fault["operation"] for fault in account.faults()])


def test_afterwards_doctor_finds_all_well(account: Stack) -> None:
    until(lambda: account.transcribe("doctor").returncode == 0)
