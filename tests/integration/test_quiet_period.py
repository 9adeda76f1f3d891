"""Recordings that somebody still writes to: nothing but the whole is ever transcribed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from producer.backend import keys
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage
from tests.support.recordings import wav, wav_header
from tests.support.stack import SAMPLES, Stack
from tests.support.stages import acquired_work, content, worker_of
from worker.aws.transfer import PART_BYTES
from worker.errors import Permanent, Snooze, Transient
from worker.runtime.context import Context
from worker.stages import upload

#: Seconds; short, as some tests see it pass.
PERIOD = 0.4
HOUR = 3600


@pytest.fixture
def worker(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    stack.environment["TRANSCRIBE_QUIET_PERIOD"] = str(PERIOD)
    return worker_of(stack, monkeypatch)


def submitted(stack: Stack, content: bytes, age: float) -> Path:
    """A job `one` for a recording that was written `age` seconds ago."""
    path = stack.audio / "talk.wav"
    path.write_bytes(content)
    aged(path, age)
    stack.client.submit(path, name="one")
    return path


def aged(path: Path, age: float) -> None:
    written = time.time() - age
    os.utime(path, (written, written))


def try_upload(worker: Context) -> S3Uri | Snooze:
    """What the next try of a worker comes to: the address of the audio, or a snooze."""
    work = acquired_work(worker, Stage.UPLOAD, "one")
    try:
        return upload.upload_audio(work).uri
    except Snooze as error:
        work.snooze(error.seconds, seen=error.seen)
        return error


def at_once(stack: Stack) -> None:
    """Let the job be due now, as a retry does."""
    stack.broker.command("ZADD", keys.SCHEDULE("upload"), 0, "one")


def snoozed(found: str | Snooze) -> float:
    assert isinstance(found, Snooze)
    assert found.code == "StillWritten"
    return found.seconds


def test_what_was_written_long_ago_is_not_waited_for(stack: Stack, worker: Context) -> None:
    submitted(stack, wav(1), HOUR)
    found = try_upload(worker)
    assert isinstance(found, S3Uri)
    assert content(worker.storage, found) == wav(1)


def test_what_was_just_written_waits_until_that_is_long_ago(stack: Stack, worker: Context) -> None:
    worker.settings.quiet_period = 60
    path = submitted(stack, wav(1), 0)
    assert 0 < snoozed(try_upload(worker)) <= 60
    assert stack.objects() == []
    aged(path, 60)
    at_once(stack)
    assert isinstance(try_upload(worker), str)


def test_a_recording_that_grows_is_uploaded_once_it_stops_growing(
    stack: Stack, worker: Context
) -> None:
    whole = wav(3)
    # Its server's clock is wrong, so nothing but standing still counts.
    path = submitted(stack, whole[:10_000], -HOUR)
    for size in (20_000, 30_000, len(whole)):
        assert snoozed(try_upload(worker)) == PERIOD
        # After the snooze another worker may check it: it sees that it grew.
        path.write_bytes(whole[:size])
        aged(path, -HOUR)
    assert snoozed(try_upload(worker)) == PERIOD
    assert stack.objects() == []
    # The second check is a period after the first.
    found = try_upload(worker)
    assert isinstance(found, S3Uri)
    assert content(worker.storage, found) == whole


def test_the_size_alone_shows_that_it_grows(stack: Stack, worker: Context) -> None:
    path = submitted(stack, wav(1), -HOUR)
    written = path.stat().st_mtime_ns
    assert snoozed(try_upload(worker)) == PERIOD
    path.write_bytes(wav(2))
    # As a mirror does that keeps times.
    os.utime(path, ns=(written, written))
    assert snoozed(try_upload(worker)) == PERIOD


def test_what_nobody_has_written_to_yet_is_not_empty_for_good(
    stack: Stack, worker: Context
) -> None:
    path = submitted(stack, b"", -HOUR)
    snoozed(try_upload(worker))
    path.write_bytes(wav(1))
    aged(path, HOUR)
    assert isinstance(try_upload(worker), str)


def test_a_try_that_comes_early_does_not_count_for_more(stack: Stack, worker: Context) -> None:
    worker.settings.quiet_period = 60
    submitted(stack, wav(1), -HOUR)
    assert snoozed(try_upload(worker)) == 60
    at_once(stack)
    again = try_upload(worker)
    assert 0 < snoozed(again) < 60
    assert isinstance(again, Snooze)
    assert not again.seen, "the first look is the one that counts"


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"and more")


def replace(path: Path) -> None:
    other = path.with_name("other")
    shutil.copy(SAMPLES / "silence.wav", other)
    other.rename(path)


def replace_by_older(path: Path) -> None:
    replace(path)
    aged(path, 2 * HOUR)


def truncate(path: Path) -> None:
    os.truncate(path, 100)


@pytest.mark.parametrize("size", [len(wav(1)), PART_BYTES + 1])
@pytest.mark.parametrize("change", [append, replace, replace_by_older, truncate])
def test_what_changes_once_it_is_read_is_uploaded_again(
    stack: Stack, worker: Context, size: int, change: Callable[[Path], None]
) -> None:
    path = submitted(stack, wav_header(size - 44), HOUR)
    os.truncate(path, size)
    aged(path, HOUR)
    whole = path.read_bytes()
    calls = "before-send.s3.PutObject", "before-send.s3.CompleteMultipartUpload"

    def strike(**_: object) -> None:
        for call in calls:
            events.unregister(call, strike)
        change(path)

    events = worker.storage._client.meta.events
    for call in calls:
        events.register(call, strike)
    work = acquired_work(worker, Stage.UPLOAD, "one")
    with pytest.raises(Transient) as caught:
        upload.upload_audio(work)
    assert caught.value.code == "FileChanged"
    assert path.read_bytes() != whole
    aged(path, HOUR)
    uri = upload.upload_audio(work).uri
    assert content(worker.storage, uri) == path.read_bytes()


def test_what_is_moved_away_once_it_is_read_was_read_whole(stack: Stack, worker: Context) -> None:
    path = submitted(stack, wav(1), HOUR)
    events = worker.storage._client.meta.events
    events.register("before-send.s3.PutObject", lambda **_: path.unlink(missing_ok=True))
    found = try_upload(worker)
    assert isinstance(found, S3Uri)
    assert content(worker.storage, found) == wav(1)


def test_a_link_out_of_the_roots_that_replaces_it_is_refused(
    stack: Stack, worker: Context, tmp_path: Path
) -> None:
    path = submitted(stack, wav(1), HOUR)
    secret = tmp_path / "secret.wav"
    secret.write_bytes(wav(2))

    def swap(**_: object) -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(secret)

    worker.storage._client.meta.events.register("before-send.s3.PutObject", swap)
    with pytest.raises(Permanent) as caught:
        upload.upload_audio(acquired_work(worker, Stage.UPLOAD, "one"))
    assert caught.value.code == "OutsideAudioRoots"
