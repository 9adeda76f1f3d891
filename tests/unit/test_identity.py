"""What identifies audio in S3: only what S3 says for certain of all of its bytes."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from producer.contract.s3_uri import S3Uri
from worker.aws.objects import StoredObject, stored_object
from worker.stages.identity import existing

URI = S3Uri("s3://bucket/talk.wav")
DIGEST = hashlib.sha256(b"talk").digest()
SHA256 = b64encode(DIGEST).decode()
MODIFIED = datetime(2026, 1, 1, tzinfo=UTC)


def said(**fields: Any) -> StoredObject:
    """What S3 says of an object."""
    answer: Any = {"ETag": '"e"', "LastModified": MODIFIED, "Metadata": {}, **fields}
    return stored_object(answer, 4)


def test_a_checksum_of_the_whole_object_is_that_of_a_file() -> None:
    there = said(ChecksumSHA256=SHA256, ChecksumType="FULL_OBJECT")
    assert existing(URI, there).content == f"sha256:{DIGEST.hex()}"


@pytest.mark.parametrize(("version", "content"), [("v1", "version:v1"), ("null", "etag:e")])
def test_where_another_version_may_have_been_heard_the_result_is_no_other_objects(
    version: str, content: str
) -> None:
    there = said(ChecksumSHA256=SHA256, ChecksumType="FULL_OBJECT", VersionId=version)
    assert existing(URI, there).content == f"{URI}@{content}"


@pytest.mark.parametrize(
    "fields",
    [
        {"ChecksumSHA256": f"{SHA256}-2", "ChecksumType": "COMPOSITE"},
        {"ChecksumSHA256": SHA256, "ChecksumType": "COMPOSITE"},
        {"ChecksumSHA256": SHA256},
        {"ChecksumSHA256": "not base64!", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumSHA256": "c2hvcnQ=", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumCRC64NVME": "c2hvcnQ=", "ChecksumType": "FULL_OBJECT"},
    ],
)
def test_any_other_checksum_is_no_identity_across_objects(fields: dict[str, str]) -> None:
    assert existing(URI, said(**fields)).content == f"{URI}@etag:e"


def test_a_version_says_more_than_an_etag_and_null_is_none() -> None:
    assert existing(URI, said(VersionId="v1")).content == f"{URI}@version:v1"
    assert existing(URI, said(VersionId="null")).content == f"{URI}@etag:e"


def test_what_the_worker_may_not_see_has_no_identity() -> None:
    assert existing(URI, None).content is None


def test_whatever_overwrites_an_object_changes_its_mark() -> None:
    later = datetime(2026, 1, 2, tzinfo=UTC)
    marks = {
        existing(URI, said(**fields)).mark
        for fields in ({}, {"ETag": '"f"'}, {"VersionId": "v1"}, {"LastModified": later})
    }
    assert len(marks) == 4
