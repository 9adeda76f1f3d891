"""A result is reused from where it is, if it is certainly that of the same audio and options."""

from __future__ import annotations

from typing import Any

import pytest

from producer.backend import keys
from producer.contract.job import Job, JobState
from tests.support.stack import BUCKET, Stack
from tests.support.twins import done, ended, recording, starts, submit, waits_for
from tests.support.waiting import until


def test_an_object_is_known_until_it_is_overwritten(reusing: Stack) -> None:
    before = starts(reusing)
    s3, key, uri = reusing.aws("s3"), "theirs/hum.wav", f"s3://{BUCKET}/theirs/hum.wav"

    def put(sound: str) -> None:
        s3.put_object(Bucket=BUCKET, Key=key, Body=recording(reusing, sound).read_bytes())

    def transcribed(name: str) -> Job:
        reusing.client.submit(uri, name=name)
        return ended(reusing, name)

    put("hum")
    transcribed("hum-1")
    assert transcribed("hum-2").reused_from == "hum-1"
    put("ham")
    assert transcribed("hum-3").reused_from is None
    assert transcribed("hum-4").reused_from == "hum-3"
    assert starts(reusing) == before + 2
    assert key in reusing.objects()


def test_an_object_with_a_checksum_of_the_whole_is_the_same_as_a_file(reusing: Stack) -> None:
    before = starts(reusing)
    s3, key = reusing.aws("s3"), "theirs/whole.wav"
    body = recording(reusing, "whole").read_bytes()
    s3.put_object(Bucket=BUCKET, Key=key, Body=body, ChecksumAlgorithm="SHA256")
    done(reusing, "whole", "whole-1")
    reusing.client.submit(f"s3://{BUCKET}/{key}", name="whole-2")
    assert ended(reusing, "whole-2").reused_from == "whole-1"
    assert starts(reusing) == before + 1


def test_what_was_overwritten_before_transcribe_read_it_serves_nobody(reusing: Stack) -> None:
    before = starts(reusing)
    s3, uri = reusing.aws("s3"), f"s3://{BUCKET}/theirs/buzz.wav"
    where = {"Bucket": BUCKET, "Key": "theirs/buzz.wav"}
    buzz = recording(reusing, "buzz").read_bytes()
    s3.put_object(Body=buzz, **where)
    reusing.fault(kind="stuck", match="^buzz-1")
    reusing.client.submit(uri, name="buzz-1")
    until(lambda: reusing.client.get("buzz-1").fingerprint)
    reusing.client.submit(uri, name="buzz-2")
    waits_for(reusing, "buzz-2", "buzz-1")
    # Even if the old content is back: S3 says when it was put there.
    modified = s3.head_object(**where)["LastModified"]
    s3.put_object(Body=recording(reusing, "evil").read_bytes(), **where)

    def put_back() -> bool:
        s3.put_object(Body=buzz, **where)
        return bool(s3.head_object(**where)["LastModified"] > modified)

    until(put_back)
    reusing.clear_faults()
    assert ended(reusing, "buzz-1").reused_from is None
    assert ended(reusing, "buzz-2").reused_from is None
    assert starts(reusing) == before + 2


#: Of the first of the two files with one MD5 by Wang, Feng, Lai and Yu, 2004.
_COLLIDING = (
    "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f89"
    "55ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b"
    "d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0"
    "e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70"
)
#: Bytes of which the other has another first bit.
_OTHERWISE = (19, 45, 59, 83, 109, 123)


def test_a_file_with_the_same_md5_as_the_one_that_was_heard_serves_nobody(reusing: Stack) -> None:
    heard = bytearray.fromhex(_COLLIDING)
    path = reusing.audio / "md5.wav"
    path.write_bytes(heard)
    options: dict[str, Any] = {"media_format": "wav"}
    reusing.fault(kind="fail", match="^md5-1$", reason="Bad audio.", times=1)
    reusing.client.submit(path, name="md5-1", **options)
    reusing.job_in("md5-1", JobState.FAILED)
    other = bytearray(heard)
    for number in _OTHERWISE:
        other[number] ^= 0x80
    path.write_bytes(other)
    until(lambda: not reusing.scheduled())
    reusing.client.retry("md5-1")
    uri = str(ended(reusing, "md5-1").media_uri)
    key = uri.removeprefix(f"s3://{BUCKET}/")
    assert reusing.aws("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read() == other


def forget_in_redis(stack: Stack, name: str) -> None:
    stack.broker.command("DEL", keys.RESULT_DOCUMENT(name), keys.RESULT_TEXT(name))


def delete_files(stack: Stack, job: Job) -> None:
    for path in job.files.values():
        path.unlink()


@pytest.mark.parametrize("where", ["redis", "disk", "s3"])
def test_a_result_is_reused_from_wherever_it_still_is(reusing: Stack, where: str) -> None:
    before = starts(reusing)
    first = done(reusing, where, f"{where}-1", cleanup=where != "s3")
    if where != "redis":
        forget_in_redis(reusing, f"{where}-1")
    if where != "disk":
        delete_files(reusing, first)
    # Its record may have expired, too.
    reusing.broker.command("DEL", keys.JOB(f"{where}-1"))
    second = done(reusing, where, f"{where}-2")
    assert second.reused_from == f"{where}-1"
    assert starts(reusing) == before + 1
    assert reusing.client.text(f"{where}-2")


def test_the_twin_of_a_twin_serves_another(reusing: Stack) -> None:
    before = starts(reusing)
    first = done(reusing, "echo", "echo-1", cleanup=True)
    done(reusing, "echo", "echo-2")
    forget_in_redis(reusing, "echo-1")
    delete_files(reusing, first)
    assert done(reusing, "echo", "echo-3").reused_from == "echo-2"
    assert starts(reusing) == before + 1


def test_a_result_that_is_nowhere_any_more_is_made_once_more(reusing: Stack) -> None:
    before = starts(reusing)
    delete_files(reusing, done(reusing, "gone", "gone-1", cleanup=True))
    forget_in_redis(reusing, "gone-1")
    names = [f"gone-{number}" for number in range(2, 6)]
    for name in names:
        submit(reusing, "gone", name)
    jobs = [ended(reusing, name) for name in names]
    assert starts(reusing) == before + 2
    assert len([job for job in jobs if job.reused_from is None]) == 1


def test_a_job_whose_audio_was_deleted_as_its_twins_result_went_uploads_it_again(
    stack: Stack,
) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    stack.start_worker("first", reuse="tenant")
    first = done(stack, "lost", "lost-1", cleanup=True)
    stack.sandbox.stop("first")
    # There nobody can write results, so the job waits with its twin's.
    stack.start_worker("second", reuse="tenant", results_dir="/sys")
    submit(stack, "lost", "lost-2")
    until(lambda: stack.client.get("lost-2").reused_from)
    stack.sandbox.stop("second")
    # A worker was killed as it had deleted the audio.
    key = str(stack.client.get("lost-2").media_uri).removeprefix(f"s3://{BUCKET}/")
    stack.aws("s3").delete_object(Bucket=BUCKET, Key=key)
    forget_in_redis(stack, "lost-1")
    delete_files(stack, first)
    stack.start_worker("third", reuse="tenant")
    assert ended(stack, "lost-2").reused_from is None


def test_another_jobs_files_in_the_twins_folder_are_not_its_result(reusing: Stack) -> None:
    before = starts(reusing)
    other: dict[str, Any] = {"output": "{id}/all"}
    delete_files(reusing, done(reusing, "dawn", "same-name", cleanup=True, **other))
    # The record has expired, and the name has other audio.
    reusing.broker.command("DEL", keys.JOB("same-name"))
    other |= {"show_alternatives": True, "max_alternatives": 2}
    done(reusing, "dusk", "same-name", cleanup=True, **other)
    assert done(reusing, "dawn", "dawn-2").reused_from is None
    assert starts(reusing) == before + 3


def test_what_transcribe_wrote_beside_the_document_comes_along(reusing: Stack) -> None:
    before = starts(reusing)
    options: dict[str, Any] = {
        "content_redaction": {"redaction_output": "redacted_and_unredacted"},
        "subtitles": {"formats": ["srt", "vtt"]},
    }
    first = done(reusing, "pii", "pii-1", **options)
    second = done(reusing, "pii", "pii-2", **options)
    delete_files(reusing, second)
    delete_files(reusing, first)
    third = done(reusing, "pii", "pii-3", **options)
    assert (second.reused_from, third.reused_from) == ("pii-1", "pii-2")
    assert {*third.files} == {*second.files} == {*first.files} > {"json", "unredacted.json"}
    assert third.files["unredacted.json"].stat().st_mode & 0o077 == 0
    assert starts(reusing) == before + 1
