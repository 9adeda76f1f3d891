"""Vocabularies, filters, models and checksums of the emulator: what it says of them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.stack import BUCKET, Stack

KINDS: list[tuple[str, dict[str, Any]]] = [
    ("vocabulary", {"VocabularyName": "ours"}),
    ("vocabulary_filter", {"VocabularyFilterName": "ours"}),
]


@pytest.fixture
def transcribe(stack: Stack) -> Any:
    stack.start_aws("--recogniser", "fixed:0.1")
    return stack.aws("transcribe")


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_a_change_has_its_time(transcribe: Any, kind: str, name: dict[str, Any]) -> None:
    def call(verb: str, **fields: str) -> Any:
        return getattr(transcribe, f"{verb}_{kind}")(**name, **fields)

    with pytest.raises(ClientError, match="couldn't be found"):
        call("get")
    made = call("create", LanguageCode="en-US")
    assert call("get")["LastModifiedTime"] == made["LastModifiedTime"]
    with pytest.raises(ClientError, match="used already"):
        call("create", LanguageCode="en-US")
    language = {"LanguageCode": "en-US"} if kind == "vocabulary" else {}
    changed = call("update", **language)
    assert changed["LastModifiedTime"] > made["LastModifiedTime"]
    assert call("get")["LastModifiedTime"] == changed["LastModifiedTime"]


def test_a_language_model_is_described(transcribe: Any) -> None:
    with pytest.raises(ClientError, match="couldn't be found"):
        transcribe.describe_language_model(ModelName="ours")
    made = transcribe.create_language_model(
        LanguageCode="en-US",
        BaseModelName="WideBand",
        ModelName="ours",
        InputDataConfig={"S3Uri": "s3://a/b", "DataAccessRoleArn": "arn:aws:iam::1:role/reader"},
    )
    assert made["ModelStatus"] == "COMPLETED"
    known = transcribe.describe_language_model(ModelName="ours")["LanguageModel"]
    assert known["LastModifiedTime"] is not None


def test_s3_says_of_what_a_checksum_is(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    s3 = stack.aws("s3")
    where = {"Bucket": BUCKET, "Key": "talk.wav"}
    s3.put_object(**where, Body=b"talk", ChecksumAlgorithm="SHA256")
    assert s3.head_object(**where, ChecksumMode="ENABLED")["ChecksumType"] == "FULL_OBJECT"
    assert "ChecksumType" not in s3.head_object(**where)
