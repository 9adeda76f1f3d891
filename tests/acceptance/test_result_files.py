"""Where the files of results go: no request is in another's way, and what fails says why."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.contract.job import JobState
from producer.contract.stages import CONTROL_QUEUE
from tests.conftest import make_stack
from tests.support.messages import raw_message
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until


@pytest.fixture(scope="module")
def writing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with make_stack(tmp_path_factory.mktemp("writing")) as stack:
        stack.start_aws("--recogniser", "fixed:0.3")
        stack.results = stack.folder / ("results" * 10)
        stack.start_worker(results_dir=str(stack.results))
        yield stack


@pytest.mark.parametrize(
    "output",
    [
        "{victim}/{{stem}}",
        "{victim}/SILENCE",
        "{victim}/silence.txt/{{id}}",
        "{victim}/silence.job",
    ],
    ids=["file", "case", "folder", "sidecar"],
)
def test_no_message_occupies_a_path_that_another_job_needs(
    request: pytest.FixtureRequest, writing: Stack, output: str
) -> None:
    word = request.node.callspec.id
    thief, victim = f"thief-{word}", f"victim-{word}"
    audio = str(writing.sample("silence.wav"))
    fields = {"name": thief, "audio": audio, "output": output.format(victim=victim)}
    writing.broker.command("LPUSH", CONTROL_QUEUE, raw_message({**fields, "formats": ["json"]}))
    until(lambda: writing.client.get_many([thief])[thief])
    writing.job_in(thief, JobState.COMPLETED)
    stolen = {path: path.read_bytes() for path in writing.client.get(thief).files.values()}
    writing.client.submit(audio, name=victim, formats=["txt"])
    job = writing.client.wait(victim, timeout=DEADLINE)[victim]
    assert (job.state, job.error) == (JobState.COMPLETED, None)
    assert set(job.files) == {"json", "txt", "job.json"}
    assert not stolen.keys() & set(job.files.values())
    assert {path: path.read_bytes() for path in stolen} == stolen


def test_a_path_that_is_too_long_costs_nothing(writing: Stack) -> None:
    audio = str(writing.sample("silence.wav"))
    ran = writing.transcribe("submit", audio, "--name", "long", "--output", "ä" * 128)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "255 bytes" in ran.stderr
    # Only the worker knows how long the path of its root is.
    name = "too-long" * 23
    output = ("😀" * 59 + "/") * 16 + "x" * 48
    writing.client.submit(audio, name=name, output=output)
    job = writing.client.wait(name, timeout=DEADLINE)[name]
    assert job.error is not None
    assert (job.error.code, job.error.stage) == ("PathTooLong", "upload")
    assert not [key for key in writing.objects() if name in key]
    assert name not in [each["name"] for each in writing.account()["jobs"]]


def test_what_is_in_the_way_ends_the_job_and_a_retry_fetches_what_was_paid_for(
    writing: Stack,
) -> None:
    in_the_way = writing.results / "blocked"
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.write_text("a file where the job's folder goes")
    writing.client.submit(writing.sample("silence.wav"), name="blocked")
    job = writing.client.wait("blocked", timeout=DEADLINE)["blocked"]
    assert job.error is not None
    assert (job.error.code, job.error.stage) == ("ResultsNotWritten", "collect")
    assert "Not a directory" in job.error.message

    in_the_way.unlink()
    writing.client.retry("blocked")
    job = writing.client.wait("blocked", timeout=DEADLINE)["blocked"]
    assert (job.state, job.attempt) == (JobState.COMPLETED, 1)
    assert [each["name"] for each in writing.account()["jobs"]].count("blocked") == 1


def unwritable_folder(stack: Stack) -> tuple[Path, str]:
    """A results root, and an output beneath it where this user makes no folders."""
    if os.geteuid() == 0:
        # Even root makes no folder there.
        return Path("/"), "sys"
    root = stack.folder / "other-results"
    (root / "shut").mkdir(parents=True)
    (root / "shut").chmod(0o555)
    return root, "shut"


def test_a_folder_that_cannot_be_written_to_is_waited_for_and_doctor_says_so(
    stack: Stack,
) -> None:
    root, output = unwritable_folder(stack)
    stack.start_aws("--recogniser", "fixed:0.3")
    stack.start_worker(results_dir=str(root))
    stack.client.submit(stack.sample("silence.wav"), name="waits", output=output)

    def finding() -> str:
        lines = stack.transcribe("doctor", "--json").stdout.splitlines()
        found = [each for each in map(json.loads, lines) if each["check"].endswith(": results")]
        return found[0]["message"] if found and not found[0]["ok"] else ""

    message = until(finding, what="a finding of doctor")
    assert f"{root / output}" in message
    assert "mount it" in message or "let the worker write there" in message
    job = stack.client.get("waits")
    assert (job.state, job.error) == (JobState.COLLECTING, None)
