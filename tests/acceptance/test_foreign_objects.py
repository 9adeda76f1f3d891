"""Messages name objects of others: no worker reads, adopts, overwrites or deletes them.

All requests come as raw messages, as any program that can write to Redis may send them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from itertools import pairwise

import pytest

from producer.backend import keys
from producer.contract.job import Job, JobState
from producer.contract.stages import CONTROL_QUEUE
from producer.errors import JobNotFound
from tests.conftest import make_stack
from tests.support.messages import raw_message
from tests.support.stack import BUCKET, SAMPLES, Stack
from tests.support.waiting import DEADLINE, until
from worker.aws.transfer import PART_BYTES

PREFIX = "transcribe-queue/"
THEIR_AUDIO = f"s3://{BUCKET}/theirs/talk.wav"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One worker for all tests here; each uses names and keys of its own."""
    with make_stack(tmp_path_factory.mktemp("foreign")) as stack:
        stack.start_aws("--recogniser", "fixed:0.3")
        stack.aws("s3").create_bucket(Bucket="elsewhere")
        for bucket in (BUCKET, "elsewhere"):
            stack.aws("s3").upload_file(str(SAMPLES / "silence.wav"), bucket, "theirs/talk.wav")
        stack.start_worker(result_patience="3")
        yield stack


def send(stack: Stack, **request: object) -> None:
    """Leave a request as a message, which nothing has checked."""
    stack.broker.command("LPUSH", CONTROL_QUEUE, raw_message(request))


def ended(stack: Stack, name: str) -> Job:
    def record() -> Job | None:
        try:
            return stack.client.get(name)
        except JobNotFound:
            return None

    until(record, what=f"a record of {name}")
    return stack.client.wait(name, timeout=DEADLINE, cleaned=True)[name]


def refused(stack: Stack, name: str) -> tuple[str, str]:
    """The code and the sentence with which a job failed."""
    job = ended(stack, name)
    assert job.state is JobState.FAILED
    assert job.error is not None
    return job.error.code, job.error.message


def put(stack: Stack, key: str, content: bytes = b"theirs") -> None:
    stack.aws("s3").put_object(Bucket=BUCKET, Key=key, Body=content)


def content(stack: Stack, key: str) -> bytes:
    body: bytes = stack.aws("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body


def document(job_name: str, text: str = "planted", size: int = 0) -> bytes:
    """A document as Transcribe writes it, of at least so many bytes."""
    return json.dumps(
        {
            "jobName": job_name,
            "accountId": "123456789012",
            "results": {"transcripts": [{"transcript": text}], "items": []},
            "status": "COMPLETED",
            "filler": "x" * size,
        }
    ).encode()


# -- keys and audio that a request may name -------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        f"{PREFIX}victim/victim",
        f"{PREFIX}new",
        f"./{PREFIX}victim/victim",
        f"/{PREFIX}victim/victim",
        "transcribe-queue//victim/victim",
        f"x/../{PREFIX}victim/victim",
        "Transcribe-Queue/victim/victim",
        "transcribe-queue",
    ],
)
def test_no_key_reaches_beneath_our_own_prefix(shared: Stack, key: str) -> None:
    before = shared.objects()
    name = f"evil-{uuid.uuid4()}"
    send(shared, audio=THEIR_AUDIO, name=name, key=key, cleanup=True)
    code, sentence = refused(shared, name)
    assert code == "KeyReserved"
    assert PREFIX in sentence
    assert shared.objects() == before
    assert name not in {each["name"] for each in shared.account()["jobs"]}


def test_a_key_that_ends_in_a_slash_names_no_object(shared: Stack) -> None:
    s3 = shared.aws("s3")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="software/of/others")
    for key in ("software/", "software/of/"):
        name = f"all-of-{key.replace('/', '-')}"
        send(shared, audio=str(shared.sample("silence.wav")), name=name, key=key)
        code, sentence = refused(shared, name)
        assert (code, "does not end in /" in sentence) == ("InvalidRequest", True)
    listed = s3.list_multipart_uploads(Bucket=BUCKET, Prefix="software/")["Uploads"]
    assert [each["UploadId"] for each in listed] == [upload["UploadId"]]


@pytest.mark.parametrize(
    "audio",
    [
        "s3://elsewhere/theirs/talk.wav",
        "s3://elsewhere/nothing.wav",
        "https://elsewhere.s3.us-east-1.amazonaws.com/theirs/talk.wav",
    ],
)
def test_audio_in_a_bucket_that_is_not_allowed_is_not_read(shared: Stack, audio: str) -> None:
    name = f"other-bucket-{uuid.uuid4()}"
    send(shared, audio=audio, name=name)
    code, sentence = refused(shared, name)
    assert code == "OutsideAudioBuckets"
    assert "TRANSCRIBE_AUDIO_BUCKETS" in sentence


def test_no_job_gets_the_audio_of_another(shared: Stack) -> None:
    victim = shared.client.submit(shared.sample("silence.wav"), name="overheard")
    assert ended(shared, victim.id).state is JobState.COMPLETED
    for number, key in enumerate(("overheard/audio.wav", "listener-1/../overheard/audio.wav")):
        send(shared, audio=f"s3://{BUCKET}/{PREFIX}{key}", name=f"listener-{number}")
        assert refused(shared, f"listener-{number}")[0] == "AnothersAudio"


def test_other_buckets_can_be_allowed(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    stack.aws("s3").create_bucket(Bucket="elsewhere")
    for bucket in (BUCKET, "elsewhere"):
        stack.aws("s3").upload_file(str(SAMPLES / "silence.wav"), bucket, "talk.wav")
    stack.start_worker(audio_buckets="archive, elsewhere")
    send(stack, audio="s3://elsewhere/talk.wav", name="allowed")
    assert ended(stack, "allowed").state is JobState.COMPLETED
    send(stack, audio=f"s3://{BUCKET}/talk.wav", name="not-named")
    assert refused(stack, "not-named")[0] == "OutsideAudioBuckets"


# -- documents that are not the job's -------------------------------------------------------------


def several(stack: Stack, stem: str) -> list[str]:
    """Submit so many jobs at once that the poll finds them in the list, and reads their results.

    They fail at Transcribe.
    """
    names = [f"{stem}-{number}" for number in range(4)]
    stack.fault(kind="fail", match=f"^{stem}-", times=len(names), reason="The audio is unfit.")
    recording = str(stack.sample("silence.wav"))
    stack.client.submit_many({"audio": recording, "name": name} for name in names)
    return names


@pytest.mark.parametrize("size", [0, 100_000])
def test_a_planted_document_is_not_the_result_of_a_job_that_fails(shared: Stack, size: int) -> None:
    stem = f"call-{size}"
    for number in range(4):
        name = f"{stem}-{number}"
        put(shared, f"{PREFIX}{name}/{name}.json", document("evil", size=size))
    for name in several(shared, stem):
        sentence = "Amazon Transcribe: The audio is unfit."
        assert refused(shared, name) == ("TranscriptionFailed", sentence)


def test_a_document_of_an_earlier_job_of_the_name_is_not_the_result(shared: Stack) -> None:
    for number in range(4):
        name = f"daily-{number}"
        put(shared, f"{PREFIX}{name}/{name}.json", document(name))
    planted_at = shared.now()
    until(lambda: shared.now() > planted_at + 7)
    for name in several(shared, "daily"):
        assert refused(shared, name)[0] == "TranscriptionFailed"


# -- objects beside a key that a request names -----------------------------------------------------


def keyed(stack: Stack, name: str, key: str, **options: object) -> Job:
    """Send a request for audio that is on S3, and wait for its end."""
    send(stack, audio=THEIR_AUDIO, name=name, key=key, cleanup=True, **options)
    return ended(stack, name)


@pytest.mark.parametrize(
    ("name", "options", "written"),
    [
        ("document", {}, "config.json"),
        ("redacted", {"content_redaction": {}}, "redacted-config.json"),
        ("srt", {"subtitles": {"formats": ["srt", "vtt"]}}, "config.srt"),
        ("vtt", {"subtitles": {"formats": ["srt", "vtt"]}}, "config.vtt"),
        ("write-check", {}, ".write_access_check_file.temp"),
    ],
    ids=["document", "redacted", "srt", "vtt", "write-check"],
)
@pytest.mark.parametrize(
    "existing", [b"theirs", document("someone-elses")], ids=["bytes", "transcript"]
)
def test_nothing_of_others_beside_a_key_is_overwritten_or_deleted(
    shared: Stack, name: str, options: dict[str, object], written: str, existing: bytes
) -> None:
    job_id = f"over-{name}-{len(existing)}"
    folder = f"important/{job_id}"
    put(shared, f"{folder}/{written}", existing)
    before = shared.objects()
    job = keyed(shared, job_id, f"{folder}/config", **options)
    assert job.error is not None
    assert (job.state, job.error.code) == (JobState.FAILED, "KeyTaken")
    assert written in job.error.message
    assert content(shared, f"{folder}/{written}") == existing
    assert shared.objects() == before
    assert job_id not in {each["name"] for each in shared.account()["jobs"]}


def test_what_is_written_beside_a_key_is_cleaned_up_and_nothing_else(shared: Stack) -> None:
    folder = "beside"
    theirs = [f"{folder}/{each}" for each in ("b.json", "a.txt", "a.json.bak", "a.srt")]
    for key in theirs:
        put(shared, key)
    job = keyed(shared, "beside", f"{folder}/a", subtitles={"formats": ["vtt"]})
    assert (job.state, job.cleanup_error) == (JobState.COMPLETED, None)
    left = [key for key in shared.objects() if key.startswith(f"{folder}/")]
    assert left == sorted(theirs)


def test_a_write_check_file_that_was_there_before_stays(shared: Stack) -> None:
    put(shared, "checked/.write_access_check_file.temp", b"")
    job = keyed(shared, "checked", "checked/a")
    assert (job.state, job.cleanup_error) == (JobState.COMPLETED, None)
    left = [key for key in shared.objects() if key.startswith("checked/")]
    assert left == ["checked/.write_access_check_file.temp"]


def test_keys_whose_objects_would_overwrite_each_other_wait_for_each_other(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    stack.start_worker()
    recording = str(stack.sample("silence.wav"))
    keys = {"one": "calls/a", "two": "calls/a.json", "three": "calls/redacted-a.json"}
    for name, key in keys.items():
        send(stack, audio=recording, name=name, key=key, cleanup=True)
    times = {}
    for name in keys:
        job = ended(stack, name)
        assert (job.state, job.cleanup_error) == (JobState.COMPLETED, None), job.error
        assert name in stack.client.text(name)
        times[job.times[JobState.READY]] = job.cleaned_at
    starts = sorted(times)
    for earlier, later in pairwise(starts):
        cleaned_at = times[earlier]
        assert cleaned_at is not None
        assert later > cleaned_at
    assert stack.objects() == []


def test_a_second_run_under_the_same_key_and_name_works(stack: Stack) -> None:
    """As of the original script's settings file, whose cleanup leaves the result."""
    stack.start_aws("--recogniser", "fixed:0.3")
    stack.start_worker()
    request = {"key": "path/in/bucket", "name": "hello-world", "subtitles": {"formats": ["srt"]}}
    for cleanup in (False, True):
        send(stack, audio=str(stack.sample("silence.wav")), cleanup=cleanup, **request)
        job = ended(stack, "hello-world")
        assert job.state is JobState.COMPLETED, job.error
        assert not job.adopted
        if not cleanup:
            stack.aws("transcribe").delete_transcription_job(TranscriptionJobName="hello-world")
            stack.aws("s3").delete_object(Bucket=BUCKET, Key="path/in/bucket")
            assert {"path/in/bucket.json", "path/in/bucket.srt"} <= set(stack.objects())
            stack.broker.command("DEL", keys.JOB("hello-world"))
    # What was there before stays.
    assert stack.objects() == ["path/in/.write_access_check_file.temp"]


def test_uploads_in_parts_of_others_at_the_very_key_go_on(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.3")
    stack.start_worker()
    large, s3 = stack.sample("silence.wav", as_="large.wav"), stack.aws("s3")
    with large.open("ab") as file:
        file.truncate(2 * PART_BYTES)
    theirs = {
        key: s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
        for key in ("videos/large", "videos/stopped")
    }
    send(stack, audio=str(large), name="large", key="videos/large")
    stack.fault(kind="limit", operation="StartTranscriptionJob", match="^stopped$")
    small = str(stack.sample("silence.wav"))
    send(stack, audio=small, name="stopped", key="videos/stopped", deadline=3)
    assert refused(stack, "stopped")[0] == "DeadlineExceeded"
    until(lambda: stack.client.get("stopped").cleaned_at)
    assert ended(stack, "large").state is JobState.COMPLETED
    listed = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert {each["Key"]: each["UploadId"] for each in listed} == theirs


def test_a_job_that_waits_for_a_key_aborts_no_upload_there(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.3")
    stack.block(operation="UploadPart", times=2)
    recording = stack.sample("silence.wav")
    with recording.open("ab") as file:
        file.truncate(3 * PART_BYTES)
    # Short, so that the cleanup of the second comes while the first is under way.
    stack.start_worker(lease="2")
    send(stack, audio=str(recording), name="first", key="calls/a")
    s3 = stack.aws("s3")
    until(lambda: s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads"))
    send(stack, audio=str(recording), name="second", key="calls/a")
    until(lambda: stack.log() and "KeyInUse" in {each.get("code") for each in stack.log()})
    stack.client.cancel("second")
    until(lambda: stack.client.get("second").cleaned_at)
    stack.clear_faults()
    assert ended(stack, "first").state is JobState.COMPLETED
    assert stack.account()["calls"]["CreateMultipartUpload"]["count"] == 1
