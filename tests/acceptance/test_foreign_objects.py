"""What messages name in S3: nobody's objects are read, taken for a result, overwritten or deleted.

All requests come as raw messages, as whoever can write to Redis may send them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
from conftest import make_stack
from messages import raw_message
from stack import BUCKET, SAMPLES, Stack
from waiting import DEADLINE, until

from producer.contract import CONTROL_QUEUE, Job, JobState
from producer.errors import JobNotFound

PREFIX = "transcribe-queue/"
IN_PLACE = f"s3://{BUCKET}/theirs/talk.wav"


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
    send(shared, audio=IN_PLACE, name=name, key=key, cleanup=True)
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
def test_audio_in_a_bucket_that_is_not_allowed_is_not_looked_at(shared: Stack, audio: str) -> None:
    name = f"other-bucket-{uuid.uuid4()}"
    send(shared, audio=audio, name=name)
    code, sentence = refused(shared, name)
    assert code == "OutsideAudioBuckets"
    assert "TRANSCRIBE_AUDIO_BUCKETS" in sentence


def test_no_job_is_given_the_audio_of_another(shared: Stack) -> None:
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
    """Submit so many jobs at once that the poll looks for them in the list, and at their results.

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
