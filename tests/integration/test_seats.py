"""Large work finds few seats in a process; what finds none stands in a line of the whole fleet."""

from __future__ import annotations

import json

import pytest

from producer.backend.job_store import PREFIX
from producer.contract.job import JobState, Stage
from tests.support.stack import BUCKET, Stack
from tests.support.stages import offline_worker, taken_up, uploaded, worker_of
from tests.support.waiting import until
from worker.aws.transfer import PART_BYTES
from worker.errors import LimitReached
from worker.runtime.concurrency import ConcurrencyLimits
from worker.runtime.context import Context
from worker.runtime.isolation import IsolationNeeded
from worker.runtime.runner import Work
from worker.stages import collect
from worker.stages import start as starting
from worker.stages import upload as uploading

LINE = f"{PREFIX}seats:upload"


@pytest.fixture
def worker(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    return worker_of(stack, monkeypatch)


@pytest.fixture
def offline(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    return offline_worker(stack, monkeypatch)


def seated(worker: Context, work: Work) -> Work:
    """The same work, as by a thread that may take a seat."""
    return Work(worker, work.lease, work.guard, worker.limits.limited(work.lease.stage))


def in_line(worker: Context, stack: Stack, name: str, priority: int) -> None:
    stack.client.submit(stack.sample("silence.wav"), name=name, priority=priority)
    assert worker.schedule.queue_large(taken_up(worker, Stage.UPLOAD, name).lease)


@pytest.mark.redis
def test_the_line_goes_by_priority_and_age_and_passes_over_who_left_it(
    stack: Stack, offline: Context
) -> None:
    for name, priority in (("old", 5), ("young", 5), ("stopped", 1), ("urgent", 1)):
        in_line(offline, stack, name, priority)
    stack.client.cancel("stopped")
    found = [offline.schedule.next_large(Stage.UPLOAD) for _ in range(4)]
    assert found == ["urgent", "old", "young", ""]
    # Each may be begun at once, by whoever was told.
    assert offline.schedule.acquire(Stage.UPLOAD, "young") is not None


@pytest.mark.redis
def test_who_gives_way_again_keeps_his_place(stack: Stack, offline: Context) -> None:
    for name in ("old", "young"):
        in_line(offline, stack, name, 5)
    assert offline.schedule.next_large(Stage.UPLOAD) == "old"
    lease = offline.schedule.acquire(Stage.UPLOAD, "old")
    assert lease is not None
    assert offline.schedule.queue_large(lease)
    assert offline.schedule.next_large(Stage.UPLOAD) == "old"


@pytest.mark.redis
def test_who_is_in_line_is_due_by_himself_before_long(stack: Stack, offline: Context) -> None:
    in_line(offline, stack, "one", 5)
    upload = taken_up(offline, Stage.UPLOAD, "one")
    # Nobody takes from the line what is being done.
    assert offline.schedule.next_large(Stage.UPLOAD) == ""
    upload.advance(JobState.READY, "ready")
    assert not stack.broker.command("EXISTS", LINE)


@pytest.mark.redis
def test_what_is_suspected_of_its_workers_deaths_stays_so_in_line(
    stack: Stack, offline: Context
) -> None:
    in_line(offline, stack, "one", 5)
    stack.broker.command("HSET", f"{PREFIX}lapses:upload", "one", 1)
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
def test_a_hold_that_was_lost_puts_nothing_in_line(stack: Stack, offline: Context) -> None:
    stack.client.submit(stack.sample("silence.wav"), name="one")
    late = taken_up(offline, Stage.UPLOAD, "one")
    assert offline.schedule.release(late.lease, 0)
    assert not offline.schedule.queue_large(late.lease)
    assert not stack.broker.command("EXISTS", LINE)


@pytest.mark.parametrize(("concurrency", "seats"), [(1, 1), (4, 1), (16, 4)])
def test_large_uploads_have_a_quarter_of_the_threads(concurrency: int, limits: int) -> None:
    room = ConcurrencyLimits(concurrency)
    taken = [room.limited(Stage.UPLOAD) for _ in range(limits)]
    for limited in taken:
        limited.take()
        limited.take()
    late = room.limited(Stage.UPLOAD)
    with pytest.raises(LimitReached):
        late.take()
    late.leave()
    taken[0].leave()
    late.take()
    room.limited(Stage.START).take()


def test_a_large_upload_without_a_seat_is_not_begun_and_a_small_one_needs_none(
    stack: Stack, worker: Context
) -> None:
    path = stack.sample("silence.wav", "large.wav")
    with path.open("ab") as file:
        file.truncate(PART_BYTES)
    stack.client.submit(path, name="large")
    stack.client.submit(stack.sample("silence.wav"), name="small")
    others = [worker.limits.limited(Stage.UPLOAD) for _ in range(4)]
    for limited in others:
        limited.take()
    large = seated(worker, taken_up(worker, Stage.UPLOAD, "large"))
    with pytest.raises(LimitReached):
        uploading.place_audio(large)
    assert stack.objects() == []
    uploading.place_audio(seated(worker, taken_up(worker, Stage.UPLOAD, "small")))
    others[0].leave()
    uploading.place_audio(large)
    assert len(stack.objects()) == 2


def test_a_seat_that_is_found_free_is_for_whose_turn_it_is(stack: Stack, worker: Context) -> None:
    path = stack.sample("silence.wav", "large.wav")
    with path.open("ab") as file:
        file.truncate(PART_BYTES)
    in_line(worker, stack, "first", 5)
    stack.client.submit(path, name="late")
    late = taken_up(worker, Stage.UPLOAD, "late")
    limited = worker.limits.limited(Stage.UPLOAD)
    with pytest.raises(LimitReached):
        uploading.place_audio(Work(worker, late.lease, late.guard, limited))
    assert limited.taken
    assert worker.schedule.queue_large(late.lease)
    assert worker.schedule.next_large(Stage.UPLOAD) == "first"
    assert worker.schedule.next_large(Stage.UPLOAD) == "late"
    again = taken_up(worker, Stage.UPLOAD, "late")
    # Now it is on that seat by its own turn, whoever else stands in line.
    in_line(worker, stack, "another", 5)
    uploading.place_audio(Work(worker, again.lease, again.guard, limited))
    assert len(stack.objects()) == 1


def collected(worker: Context, stack: Stack, size: int) -> Work:
    """The work of a collect whose document is so large."""
    name = f"of-{size}"
    uploaded(worker, stack, name)
    until(lambda: name in worker.admission.admit())
    start = taken_up(worker, Stage.START, name)
    fields = starting.start_job(start)
    until(lambda: worker.storage.find(fields["result_uri"]))
    key = fields["result_uri"].removeprefix(f"s3://{BUCKET}/")
    s3 = stack.aws("s3")
    document = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    document["nobody reads this"] = "x" * size
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(document).encode())
    start.advance(JobState.COLLECTING, Stage.COLLECT, **fields)
    return seated(worker, taken_up(worker, Stage.COLLECT, name))


def test_one_large_document_is_read_at_a_time_and_a_huge_one_elsewhere(
    stack: Stack, worker: Context
) -> None:
    large = collected(worker, stack, collect.LARGE_DOCUMENT)
    other = worker.limits.limited(Stage.COLLECT)
    other.take()
    with pytest.raises(LimitReached):
        collect.fetch(large)
    assert collect.fetch(collected(worker, stack, 1000)).words is not None
    other.leave()
    assert collect.fetch(large).to_json().endswith('x"}')
    huge = collected(worker, stack, collect.HUGE_DOCUMENT)
    with pytest.raises(LimitReached):
        collect.fetch(huge)  # the other has its seat until its work ends
    with pytest.raises(IsolationNeeded):
        collect.fetch(Work(worker, huge.lease, huge.guard))
