"""Where a job's objects are in S3: each name that Transcribe writes for a request, no other."""

from typing import Any

import pytest

from producer import Job, TranscriptionRequest
from producer.contract.s3_uri import S3Uri
from worker import s3_keys
from worker.s3_keys import reserved_with
from worker.settings import WorkerSettings

REDACTED: dict[str, Any] = {"content_redaction": {"redaction_output": "redacted"}}
BOTH: dict[str, Any] = {"content_redaction": {"redaction_output": "redacted_and_unredacted"}}
SUBTITLES: dict[str, Any] = {"subtitles": {"formats": ["srt", "vtt"]}}


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ({}, {"json": "t.json"}),
        (SUBTITLES, {"json": "t.json", "aws.srt": "t.srt", "aws.vtt": "t.vtt"}),
        (REDACTED, {"json": "redacted-t.json"}),
        (BOTH, {"json": "redacted-t.json", "unredacted.json": "t.json"}),
        (
            {**BOTH, "subtitles": {"formats": ["vtt"]}},
            {
                "json": "redacted-t.json",
                "aws.vtt": "redacted-t.vtt",
                "unredacted.json": "t.json",
                "unredacted.vtt": "t.vtt",
            },
        ),
        (
            {**REDACTED, "subtitles": {"formats": ["srt"]}},
            {"json": "redacted-t.json", "aws.srt": "redacted-t.srt", "unredacted.srt": "t.srt"},
        ),
    ],
)
def test_every_object_that_a_request_makes_aws_write(
    options: dict[str, Any], written: dict[str, str]
) -> None:
    request = TranscriptionRequest.parse({"audio": "/a.wav", "name": "talk", **options})
    record = {"state": "QUEUED", "request": request.canonical(), "at.QUEUED": "1700000000"}
    job = Job.from_record("talk", record)
    found = s3_keys.written_objects(job, S3Uri("s3://bucket/deep/er/t.json"))
    assert {each.kind: each.uri for each in found} == {
        kind: f"s3://bucket/deep/er/{name}" for kind, name in written.items()
    }
    assert found[0].uri == s3_keys.result_uri(job, S3Uri("s3://bucket/deep/er/t.json"))


def test_the_write_check_file_lies_beside_the_result() -> None:
    assert s3_keys.write_check_uri(S3Uri("s3://bucket/deep/t.json")) == (
        "s3://bucket/deep/.write_access_check_file.temp"
    )
    assert s3_keys.write_check_uri(S3Uri("s3://bucket/t.json")) == (
        "s3://bucket/.write_access_check_file.temp"
    )


@pytest.mark.parametrize(
    ("key", "reserved"),
    [
        ("calls/a", "calls/a"),
        ("calls/a.wav", "calls/a.wav"),
        ("calls/a.json", "calls/a"),
        ("calls/redacted-a", "calls/a"),
        ("calls/redacted-a.vtt", "calls/a"),
        ("calls/a--try-2.json", "calls/a"),
        ("calls/redacted-a--try-3.json.srt", "calls/a"),
        ("a.json/b", "a.json/b"),
        ("a", "a"),
        (".json", ""),
    ],
)
def test_a_key_is_reserved_with_all_that_is_written_beside_it(key: str, reserved: str) -> None:
    assert reserved_with(key) == reserved


@pytest.mark.parametrize(
    "options", [{}, SUBTITLES, {**BOTH, "subtitles": {"formats": ["srt", "vtt"]}}]
)
@pytest.mark.parametrize("attempt", [1, 2])
def test_no_written_object_is_outside_the_reservation(
    options: dict[str, Any], attempt: int
) -> None:
    request = TranscriptionRequest(audio="/a.wav", name="t", key="calls/a", **options)
    record = {"request": request.canonical(), "state": "READY", "attempt": str(attempt)}
    job = Job.from_record("t", record)
    output = s3_keys.output_uri(job, WorkerSettings(bucket="bucket"))
    for each in s3_keys.written_objects(job, output):
        assert reserved_with(each.uri.removeprefix("s3://bucket/")) == "calls/a"


@pytest.mark.parametrize(
    "uri", ["", "s3://bucket", "s3://bucket/", "s3:///key", "bucket/key", "s3://Bucket/key"]
)
def test_an_address_without_a_bucket_or_a_key_cannot_be_made(uri: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket/key"):
        S3Uri(uri)


def test_an_address_has_a_bucket_and_a_key() -> None:
    uri = S3Uri("s3://bucket/a//b c?#.wav")
    assert (uri.bucket, uri.key) == ("bucket", "a//b c?#.wav")
    assert uri == "s3://bucket/a//b c?#.wav"


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("https://s3.eu-west-1.amazonaws.com/bucket/a/b.json", "s3://bucket/a/b.json"),
        ("https://bucket.s3.eu-west-1.amazonaws.com/a/b%20c.json", "s3://bucket/a/b c.json"),
        ("http://127.0.0.1:5000/bucket/a.json", "s3://bucket/a.json"),
        ("s3://bucket/a?b.json", "s3://bucket/a?b.json"),
        ("https://s3.eu-west-1.amazonaws.com/bucket/", None),
        (
            "https://s3.amazonaws.com/aws-transcribe-us-east-1/a.json?X-Amz-Signature=1",
            "s3://aws-transcribe-us-east-1/a.json",
        ),
        ("https://[s3.eu-west-1.amazonaws.com/bucket/a.json", None),
        ("", None),
    ],
)
def test_an_object_is_known_by_what_any_endpoint_answers(url: str, uri: str | None) -> None:
    assert S3Uri.answered(url) == uri
