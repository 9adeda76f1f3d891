"""Which of the quotas that Service Quotas lists are ours."""

from __future__ import annotations

import pytest

from worker.account.quotas import known_quotas


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Number of concurrent batch transcription jobs", "slots"),
        ("Number of concurrent transcription jobs", "slots"),
        ("Number of concurrent batch transcription jobs (Call Analytics)", None),
        ("Number of concurrent medical batch transcription jobs", None),
        ("Transactions per second, StartTranscriptionJob operation", "StartTranscriptionJob"),
        ("Transactions per second, ListTranscriptionJobs operation", "ListTranscriptionJobs"),
        ("Transactions per second, StartMedicalTranscriptionJob operation", None),
        ("Transactions per second, GetVocabulary operation", "GetVocabulary"),
        ("Transactions per second, GetMedicalVocabulary operation", None),
        ("Job queue bandwidth ratio", None),
    ],
)
def test_a_quota_is_known_by_its_name(name: str, known: str | None) -> None:
    found = dict(known_quotas([{"QuotaName": name, "Value": 40.0}]))
    assert found == ({} if known is None else {known: 40})


def test_one_without_a_value_says_nothing() -> None:
    name = "Number of concurrent batch transcription jobs"
    assert dict(known_quotas([{"QuotaName": name}, {"QuotaName": name, "Value": 0.0}])) == {}
