"""Of all jobs with one fingerprint Redis lets one be started, and wakes the others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from producer.backend import keys
from producer.backend.identities import KnownResult, Offer
from producer.backend.schedule import Lease
from producer.backend.workers import WorkerReport
from producer.contract.job import JobState
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage
from tests.support.stack import Stack
from tests.support.stages import acquired_work, offline_worker
from worker.runtime.context import Context
from worker.stages.identity import fingerprint_of, uploaded

PRINT = "a-fingerprint"


@pytest.fixture
def offline(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    return offline_worker(stack, monkeypatch)


def uploading(stack: Stack, worker: Context, name: str) -> Lease:
    """The lease of the upload of a new job."""
    stack.client.submit(stack.audio / "a.wav", name=name)
    return leased(stack, worker, name)


def leased(stack: Stack, worker: Context, name: str) -> Lease:
    """The lease of its upload, once that is due; no worker reads the messages."""
    stack.broker.command("DEL", Stage.UPLOAD.list)
    return acquired_work(worker, Stage.UPLOAD, name).lease


def identify(worker: Context, lease: Lease, fingerprint: str = PRINT) -> tuple[str, str]:
    return worker.identities.identify(lease, fingerprint, {"media_uri": "s3://bucket/a.wav"})


def known(job: str) -> KnownResult:
    return KnownResult(job=job, path=job, digests={"json": "0"})


def complete(stack: Stack, worker: Context, name: str, *, offers: bool = True) -> None:
    """Complete a job that is READY as if it had been transcribed."""
    worker.admission.capacity.admit()
    start = acquired_work(worker, Stage.START, name)
    start.advance(JobState.TRANSCRIBING)
    job = stack.client.get(name)
    assert worker.store.advance(
        acquired_work(worker, Stage.POLL, "*").lease,
        name,
        [job.state],
        JobState.COLLECTING,
    )
    collect = acquired_work(worker, Stage.COLLECT, name)
    offer = Offer(PRINT, known(name), 100) if offers else None
    collect.advance_completed({Stage.CLEANUP: "none"}, {}, offer)


def is_due(stack: Stack, name: str) -> bool:
    due = stack.broker.command("ZSCORE", keys.SCHEDULE(Stage.UPLOAD), name)
    # The clock is in whole seconds here.
    return due is not None and float(due) <= stack.now() + 1


def is_woken(stack: Stack, name: str) -> bool:
    """Whether its upload is due, or a message for that is on its way."""
    is_sent = stack.broker.command("HGET", keys.LEASE(Stage.UPLOAD), name) == "0"
    return is_sent or is_due(stack, name)


@pytest.mark.command("identify_job")
def test_the_first_is_the_original_and_others_wait_for_it(stack: Stack, offline: Context) -> None:
    one, two = uploading(stack, offline, "one"), uploading(stack, offline, "two")
    assert identify(offline, one) == ("original", "")
    assert identify(offline, two) == ("wait", "one")
    first, second = stack.client.get("one"), stack.client.get("two")
    assert (first.state, first.fingerprint) == (JobState.READY, PRINT)
    assert (second.state, second.waits_for) == (JobState.UPLOADING, "one")
    assert second.media_uri == "s3://bucket/a.wav"
    assert not is_due(stack, "two")
    # The lease went with it.
    assert identify(offline, one) == ("lost", "")
    assert identify(offline, two) == ("lost", "")


@pytest.mark.command("identify_job", "advance_job")
def test_the_end_of_the_original_makes_those_due_that_wait(stack: Stack, offline: Context) -> None:
    assert identify(offline, uploading(stack, offline, "one"))[0] == "original"
    assert identify(offline, uploading(stack, offline, "two"))[0] == "wait"
    complete(stack, offline, "one")
    assert is_due(stack, "two")
    assert identify(offline, leased(stack, offline, "two")) == ("reuse", "one")
    job = stack.client.get("two")
    assert (job.state, job.reused_from, job.waits_for) == (JobState.COLLECTING, "one", None)
    assert stack.broker.command("EXISTS", keys.TWINS("one"), str(keys.ORIGINALS)) == 0


@pytest.mark.parametrize("end", ["cancelled", "no result"])
def test_without_a_result_one_of_them_is_the_next_original(
    stack: Stack, offline: Context, end: str
) -> None:
    for name in ("one", "two", "three"):
        identify(offline, uploading(stack, offline, name))
    if end == "cancelled":
        stack.client.cancel("one")
    else:
        complete(stack, offline, "one", offers=False)
    assert is_due(stack, "two")
    assert is_due(stack, "three")
    again = [leased(stack, offline, name) for name in ("two", "three")]
    assert [identify(offline, each) for each in again] == [("original", ""), ("wait", "two")]


def test_one_that_is_cancelled_while_it_waits_is_not_woken(stack: Stack, offline: Context) -> None:
    for name in ("one", "two"):
        identify(offline, uploading(stack, offline, name))
    stack.client.cancel("two")
    assert stack.client.get("two").waits_for is None
    assert stack.broker.command("EXISTS", keys.TWINS("one")) == 0
    stack.client.cancel("one")
    assert stack.broker.command("ZSCORE", keys.SCHEDULE(Stage.UPLOAD), "two") is None


def test_of_two_that_ask_at_once_one_is_the_original(stack: Stack, offline: Context) -> None:
    names = [f"job-{number}" for number in range(16)]
    leases = [uploading(stack, offline, name) for name in names]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda lease: identify(offline, lease), leases))
    original = names[found.index(("original", ""))]
    found.remove(("original", ""))
    assert found == [("wait", original)] * 15


def test_however_many_wait_all_are_woken_by_and_by(stack: Stack, offline: Context) -> None:
    names = [f"job-{number}" for number in range(250)]
    for name in names:
        identify(offline, uploading(stack, offline, name))
    stack.client.cancel("job-0")
    # No script wakes them all.
    assert 0 < sum(is_due(stack, name) for name in names) <= 100
    left = set(names[1:])
    while left:
        woken = [name for name in left if is_woken(stack, name)]
        assert woken
        for name in woken:
            identify(offline, leased(stack, offline, name))
            left.discard(name)
    (original,) = stack.store.ids(JobState.READY)
    assert stack.broker.command("SCARD", keys.TWINS(original)) == 248


def test_a_retried_job_may_have_other_audio_so_nobody_waits_for_it(
    stack: Stack, offline: Context
) -> None:
    identify(offline, uploading(stack, offline, "one"))
    stack.client.cancel("one")
    # As if Redis had lost that the job was an original no more.
    stack.broker.command("HSET", str(keys.ORIGINALS), PRINT, "one")
    acquired_work(offline, Stage.CLEANUP, "one").complete()
    stack.client.retry("one")
    assert stack.client.get("one").fingerprint is None
    assert identify(offline, uploading(stack, offline, "two")) == ("original", "")


@pytest.mark.command("forget_result")
def test_a_result_is_forgotten_only_if_it_is_still_that_jobs(
    stack: Stack, offline: Context
) -> None:
    identify(offline, uploading(stack, offline, "one"))
    complete(stack, offline, "one")
    assert offline.identities.find(PRINT) == known("one")
    assert 0 < stack.broker.command("TTL", keys.IDENTITY(PRINT)) <= 100
    assert not offline.identities.forget(PRINT, "two")
    assert offline.identities.find(PRINT) == known("one")
    assert offline.identities.forget(PRINT, "one")
    assert offline.identities.find(PRINT) is None
    assert not offline.identities.forget(PRINT, "one")


@pytest.mark.parametrize(
    ("only_over", "expected"), [(None, "two"), ("", "one"), ("one", "two"), ("other", "one")]
)
def test_a_result_replaces_no_other_than_it_says(
    stack: Stack, offline: Context, only_over: str | None, expected: str
) -> None:
    identify(offline, uploading(stack, offline, "one"))
    complete(stack, offline, "one")
    two = uploading(stack, offline, "two")
    assert identify(offline, two) == ("reuse", "one")
    offer = Offer(PRINT, known("two"), 100, only_over)
    work = acquired_work(offline, Stage.COLLECT, "two")
    work.advance_completed({Stage.CLEANUP: "none"}, {}, offer)
    assert offline.identities.find(PRINT) == known(expected)


def test_what_a_newer_version_wrote_is_no_result(stack: Stack, offline: Context) -> None:
    stack.broker.command("SET", keys.IDENTITY(PRINT), '{"job": "one", "later": true}')
    assert offline.identities.find(PRINT) is None


def test_what_an_emulator_heard_is_no_result_of_amazons(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.environment["TRANSCRIBE_REUSE"] = "tenant"
    found: set[str | None] = set()
    for endpoint in ("http://127.0.0.1:4567", "https://transcribe.us-east-1.amazonaws.com"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        worker = offline_worker(stack, monkeypatch)
        stack.client.submit(stack.audio / "a.wav", name=f"job-{len(found)}")
        work = acquired_work(worker, Stage.UPLOAD, f"job-{len(found)}")
        audio = uploaded(S3Uri("s3://bucket/a.wav"), "0")
        found.add(fingerprint_of(work, audio, {}))
    assert len(found) == 2


def heartbeat(stack: Stack, *, can_reuse: bool) -> None:
    """A worker says that it lives."""
    stack.client.fleet.report(
        WorkerReport(
            name="some",
            pid=1,
            version="0.1.0",
            queues=(),
            concurrency=1,
            busy=0,
            started_at=datetime.now(UTC),
            seen_at=0,
            can_reuse=can_reuse,
        )
    )


def test_beside_a_worker_that_knows_no_twins_every_job_is_an_original(
    stack: Stack, offline: Context
) -> None:
    heartbeat(stack, can_reuse=False)
    for name in ("one", "two"):
        assert identify(offline, uploading(stack, offline, name)) == ("original", "")
    complete(stack, offline, "two")
    assert identify(offline, uploading(stack, offline, "three")) == ("original", "")
    heartbeat(stack, can_reuse=True)
    assert identify(offline, uploading(stack, offline, "four")) == ("reuse", "two")
