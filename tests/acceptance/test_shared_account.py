"""Other software uses the same account: the fleet yields to it, and has all again afterwards."""

from __future__ import annotations

import json

import pytest

from producer.backend.capacity import Account, Rate
from producer.contract.job import JobState
from tests.support.stack import BUCKET, Stack
from tests.support.waiting import DEADLINE, until

pytestmark = pytest.mark.long


def submit(stack: Stack, number: int) -> list[str]:
    recording = stack.sample("silence.wav")
    return stack.client.submit_many(
        {"audio": str(recording), "name": f"job-{each}"} for each in range(number)
    )


def start_others(stack: Stack, number: int) -> None:
    """Jobs of other software, which knows nothing of ours."""
    stack.aws("s3").put_object(
        Bucket=BUCKET, Key="others.wav", Body=stack.sample("silence.wav").read_bytes()
    )
    for each in range(number):
        stack.aws("transcribe").start_transcription_job(
            TranscriptionJobName=f"others-{each}",
            LanguageCode="en-US",
            Media={"MediaFileUri": f"s3://{BUCKET}/others.wav"},
            OutputBucketName=BUCKET,
        )


def account(stack: Stack) -> Account:
    found = until(stack.client.fleet.account)
    assert isinstance(found, Account)
    return found


def rate(stack: Stack, operation: str) -> Rate:
    (found,) = [each for each in account(stack).rates if each.operation == operation]
    return found


def changes(stack: Stack, what: str) -> list[str]:
    return [
        line["event"]
        for line in stack.log()
        if line["event"] in {"account.slowed", "account.recovered"} and line["what"] == what
    ]


def test_slots_that_others_have_are_left_to_them_until_they_are_gone(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1", "--quota", "jobs=10")
    stack.fault(kind="stuck")
    stack.start_worker()
    until(lambda: account(stack).quota == 10)
    start_others(stack, 7)
    ids = submit(stack, 9)
    until(lambda: account(stack).others == 7)
    # Those of ours that have no slot yet.
    stack.replace_faults({"kind": "stuck", "match": "^job-"})
    seen: list[Account] = []

    def others_are_gone() -> bool:
        seen.append(account(stack))
        return seen[-1].others == 0

    until(others_are_gone)
    assert all(each.slots <= 10 - each.others for each in seen)
    assert account(stack).refused <= 9, "those that were started before the others were seen"
    until(lambda: stack.client.counts()[JobState.TRANSCRIBING] > 3)
    until(lambda: account(stack).slots == 10)
    stack.clear_faults()
    jobs = stack.client.wait(ids, timeout=DEADLINE)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    assert changes(stack, "slots") == ["account.slowed", "account.recovered"]


def test_a_full_account_is_not_run_into_all_the_time(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1", "--quota", "jobs=10")
    stack.fault(kind="stuck", match="^others-")
    stack.start_worker()
    until(lambda: account(stack).quota == 10)
    start_others(stack, 10)
    ids = submit(stack, 12)
    until(lambda: account(stack).refused)
    since = stack.now()
    until(lambda: stack.now() > since + 5, what="time in which to run into it again")
    stack.clear_faults()
    jobs = stack.client.wait(ids, timeout=DEADLINE)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    assert account(stack).refused <= 20, "no more than a few at a time, and not each second"


def test_a_throttled_fleet_calls_less_often_and_recovers(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    stack.start_worker()
    stack.fault(operation="StartTranscriptionJob", kind="throttle", times=3)
    ids = submit(stack, 40)
    until(lambda: rate(stack, "StartTranscriptionJob").backoff_factor < 1)
    assert rate(stack, "StartTranscriptionJob").tokens < 25
    assert rate(stack, "GetTranscriptionJob").backoff_factor == 1
    jobs = stack.client.wait(ids, timeout=DEADLINE)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    until(lambda: rate(stack, "StartTranscriptionJob").tokens == 25)
    until(lambda: len(changes(stack, "StartTranscriptionJob")) == 2)
    assert changes(stack, "StartTranscriptionJob") == ["account.slowed", "account.recovered"]
    assert rate(stack, "StartTranscriptionJob").refused == 3


def test_doctor_says_what_of_the_account_we_may_use(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1", "--quota", "jobs=12,start=7")
    stack.start_worker(list_rate="4")
    until(lambda: account(stack).measured)
    until(lambda: account(stack).quota == 12)
    printed = stack.transcribe("doctor", "--json").stdout
    findings = [json.loads(line) for line in printed.splitlines()]
    (found,) = [each for each in findings if each["check"] == "account"]
    assert found["ok"]
    assert (found["account"]["slots"], found["account"]["others"]) == (12, 0)
    rates = {each["operation"]: each["quota"] for each in found["account"]["rates"]}
    # By Service Quotas, but where the operator said less.
    assert rates["StartTranscriptionJob"] == 7
    assert rates["ListTranscriptionJobs"] == 4
    assert (
        "12 of 12 concurrent jobs available to us, 0 used by other software"
        in stack.transcribe("doctor").stdout
    )


def test_all_workers_keep_to_what_any_has_read(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1", "--quota", "jobs=9")
    stack.start_worker("one")
    until(lambda: account(stack).quota == 9)
    stack.fault(operation="ListServiceQuotas", kind="access_denied")
    stack.start_worker("denied")
    until(
        lambda: [each for each in stack.log("denied") if each["event"] == "account.quotas_unread"]
    )
    assert account(stack).quota == 9


@pytest.mark.parametrize("kind", ["access_denied", "error500", "timeout"])
def test_without_service_quotas_the_settings_apply(stack: Stack, kind: str) -> None:
    stack.start_aws("--recogniser", "fixed:0.2", "--quota", "jobs=9")
    stack.fault(operation="ListServiceQuotas", kind=kind)
    stack.start_worker()
    until(lambda: [each for each in stack.log() if each["event"] == "account.quotas_unread"])
    found = account(stack)
    assert (found.quota, found.measured) == (250, False)
    stack.client.wait(submit(stack, 1), timeout=DEADLINE)
