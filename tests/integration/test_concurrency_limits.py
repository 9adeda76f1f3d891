"""A process does few large works at once; what is beyond its limit tries again before long."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from producer.backend import keys
from producer.backend.identities import KnownResult
from producer.backend.schedule import Lease
from producer.contract.job import JobState
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage
from tests.support.stack import BUCKET, Stack
from tests.support.stages import (
    acquired_work,
    end_transcription,
    offline_worker,
    uploaded,
)
from tests.support.waiting import until
from worker.aws.transfer import PART_BYTES
from worker.errors import LimitReached
from worker.runtime.concurrency import ConcurrencyLimit
from worker.runtime.context import Context
from worker.runtime.isolation import IsolationNeeded
from worker.runtime.runner import run_leased
from worker.runtime.work import Work
from worker.stages import collect, reuse
from worker.stages import start as starting
from worker.stages import upload as uploading
from worker.stages.document_size import HUGE_DOCUMENT, LARGE_DOCUMENT
from worker.tasks import HANDLERS


@pytest.fixture
def offline(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    return offline_worker(stack, monkeypatch)


def limit_of(worker: Context, stage: Stage) -> ConcurrencyLimit:
    """The limit of this process."""
    most = HANDLERS[stage].max_large(worker.settings.concurrency)
    return worker.limits.setdefault(stage, ConcurrencyLimit(most))


@contextmanager
def all_at_work(worker: Context, stage: Stage) -> Iterator[None]:
    """As much large work is under way as may be."""
    with ExitStack() as works:
        for _ in range(HANDLERS[stage].max_large(worker.settings.concurrency)):
            works.enter_context(limit_of(worker, stage).acquired("", 5))
        yield


def limited(worker: Context, work: Work) -> Work:
    """The same work, as by a thread whose large work counts."""
    return Work(worker, work.lease, work.guard, limit_of(worker, work.lease.stage))


def large_recording(stack: Stack) -> Path:
    path = stack.sample("silence.wav", "large.wav")
    with path.open("ab") as file:
        file.truncate(PART_BYTES)
    return path


def acquired(worker: Context, name: str) -> Lease:
    return acquired_work(worker, Stage.UPLOAD, name).lease


@pytest.mark.redis
@pytest.mark.command("release_lease")
def test_large_work_beyond_the_limit_is_due_by_itself_before_long(
    stack: Stack, offline: Context
) -> None:
    stack.client.submit(large_recording(stack), name="one")
    lease = acquired(offline, "one")
    with all_at_work(offline, Stage.UPLOAD):
        run_leased(offline, HANDLERS[Stage.UPLOAD], lease, limit_of(offline, Stage.UPLOAD))
    assert stack.scheduled() == ["upload:one"]
    # Another worker may have it then; within a minute, for this waits until it is due.
    acquired_work(offline, Stage.UPLOAD, "one").advance(JobState.READY)
    assert stack.scheduled() == []


@pytest.mark.redis
def test_stalls_and_failures_still_count_for_large_work_beyond_the_limit(
    stack: Stack, offline: Context
) -> None:
    stack.client.submit(large_recording(stack), name="one")
    lease = acquired(offline, "one")
    stack.broker.command("HSET", keys.STALLED("upload"), "one", 1)
    assert offline.schedule.record_failure(lease, 5, 0) == 1
    with all_at_work(offline, Stage.UPLOAD):
        lease = acquired(offline, "one")
        run_leased(offline, HANDLERS[Stage.UPLOAD], lease, limit_of(offline, Stage.UPLOAD))
    lease = acquired(offline, "one")
    assert lease.stalled_count == 1
    assert offline.schedule.record_failure(lease, 5, 0) == 2


def test_a_large_upload_beyond_the_limit_does_not_start_and_a_small_one_does(
    stack: Stack, worker: Context
) -> None:
    stack.client.submit(large_recording(stack), name="large")
    stack.client.submit(stack.sample("silence.wav"), name="small")
    large = limited(worker, acquired_work(worker, Stage.UPLOAD, "large"))
    with all_at_work(worker, Stage.UPLOAD):
        with pytest.raises(LimitReached):
            uploading.upload_audio(large)
        assert stack.objects() == []
        uploading.upload_audio(limited(worker, acquired_work(worker, Stage.UPLOAD, "small")))
    with large:
        uploading.upload_audio(large)
    assert len(stack.objects()) == 2


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
    large = collected(worker, stack, LARGE_DOCUMENT)
    with all_at_work(worker, Stage.COLLECT):
        with pytest.raises(LimitReached):
            collect.fetch(large)
        assert collect.fetch(collected(worker, stack, 1000)).words is not None
    huge = collected(worker, stack, HUGE_DOCUMENT)
    with large:
        assert collect.fetch(large).render("json").endswith('x"}')
        with pytest.raises(LimitReached):
            collect.fetch(huge)  # `large` counts until its work ends
    with pytest.raises(IsolationNeeded):
        collect.fetch(huge)


@pytest.mark.redis
def test_a_large_document_of_a_twin_counts_once_wherever_it_is(
    stack: Stack, offline: Context
) -> None:
    def document(text: str) -> bytes:
        results = {"transcripts": [{"transcript": text}]}
        return json.dumps({"results": results, "more": "x" * LARGE_DOCUMENT}).encode()

    right, other = document("right"), document("other")
    known = KnownResult(
        job="twin", path="twin", digests={"json": hashlib.sha256(right).hexdigest()}
    )
    stack.broker.command("SET", keys.IDENTITY("print"), known.model_dump_json())
    stack.broker.command("SET", keys.RESULT_DOCUMENT("twin"), zlib.compress(other))
    stack.results.mkdir(exist_ok=True)
    (stack.results / "twin.json").write_bytes(right)
    stack.client.submit(stack.audio / "a.wav", name="one")
    stack.broker.command("HSET", keys.JOB("one"), "fingerprint", "print")
    lease = acquired_work(offline, Stage.UPLOAD, "one")
    work = Work(offline, lease.lease, lease.guard, ConcurrencyLimit(1))
    with work:
        found = reuse.find_result(work)
        assert found is not None
        assert found.transcript.render("json").encode() == right
        # By now no other may, also where it is in Redis.
        busy = ConcurrencyLimit(1)
        stack.broker.command("SET", keys.RESULT_DOCUMENT("twin"), zlib.compress(right))
        with busy.acquired("", 5), pytest.raises(LimitReached):
            reuse.find_result(Work(offline, lease.lease, lease.guard, busy))
