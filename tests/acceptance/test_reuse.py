"""The same audio with the same options is started once, whoever submits it, however often."""

from __future__ import annotations

from typing import Any

import pytest

from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.stages import CONTROL_QUEUE
from tests.support.messages import raw_message
from tests.support.stack import Stack
from tests.support.twins import done, ended, recording, starts, submit, waits_for
from tests.support.waiting import DEADLINE, until


def test_a_recording_is_started_once_and_its_twin_gets_what_it_asks_for(reusing: Stack) -> None:
    before = starts(reusing)
    first = done(reusing, "sea", "sea-1")
    second = done(reusing, "sea", "sea-2", formats=["srt", "vtt"], output="for-me", cleanup=True)
    assert starts(reusing) == before + 1
    assert (first.reused_from, second.reused_from) == (None, "sea-1")
    assert first.fingerprint == second.fingerprint
    assert set(second.files) == {"job.json", "json", "srt", "vtt"}
    assert second.files["json"] == reusing.results / "for-me/sea-2/sea.json"
    assert second.files["json"].read_bytes() == first.files["json"].read_bytes()
    assert reusing.client.text("sea-2") == reusing.client.text("sea-1") != ""
    # Nothing of the second stays at AWS, and all of the first.
    assert [key for key in reusing.objects() if "/sea-2/" in key] == []
    assert len([key for key in reusing.objects() if "/sea-1/" in key]) == 3
    shown = reusing.transcribe("status", "sea-2").stdout
    assert "reused     sea-1" in shown
    reused = [line for line in reusing.log() if line["event"] == "upload.reused"]
    assert [line["twin"] for line in reused if line["job_id"] == "sea-2"] == ["sea-1"]


def test_what_transcribe_hears_otherwise_is_started(reusing: Stack) -> None:
    before = starts(reusing)
    done(reusing, "wind", "wind-1")
    assert done(reusing, "wind", "wind-2", language="de-DE").reused_from is None
    assert done(reusing, "wind", "wind-3", show_alternatives=True, max_alternatives=2)
    assert done(reusing, "gale", "wind-4").reused_from is None
    assert starts(reusing) == before + 4


def test_a_twin_on_its_way_is_awaited_and_costs_no_slot(reusing: Stack) -> None:
    before = starts(reusing)
    reusing.fault(kind="stuck", match="^rain-")
    submit(reusing, "rain", "rain-1")
    reusing.job_in("rain-1", JobState.TRANSCRIBING)
    submit(reusing, "rain", "rain-2", formats=["vtt"])
    waits_for(reusing, "rain-2", "rain-1")
    assert reusing.client.get("rain-2").state is JobState.UPLOADING
    assert "waits for  rain-1" in reusing.transcribe("status", "rain-2").stdout
    reusing.clear_faults()
    job = ended(reusing, "rain-2")
    assert (job.reused_from, job.waits_for) == ("rain-1", None)
    assert starts(reusing) == before + 1
    # It was neither read nor uploaded a second time.
    lines = [line["event"] for line in reusing.log() if line.get("job_id") == "rain-2"]
    assert lines.count("upload.done") == 1
    assert "upload.skipped" not in lines


@pytest.mark.parametrize("how", ["cancelled", "deadline"])
def test_if_the_twin_is_stopped_one_of_those_that_wait_is_started(reusing: Stack, how: str) -> None:
    before = starts(reusing)
    first, others = f"{how}-1", [f"{how}-2", f"{how}-3"]
    reusing.fault(kind="stuck", match=f"^{first}$")
    submit(reusing, how, first)
    reusing.job_in(first, JobState.TRANSCRIBING)
    for name in others:
        submit(reusing, how, name)
        waits_for(reusing, name, first)
    if how == "cancelled":
        reusing.client.cancel(first)
    else:
        reusing.broker.command("ZADD", str(keys.DEADLINES), 1, first)
    jobs = [ended(reusing, name) for name in others]
    assert reusing.client.get(first).state.is_terminal
    reusing.clear_faults()
    (original,) = [job for job in jobs if job.reused_from is None]
    (twin,) = [job for job in jobs if job.reused_from is not None]
    assert twin.reused_from == original.id
    assert starts(reusing) == before + 2


def test_if_the_twin_fails_another_is_started(reusing: Stack) -> None:
    before = starts(reusing)
    names = ["storm-1", "storm-2", "storm-3"]
    reusing.fault(kind="fail", match="^storm-", reason="Bad audio.", times=1)
    for name in names:
        submit(reusing, "storm", name)
    jobs = reusing.client.wait(names, timeout=DEADLINE).values()
    (failed,) = [job for job in jobs if job.state is JobState.FAILED]
    (original,) = [job for job in jobs if job.state.has_result and job.reused_from is None]
    (twin,) = [job for job in jobs if job.reused_from is not None]
    assert twin.reused_from == original.id != failed.id
    assert starts(reusing) == before + 2


def test_fresh_is_started_and_serves_those_that_come_later(reusing: Stack) -> None:
    before = starts(reusing)
    done(reusing, "hail", "hail-1")
    assert done(reusing, "hail", "hail-2", fresh=True).reused_from is None
    assert starts(reusing) == before + 2
    assert done(reusing, "hail", "hail-3").reused_from == "hail-2"
    request = {"audio": str(recording(reusing, "hail", "hail-4")), "name": "hail-4", "fresh": True}
    reusing.broker.command("LPUSH", CONTROL_QUEUE, raw_message(request))
    until(lambda: reusing.client.get_many(["hail-4"])["hail-4"])
    assert ended(reusing, "hail-4").reused_from is None
    again = recording(reusing, "hail", "hail-5")
    shown = reusing.transcribe("submit", str(again), "--name", "hail-5", "--fresh", "--wait")
    assert shown.returncode == 0
    assert reusing.client.get("hail-5").reused_from is None
    assert starts(reusing) == before + 4


def test_what_was_started_before_a_fresh_one_does_not_replace_it(reusing: Stack) -> None:
    reusing.fault(kind="stuck", match="^snow-1$")
    submit(reusing, "snow", "snow-1")
    reusing.job_in("snow-1", JobState.TRANSCRIBING)
    done(reusing, "snow", "snow-2", fresh=True)
    reusing.clear_faults()
    ended(reusing, "snow-1")
    assert done(reusing, "snow", "snow-3").reused_from == "snow-2"


def test_another_tenants_result_is_not_reused(reusing: Stack) -> None:
    before = starts(reusing)
    done(reusing, "fog", "fog-1", metadata={"tenant": "alice"})
    assert done(reusing, "fog", "fog-2", metadata={"tenant": "bob"}).reused_from is None
    assert done(reusing, "fog", "fog-3").reused_from is None
    assert done(reusing, "fog", "fog-4", metadata={"tenant": "bob"}).reused_from == "fog-2"
    assert starts(reusing) == before + 3


@pytest.mark.parametrize(("reuse", "started"), [("all", 1), ("off", 3)])
def test_the_operator_may_reuse_among_all_tenants_or_not_at_all(
    stack: Stack, reuse: str, started: int
) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    stack.start_worker(reuse=reuse)
    for number, tenant in enumerate(["alice", "bob", "bob"]):
        done(stack, "fog", f"fog-{number}", metadata={"tenant": tenant})
    assert starts(stack) == started


def test_a_request_that_names_a_key_gets_its_objects_there(reusing: Stack) -> None:
    before = starts(reusing)
    done(reusing, "key", "key-1")
    assert done(reusing, "key", "key-2", key="theirs/key.wav").reused_from is None
    assert starts(reusing) == before + 2
    assert "theirs/key.wav.json" in reusing.objects()


def test_a_vocabulary_that_was_changed_means_a_new_start(reusing: Stack) -> None:
    before = starts(reusing)
    transcribe = reusing.aws("transcribe")
    words = {"VocabularyName": "terms", "LanguageCode": "en-US"}
    options: dict[str, Any] = {"vocabulary_name": "terms"}
    # As long as nobody can say when it was changed, nothing is reused.
    for number in (1, 2):
        assert done(reusing, "term", f"term-{number}", **options).fingerprint is None
    transcribe.create_vocabulary(Phrases=["eider"], **words)
    done(reusing, "term", "term-3", **options)
    assert done(reusing, "term", "term-4", **options).reused_from == "term-3"
    transcribe.update_vocabulary(Phrases=["elder"], **words)
    assert done(reusing, "term", "term-5", **options).reused_from is None
    assert done(reusing, "term", "term-6", **options).reused_from == "term-5"
    assert starts(reusing) == before + 4


def test_so_do_a_filter_and_a_model(reusing: Stack) -> None:
    before = starts(reusing)
    transcribe = reusing.aws("transcribe")
    transcribe.create_vocabulary_filter(
        VocabularyFilterName="rude", LanguageCode="en-US", Words=["heck"]
    )
    transcribe.create_language_model(
        LanguageCode="en-US",
        BaseModelName="WideBand",
        ModelName="ours",
        InputDataConfig={"S3Uri": "s3://a/b", "DataAccessRoleArn": "arn:aws:iam::1:role/reader"},
    )
    options: dict[str, Any] = {
        "vocabulary_filter_name": "rude",
        "vocabulary_filter_method": "mask",
        "language_model_name": "ours",
    }
    done(reusing, "rude", "rude-1", **options)
    assert done(reusing, "rude", "rude-2", **options).reused_from == "rude-1"
    transcribe.update_vocabulary_filter(VocabularyFilterName="rude", Words=["darn"])
    assert done(reusing, "rude", "rude-3", **options).reused_from is None
    assert starts(reusing) == before + 2
