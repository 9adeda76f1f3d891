"""Where a job's objects are in S3: each name that Transcribe writes for a request, no other."""

from typing import Any

import pytest

from producer import Job, TranscriptionRequest
from worker import s3_layout
from worker.s3_keys import reserved_with

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
    found = s3_layout.written_objects(job, "s3://b/deep/er/t.json")
    assert {each.kind: each.uri for each in found} == {
        kind: f"s3://b/deep/er/{name}" for kind, name in written.items()
    }
    assert found[0].uri == s3_layout.result_uri(job, "s3://b/deep/er/t.json")


def test_the_write_check_file_lies_beside_the_result() -> None:
    assert s3_layout.write_check_uri("s3://b/deep/t.json") == (
        "s3://b/deep/.write_access_check_file.temp"
    )
    assert s3_layout.write_check_uri("s3://b/t.json") == "s3://b/.write_access_check_file.temp"


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
    output = s3_layout.output_uri(job, "b", "ours/")
    for each in s3_layout.written_objects(job, output):
        assert reserved_with(each.uri.removeprefix("s3://b/")) == "calls/a"
