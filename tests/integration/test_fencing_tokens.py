"""A worker that lost its lease writes nothing more: it was paused, or the job stopped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from producer.backend import keys
from producer.backend.schedule import clock
from producer.contract.job import JobState
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage
from tests.support.redis_keys import present
from tests.support.stack import Stack
from tests.support.stages import acquired_work, end_transcription, expire_lease, uploaded
from tests.support.waiting import until
from worker.leases import LeaseLost
from worker.runtime.context import Context
from worker.runtime.isolation import run_isolated
from worker.runtime.work import Work
from worker.stages import cleanup, upload
from worker.stages import collect as collecting
from worker.stages import start as starting


def test_a_start_that_wakes_up_late_is_not_sent(stack: Stack, worker: Context) -> None:
    uploaded(worker, stack)
    assert worker.admission.capacity.admit() == ["one"]
    late = acquired_work(worker, Stage.START, "one")
    expire_lease(late)
    with pytest.raises(LeaseLost):
        starting.start_or_adopt(late)
    assert stack.account()["accepted"] == 0
    starting.start_or_adopt(acquired_work(worker, Stage.START, "one"))
    assert stack.account()["accepted"] == 1


def test_a_process_of_its_own_that_starts_slowly_does_its_work(
    stack: Stack, worker: Context
) -> None:
    uploaded(worker, stack)
    worker.admission.capacity.admit()
    start = acquired_work(worker, Stage.START, "one")
    # While it waited for its process, the worker extended its lease.
    run_isolated(replace(start.lease, expires_at=clock()), start.guard)
    assert stack.account()["accepted"] == 1
    assert stack.client.get("one").state is JobState.TRANSCRIBING


def test_a_cleanup_that_wakes_up_late_deletes_nothing(stack: Stack, worker: Context) -> None:
    uploaded(worker, stack)
    stack.client.cancel("one")
    late = acquired_work(worker, Stage.CLEANUP, "one")
    expire_lease(late)
    # It may be a later attempt's audio by now.
    with pytest.raises(LeaseLost):
        cleanup.delete_audio(late)
    (key,) = stack.objects()
    assert key.startswith("transcribe-queue/one/audio")
    cleanup.delete_audio(acquired_work(worker, Stage.CLEANUP, "one"))
    assert stack.objects() == []


def collecting_one(stack: Stack, worker: Context) -> Work:
    """The work of collecting a result that is there."""
    uploaded(worker, stack)
    worker.admission.capacity.admit()
    start = acquired_work(worker, Stage.START, "one")
    fields = starting.start_or_adopt(start)
    end_transcription(worker, start, **fields)
    until(lambda: worker.storage.head(S3Uri(fields["result_uri"])))
    return acquired_work(worker, Stage.COLLECT, "one")


def kept_of(stack: Stack) -> list[str]:
    """What is left of a job's result on the worker's disk and in Redis."""
    kept = present(stack.broker, keys.RESULT_TEXT, keys.RESULT_DOCUMENT)
    return [str(path) for path in stack.results.rglob("*")] + kept


@pytest.mark.parametrize("late", [False, True])
def test_a_result_written_for_a_job_that_was_stopped_is_deleted(
    stack: Stack, worker: Context, *, late: bool
) -> None:
    collect = collecting_one(stack, worker)
    transcript = collecting.fetch(collect)
    if late:
        stack.client.cancel("one")

    def end() -> None:
        with collecting.discarded_if_stopped(collect):
            files = collecting.keep(collect, collecting.reserved(collect), transcript, {})
            assert len(kept_of(stack)) == 1 + len(files) + 2, "folder, files, text, document"
            stack.client.cancel("one")
            collecting.complete(collect, files)

    with pytest.raises(LeaseLost):
        end()
    assert kept_of(stack) == []


def test_a_result_that_a_dead_worker_wrote_for_a_job_that_was_stopped_is_deleted(
    stack: Stack, worker: Context
) -> None:
    collect = collecting_one(stack, worker)
    transcript = collecting.fetch(collect)
    files = collecting.keep(collect, collecting.reserved(collect), transcript, {})
    half = files["txt"].with_name(".one.abcdefgh.part")
    half.touch()
    assert kept_of(stack)
    stack.client.cancel("one")
    late = acquired_work(worker, Stage.CLEANUP, "one")
    expire_lease(late)
    # It may be a later attempt's result by now.
    with pytest.raises(LeaseLost):
        cleanup.discard_files(late)
    assert half.exists()
    cleanup.discard_files(acquired_work(worker, Stage.CLEANUP, "one"))
    assert kept_of(stack) == []


def test_audio_that_is_put_again_by_a_late_upload_does_not_make_a_job_anothers(
    stack: Stack, worker: Context
) -> None:
    late = uploaded(worker, stack)
    worker.admission.capacity.admit()
    start = acquired_work(worker, Stage.START, "one")
    starting.start_or_adopt(start)
    expire_lease(start)
    # S3 has times to the second.
    started_at = stack.now()
    until(lambda: stack.now() > started_at + 4)
    audio = (stack.audio / "silence.wav").open("rb")
    with audio:
        worker.storage.put(audio, upload.upload_audio(late).uri, "one", lambda _: None)
    again = acquired_work(worker, Stage.START, "one")
    assert starting.start_or_adopt(again)["adopted"] == ""
    assert stack.account()["accepted"] == 1


def test_audio_that_is_put_after_the_job_was_cleaned_up_is_deleted(
    stack: Stack, worker: Context
) -> None:
    stack.client.submit(stack.sample("silence.wav"), name="one")
    late = acquired_work(worker, Stage.UPLOAD, "one")
    stack.client.cancel("one")
    # As by a worker that was paused as it sent the last byte.
    uri = upload.upload_audio(late)
    assert len(stack.objects()) == 1
    with pytest.raises(LeaseLost):
        upload.advance_uploaded(late, uri)
    assert stack.objects() == []
