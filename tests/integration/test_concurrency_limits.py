"""A process does few large works at once; what is beyond its limit waits in a fleet-wide queue."""

from __future__ import annotations

import json

import pytest

from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage
from tests.support.stack import BUCKET, Stack
from tests.support.stages import (
    acquired_work,
    end_transcription,
    offline_worker,
    uploaded,
    worker_of,
)
from tests.support.waiting import until
from worker.aws.transfer import PART_BYTES
from worker.errors import LimitReached
from worker.runtime.concurrency import ConcurrencyLimits, LimitedWork
from worker.runtime.context import Context
from worker.runtime.isolation import IsolationNeeded
from worker.runtime.work import Work
from worker.stages import collect
from worker.stages import start as starting
from worker.stages import upload as uploading
from worker.tasks import HANDLERS

QUEUE = keys.LARGE("upload")


@pytest.fixture
def worker(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    return worker_of(stack, monkeypatch)


@pytest.fixture
def offline(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    return offline_worker(stack, monkeypatch)


UPLOADS_AT_ONCE = 4


def limit_of(worker: Context, stage: Stage) -> LimitedWork:
    """The limit of a process with 16 threads."""
    return worker.limits.limited(stage, HANDLERS[stage].max_large(4 * UPLOADS_AT_ONCE))


def limited(worker: Context, work: Work) -> Work:
    """The same work, as by a thread whose large work counts."""
    return Work(worker, work.lease, work.guard, limit_of(worker, work.lease.stage))


def queue(worker: Context, stack: Stack, name: str, priority: int) -> None:
    stack.client.submit(stack.sample("silence.wav"), name=name, priority=priority)
    assert worker.schedule.queue_large(acquired_work(worker, Stage.UPLOAD, name).lease)


@pytest.mark.redis
def test_large_work_waits_by_priority_and_age_and_stopped_jobs_are_passed_over(
    stack: Stack, offline: Context
) -> None:
    for name, priority in (("old", 5), ("young", 5), ("stopped", 1), ("urgent", 1)):
        queue(offline, stack, name, priority)
    stack.client.cancel("stopped")
    found = [offline.schedule.next_large(Stage.UPLOAD) for _ in range(4)]
    assert found == ["urgent", "old", "young", ""]
    # A worker may start each at once.
    assert offline.schedule.acquire(Stage.UPLOAD, "young") is not None


@pytest.mark.redis
def test_large_work_that_waits_again_keeps_its_position(stack: Stack, offline: Context) -> None:
    for name in ("old", "young"):
        queue(offline, stack, name, 5)
    assert offline.schedule.next_large(Stage.UPLOAD) == "old"
    lease = offline.schedule.acquire(Stage.UPLOAD, "old")
    assert lease is not None
    assert offline.schedule.queue_large(lease)
    assert offline.schedule.next_large(Stage.UPLOAD) == "old"


@pytest.mark.redis
def test_large_work_that_waits_is_due_by_itself_before_long(stack: Stack, offline: Context) -> None:
    queue(offline, stack, "one", 5)
    upload = acquired_work(offline, Stage.UPLOAD, "one")
    # No worker gets from the queue what another works on.
    assert offline.schedule.next_large(Stage.UPLOAD) == ""
    upload.advance(JobState.READY, "ready")
    assert not stack.broker.command("EXISTS", QUEUE)


@pytest.mark.redis
def test_stalls_and_failures_still_count_for_large_work_that_waits(
    stack: Stack, offline: Context
) -> None:
    queue(offline, stack, "one", 5)
    stack.broker.command("HSET", keys.STALLED("upload"), "one", 1)
    assert offline.schedule.next_large(Stage.UPLOAD) == "one"
    lease = offline.schedule.acquire(Stage.UPLOAD, "one")
    assert lease is not None
    assert offline.schedule.record_failure(lease, 5, 0) == 1
    lease = offline.schedule.acquire(Stage.UPLOAD, "one")
    assert lease is not None
    assert offline.schedule.queue_large(lease)
    assert offline.schedule.next_large(Stage.UPLOAD) == "one"
    lease = offline.schedule.acquire(Stage.UPLOAD, "one")
    assert lease is not None
    assert lease.stalled_count == 1
    assert offline.schedule.record_failure(lease, 5, 0) == 2


@pytest.mark.redis
def test_a_lost_lease_queues_nothing(stack: Stack, offline: Context) -> None:
    stack.client.submit(stack.sample("silence.wav"), name="one")
    late = acquired_work(offline, Stage.UPLOAD, "one")
    assert offline.schedule.release(late.lease, 0)
    assert not offline.schedule.queue_large(late.lease)
    assert not stack.broker.command("EXISTS", QUEUE)


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (4, 1), (16, 4)])
def test_large_uploads_have_a_quarter_of_the_threads(concurrency: int, most: int) -> None:
    limits, upload = ConcurrencyLimits(), HANDLERS[Stage.UPLOAD]
    assert upload.max_large(concurrency) == most
    uploads = [limits.limited(Stage.UPLOAD, most) for _ in range(most)]
    for each in uploads:
        each.acquire()
        each.acquire()
    late = limits.limited(Stage.UPLOAD, most)
    with pytest.raises(LimitReached), late:
        late.acquire()
    with uploads[0]:
        pass
    late.acquire()
    limits.limited(Stage.COLLECT, 1).acquire()


def test_a_large_upload_beyond_the_limit_does_not_start_and_a_small_one_does(
    stack: Stack, worker: Context
) -> None:
    path = stack.sample("silence.wav", "large.wav")
    with path.open("ab") as file:
        file.truncate(PART_BYTES)
    stack.client.submit(path, name="large")
    stack.client.submit(stack.sample("silence.wav"), name="small")
    others = [limit_of(worker, Stage.UPLOAD) for _ in range(UPLOADS_AT_ONCE)]
    for other in others:
        other.acquire()
    large = limited(worker, acquired_work(worker, Stage.UPLOAD, "large"))
    with pytest.raises(LimitReached):
        uploading.upload_audio(large)
    assert stack.objects() == []
    uploading.upload_audio(limited(worker, acquired_work(worker, Stage.UPLOAD, "small")))
    with others[0]:
        pass  # its work ends
    uploading.upload_audio(large)
    assert len(stack.objects()) == 2


def test_a_free_limit_goes_to_the_tenant_that_is_next(stack: Stack, worker: Context) -> None:
    path = stack.sample("silence.wav", "large.wav")
    with path.open("ab") as file:
        file.truncate(PART_BYTES)
    queue(worker, stack, "first", 5)
    stack.client.submit(path, name="late")
    late = acquired_work(worker, Stage.UPLOAD, "late")
    limit = limit_of(worker, Stage.UPLOAD)
    with pytest.raises(LimitReached):
        uploading.upload_audio(Work(worker, late.lease, late.guard, limit))
    assert limit.acquired
    assert worker.schedule.queue_large(late.lease)
    assert worker.schedule.next_large(Stage.UPLOAD) == "first"
    assert worker.schedule.next_large(Stage.UPLOAD) == "late"
    again = acquired_work(worker, Stage.UPLOAD, "late")
    # Now it acquires the limit by itself, however many wait.
    queue(worker, stack, "another", 5)
    uploading.upload_audio(Work(worker, again.lease, again.guard, limit))
    assert len(stack.objects()) == 1


def collected(worker: Context, stack: Stack, size: int) -> Work:
    """The work of a collect whose document is so large."""
    name = f"of-{size}"
    uploaded(worker, stack, name)
    until(lambda: name in worker.admission.capacity.admit())
    start = acquired_work(worker, Stage.START, name)
    fields = starting.start_or_adopt(start)
    until(lambda: worker.storage.head(S3Uri(fields["result_uri"])))
    key = fields["result_uri"].removeprefix(f"s3://{BUCKET}/")
    s3 = stack.aws("s3")
    document = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    document["nobody reads this"] = "x" * size
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(document).encode())
    end_transcription(worker, start, **fields)
    return limited(worker, acquired_work(worker, Stage.COLLECT, name))


def test_one_large_document_is_read_at_a_time_and_a_huge_one_elsewhere(
    stack: Stack, worker: Context
) -> None:
    large = collected(worker, stack, collect.LARGE_DOCUMENT)
    with limit_of(worker, Stage.COLLECT) as other:
        other.acquire()
        with pytest.raises(LimitReached):
            collect.fetch(large)
        assert collect.fetch(collected(worker, stack, 1000)).words is not None
    assert collect.fetch(large).render("json").endswith('x"}')
    huge = collected(worker, stack, collect.HUGE_DOCUMENT)
    with pytest.raises(LimitReached):
        collect.fetch(huge)  # `large` counts until its work ends
    with pytest.raises(IsolationNeeded):
        collect.fetch(Work(worker, huge.lease, huge.guard))
