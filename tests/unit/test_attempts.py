"""Further attempts have one spelling, which is no name that anybody would choose."""

from __future__ import annotations

import re

import pytest

from producer import InvalidRequest, TranscriptionRequest
from producer.contract.attempts import MAX_NAME, attempt_name, split_attempt

#: What Amazon Transcribe allows for the name of a job.
AWS_NAME = re.compile(r"[0-9a-zA-Z._-]{1,200}")
SANE = ["talk", "talk-2026.11.25", "v1.2", "v1.2.10", "take-2", "call.99", "a--b", "x-try-2", "2"]


def request(**fields: object) -> TranscriptionRequest:
    return TranscriptionRequest.parse({"audio": "/srv/talk.wav", **fields})


@pytest.mark.parametrize("name", SANE)
def test_what_people_call_their_recordings_is_a_name_and_a_key(name: str) -> None:
    assert request(name=name).name == name
    assert request(key=f"calls/{name}").key == f"calls/{name}"


@pytest.mark.parametrize("name", [*SANE, "n" * MAX_NAME])
@pytest.mark.parametrize("attempt", [2, 3, 10, 9999])
def test_an_attempt_is_found_by_its_name_and_is_nobodys_own(name: str, attempt: int) -> None:
    tried = attempt_name(name, attempt)
    assert AWS_NAME.fullmatch(tried)
    assert split_attempt(tried) == (name, attempt)
    assert split_attempt(name) == (name, 1)
    for field in ("name", "key"):
        with pytest.raises(InvalidRequest, match="further attempt"):
            request(**{field: tried[-MAX_NAME:]})
