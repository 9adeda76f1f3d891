"""What Amazon Transcribe writes beside its document is fetched, and nothing else is deleted."""

from __future__ import annotations

import json
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localaws.recognition.fixed import PERSONAL_WORD
from producer.contract.job import Job, JobState
from tests.conftest import make_stack
from tests.support.stack import BUCKET, Stack
from tests.support.waiting import DEADLINE, until
from worker.settings import WorkerSettings

PATIENCE = 2
MB = 1024 * 1024
BOTH = {"redaction_output": "redacted_and_unredacted"}
ALL: dict[str, Any] = {
    "content_redaction": BOTH,
    "subtitles": {"formats": ["srt", "vtt"]},
    "formats": ["txt", "srt", "vtt"],
}
KINDS = {
    "job.json",
    *("json", "txt", "srt", "vtt"),
    *("aws.srt", "aws.vtt", "unredacted.json", "unredacted.srt", "unredacted.vtt"),
}


@pytest.fixture(scope="module")
def fetching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with make_stack(tmp_path_factory.mktemp("fetching")) as stack:
        stack.start_aws("--recogniser", "fixed:0.3")
        stack.start_worker(result_patience=str(PATIENCE))
        yield stack


def done(stack: Stack, name: str, **options: Any) -> Job:
    stack.client.submit(stack.sample("silence.wav"), name=name, **options)
    job = stack.client.wait(name, timeout=DEADLINE, cleaned=True)[name]
    assert (job.state, job.error) == (JobState.COMPLETED, None)
    return job


def everything_in_redis(stack: Stack) -> Iterator[bytes]:
    """The value of each key, unpacked if it is compressed."""
    for key in stack.broker.command("KEYS", "*"):
        kind = stack.broker.command("TYPE", key)
        if kind == "string":
            value = stack.broker.command("GET", key, raw=True)
            yield zlib.decompress(value) if value[:1] == b"x" else value
        elif kind == "hash":
            yield repr(stack.broker.command("HGETALL", key)).encode()
        elif kind == "stream":
            yield repr(stack.broker.command("XRANGE", key, "-", "+")).encode()
        elif kind == "list":
            yield repr(stack.broker.command("LRANGE", key, 0, -1)).encode()


@pytest.mark.parametrize("cleanup", [True, False])
def test_everything_that_was_asked_for_is_fetched_before_anything_is_deleted(
    fetching: Stack, *, cleanup: bool
) -> None:
    name = f"all-{cleanup}".lower()
    job = done(fetching, name, cleanup=cleanup, **ALL)

    assert set(job.files) == KINDS
    assert job.not_written == ()
    assert {path.name for path in (fetching.results / name).iterdir()} == {
        path.name for path in job.files.values()
    }
    for kind in ("aws.srt", "aws.vtt"):
        text = job.files[kind].read_text()
        assert "[PII]" in text
        assert PERSONAL_WORD not in text
    for kind in ("unredacted.json", "unredacted.srt", "unredacted.vtt"):
        assert PERSONAL_WORD in job.files[kind].read_text()
    document = json.loads(job.files["unredacted.json"].read_bytes())
    assert (document["jobName"], document.get("isRedacted")) == (name, None)
    left = {key for key in fetching.objects() if name in key}
    assert bool(left) is not cleanup, left
    if not cleanup:
        fetched = {path.read_bytes() for path in job.files.values()}
        written = {key for key in left if "audio" not in key and "check" not in key}
        assert len(written) == 6
        for key in written:
            body = fetching.aws("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
            assert body in fetched, key


def test_what_was_to_be_redacted_is_in_one_file_and_is_asked_for_by_name(fetching: Stack) -> None:
    job = done(fetching, "hidden", cleanup=True, **ALL)
    client = fetching.client

    assert not [each for each in everything_in_redis(fetching) if PERSONAL_WORD.encode() in each]
    assert any(b"[PII]" in each for each in everything_in_redis(fetching))
    shown = [client.text("hidden"), client.result("hidden").render("json")]
    shown += [job.files[kind].read_text() for kind in ("json", "txt", "srt", "vtt")]
    shown += [json.dumps(line) for line in fetching.log()]
    for text in shown:
        assert PERSONAL_WORD not in text
    assert all("[PII]" in text for text in shown[:6])
    for kind in ("unredacted.json", "unredacted.srt", "unredacted.vtt"):
        assert stat.S_IMODE(job.files[kind].stat().st_mode) == 0o600

    assert PERSONAL_WORD.encode() in client.file("hidden", "unredacted.json")
    ran = fetching.transcribe("result", "hidden", "--format", "unredacted.json")
    assert json.loads(ran.stdout) == json.loads(job.files["unredacted.json"].read_bytes())
    ran = fetching.transcribe("result", "hidden", "--format", "aws.vtt")
    assert ran.stdout.startswith("WEBVTT")

    elsewhere = job.files["unredacted.json"].rename(fetching.folder / "elsewhere")
    ran = fetching.transcribe("result", "hidden", "--format", "unredacted.json")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert str(job.files["unredacted.json"]) in ran.stderr
    assert "No such file" in ran.stderr
    elsewhere.unlink()


def test_redaction_alone_hides_what_it_hides(fetching: Stack) -> None:
    job = done(fetching, "only-redacted", content_redaction={"redaction_output": "redacted"})
    assert set(job.files) == {"json", "txt", "job.json"}
    assert "[PII]" in fetching.client.text("only-redacted")
    ran = fetching.transcribe("result", "only-redacted", "--format", "unredacted.json")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "has no file unredacted.json: it has json, txt" in ran.stderr


def test_a_document_that_aws_did_not_write_is_awaited_and_then_said_to_be_missing(
    fetching: Stack,
) -> None:
    # What blocks the first try gives time to make away with the document.
    in_the_way = fetching.results / "lacking"
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.write_text("a file where the job's folder goes")
    fetching.client.submit(
        fetching.sample("silence.wav"), name="lacking", cleanup=True, content_redaction=BOTH
    )
    fetching.job_in("lacking", JobState.FAILED)
    key = next(key for key in fetching.objects() if key.endswith("/lacking.json"))
    fetching.aws("s3").delete_object(Bucket=BUCKET, Key=key)
    in_the_way.unlink()
    fetching.fault(kind="error500", operation="DeleteObject", match="lacking")
    fetching.client.retry("lacking")

    job = fetching.client.wait("lacking", timeout=DEADLINE)["lacking"]
    assert (job.state, job.error) == (JobState.COMPLETED, None)
    assert set(job.files) == {"json", "txt", "job.json"}
    assert job.not_written == ("unredacted.json",)
    waited = job.times[JobState.COMPLETED] - job.times[JobState.COLLECTING]
    assert waited.total_seconds() > PATIENCE
    shown = fetching.transcribe("status", "lacking").stdout
    assert "unredacted.json not written by Amazon Transcribe" in shown
    ran = fetching.transcribe("result", "lacking", "--format", "unredacted.json")
    assert "Amazon Transcribe wrote none" in ran.stderr

    # It comes after all, too late to be fetched.
    fetching.aws("s3").put_object(Bucket=BUCKET, Key=key, Body=b"late")
    fetching.clear_faults()
    fetching.client.wait("lacking", timeout=DEADLINE, cleaned=True)
    assert [each for each in fetching.objects() if "lacking" in each] == [key]


def test_where_nothing_was_said_there_are_no_subtitles_and_nobody_waits_for_them(
    pipeline: Stack,
) -> None:
    # "A subtitle file is not created" then, as the developer guide has it.
    job = done(pipeline, "silent", subtitles={"formats": ["srt", "vtt"]}, cleanup=True)
    assert set(job.files) == {"json", "txt", "job.json"}
    assert job.not_written == ("aws.srt", "aws.vtt")
    waited = job.times[JobState.COMPLETED] - job.times[JobState.COLLECTING]
    assert waited.total_seconds() < WorkerSettings.model_fields["result_patience"].default
    until(lambda: not [key for key in pipeline.objects() if "silent" in key])


def most_memory(pid: int) -> int:
    """The most memory, in bytes, that a process has had."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


def test_a_huge_unredacted_document_costs_the_worker_no_memory(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    # Until it is huge, nobody may read it.
    stack.fault(operation="GetObject", kind="error500", match="huge")
    worker = stack.start_worker()
    done(stack, "small", content_redaction=BOTH)
    stack.client.submit(stack.sample("silence.wav"), name="huge", content_redaction=BOTH)
    stack.job_in("huge", JobState.COLLECTING)
    before = most_memory(worker.pid)
    huge = b'{"jobName": "huge", "results": "' + b"x" * 100 * MB
    stack.aws("s3").put_object(Bucket=BUCKET, Key="transcribe-queue/huge/huge.json", Body=huge)
    stack.clear_faults()
    job = stack.job_in("huge", JobState.COMPLETED, seconds=90)
    assert job.files["unredacted.json"].read_bytes() == huge
    assert most_memory(worker.pid) - before < 30 * MB
