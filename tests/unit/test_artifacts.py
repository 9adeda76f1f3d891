"""What the objects in the jobs' folders say of each job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from producer.contract.attempts import attempt_of
from producer.contract.s3_uri import S3Uri
from worker.aws.objects import ListedObject
from worker.recovery.artifacts import Artifacts, artifacts_by_job

PREFIX = S3Uri("s3://bucket/ours/")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def found(*keys: str) -> dict[str, Artifacts]:
    objects = [ListedObject(S3Uri(f"{PREFIX}{key}"), NOON) for key in sorted(keys)]
    return {artifacts.id: artifacts for artifacts in artifacts_by_job(objects, PREFIX)}


@pytest.mark.parametrize(
    ("name", "job_id", "attempt"),
    [
        ("talk", "talk", 1),
        ("talk--try-2", "talk", 2),
        ("talk--try-12", "talk", 12),
        ("talk.2", "talk.2", 1),
        ("talk.2", "talk", None),
        ("v1.2--try-3", "v1.2", 3),
        ("talk--try-1", "talk", None),
        ("talk--try-02", "talk", None),
        ("talk--try-x", "talk", None),
        ("talk--try-2", "talk--try-2", None),
        ("talks", "talk", None),
        ("Talk", "talk", None),
    ],
)
def test_a_name_says_which_attempt_of_a_job_it_is(
    name: str, job_id: str, attempt: int | None
) -> None:
    assert attempt_of(name, job_id) == attempt


def test_each_folder_is_a_job() -> None:
    artifacts = found(
        "a/audio.wav",
        "a/a.json",
        "a/a--try-2.json",
        "a/a--try-2.srt",
        "a.2/audio.mp3",
        "a.2/a.2.json",
        "a--try-2/audio.mp3",
        "b/.write_access_check_file.temp",
        "b/audio.wav.json",
        "c/deeper/c.json",
        "no-folder.json",
        "not a name/audio.wav",
    )
    assert set(artifacts) == {"a", "a.2", "b", "c"}
    assert set(artifacts["a"].results) == {1, 2}
    assert set(artifacts["a.2"].results) == {1}
    assert artifacts["a"].audio is not None
    assert (artifacts["b"].audio, artifacts["b"].results, artifacts["b"].has_write_check) == (
        None,
        {},
        True,
    )
    assert (artifacts["c"].audio, artifacts["c"].results, artifacts["c"].has_write_check) == (
        None,
        {},
        False,
    )


def test_a_job_with_redaction_does_not_get_the_open_document() -> None:
    artifacts = found("a/a.json", "a/redacted-a.json", "redacted-b/redacted-b.json")
    assert artifacts["a"].results[1].uri == f"{PREFIX}a/redacted-a.json"
    assert artifacts["redacted-b"].results[1].uri == f"{PREFIX}redacted-b/redacted-b.json"


def test_a_transcribe_job_fits_by_its_media() -> None:
    artifacts = found("a/audio.wav", "b/b.json", "c/other.txt")
    assert artifacts["a"].match_media(f"{PREFIX}a/audio.wav", PREFIX)
    assert not artifacts["a"].match_media("s3://bucket/theirs/talk.wav", PREFIX)
    assert artifacts["b"].match_media("s3://bucket/theirs/talk.wav", PREFIX)
    assert not artifacts["b"].match_media(f"{PREFIX}a/audio.wav", PREFIX)
    assert not artifacts["c"].match_media("s3://bucket/theirs/talk.wav", PREFIX)


def test_what_was_made_of_an_earlier_recording_proves_nothing() -> None:
    artifacts = found("a/audio.wav")["a"]
    assert artifacts.match_time(NOON - timedelta(seconds=1))
    assert not artifacts.match_time(NOON - timedelta(seconds=3))
    assert artifacts.match_time(None)
