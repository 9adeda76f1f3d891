"""Large recordings and results delay no other job, and end well themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from producer.contract.job import Job, JobState
from tests.support.stack import BUCKET, Stack
from tests.support.waiting import until
from worker.aws.transfer import PART_BYTES
from worker.stages.document_size import HUGE_DOCUMENT

pytestmark = pytest.mark.long

MB = 1024 * 1024
LARGE = [f"large-{number}" for number in range(6)]
SMALL = [f"small-{number}" for number in range(12)]


def large_recording(stack: Stack, size: int = 2 * PART_BYTES) -> Path:
    path = stack.sample("silence.wav", "large.wav")
    with path.open("ab") as file:
        file.truncate(size)
    return path


def large_ones_get_stuck(stack: Stack, seconds: float = 3) -> None:
    """No part of theirs gets through: S3 is silent, and then drops the connection."""
    stack.fault(operation="UploadPart", kind="timeout", seconds=seconds, match="large-")


def submit(stack: Stack, names: list[str], audio: Path, **fields: object) -> None:
    stack.client.submit_many({"audio": str(audio), "name": name, **fields} for name in names)


def all_of(stack: Stack, names: list[str], state: JobState) -> bool:
    return all(job and job.state is state for job in stack.store.get_many(names).values())


def uploads(stack: Stack) -> list[dict[str, str]]:
    found = stack.aws("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    return list(found)


def test_small_recordings_pass_large_ones_that_are_stuck(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    # Twice, for our client tries once more.
    large_ones_get_stuck(stack, seconds=19)
    stack.start_worker(concurrency="4")
    # More of them than the worker has threads, and they come first.
    submit(stack, LARGE, large_recording(stack), priority=0)
    until(lambda: uploads(stack))
    submit(stack, SMALL, stack.sample("silence.wav"))
    until(lambda: any(all_of(stack, [name], JobState.COMPLETED) for name in SMALL))
    # And not because the first of those that were stuck has given up its thread.
    assert not [each for each in stack.log() if each.get("job_id") in LARGE]
    until(lambda: all_of(stack, SMALL, JobState.COMPLETED))
    assert not any(
        job is not None and job.state is JobState.COMPLETED
        for job in stack.store.get_many(LARGE).values()
    )
    # A quarter of the four threads.
    assert len(uploads(stack)) <= 1
    stack.clear_faults()
    until(lambda: all_of(stack, LARGE, JobState.COMPLETED))
    assert uploads(stack) == []
    assert stack.account()["accepted"] == len(LARGE) + len(SMALL)


def test_large_work_that_waits_outlives_the_worker_it_waits_for(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    large_ones_get_stuck(stack)
    worker = stack.start_worker("first", concurrency="4")
    submit(stack, LARGE, large_recording(stack))
    until(lambda: all_of(stack, LARGE, JobState.UPLOADING))
    worker.kill()
    worker.wait()
    stack.clear_faults()
    stack.start_worker("second", concurrency="4")
    until(lambda: all_of(stack, LARGE, JobState.COMPLETED))
    assert uploads(stack) == []
    assert stack.account()["accepted"] == len(LARGE)


def test_an_upload_beyond_the_limit_can_be_cancelled(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    large_ones_get_stuck(stack)
    stack.start_worker(concurrency="4")
    submit(stack, LARGE, large_recording(stack))
    until(lambda: all_of(stack, LARGE, JobState.UPLOADING))
    for name in LARGE:
        stack.client.cancel(name)
    until(lambda: uploads(stack) == [])
    until(lambda: stack.objects() == [])


def bytes_read(pid: int) -> int:
    """What a process has read from files, by the kernel's own count; sockets are not in it."""
    counters = Path(f"/proc/{pid}/io").read_text().split("rchar: ")[1]
    return int(counters.split()[0])


def test_a_worker_reads_a_recording_once(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    worker = stack.start_worker()
    # So that all is imported that an upload needs.
    submit(stack, ["first"], large_recording(stack))
    until(lambda: all_of(stack, ["first"], JobState.COMPLETED))
    size = 10 * PART_BYTES
    audio = large_recording(stack, size)
    before = bytes_read(worker.pid)
    submit(stack, ["once"], audio)
    until(lambda: all_of(stack, ["once"], JobState.COMPLETED))
    assert size <= bytes_read(worker.pid) - before < 1.5 * size


def peak_memory(pid: int) -> int:
    """The most memory, in bytes, that a process has had."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


def make_huge(stack: Stack, name: str, of: str) -> None:
    """Put in place of a job's result another's, with one word said very many times."""
    s3 = stack.aws("s3")
    key = "transcribe-queue/{0}/{0}.json"
    answer = s3.get_object(Bucket=BUCKET, Key=key.format(of))
    document = json.loads(answer["Body"].read()) | {"jobName": name}
    results = document["results"]
    item = next(each for each in results["items"] if each["type"] == "pronunciation")
    times = HUGE_DOCUMENT // len(json.dumps(item)) + 1000
    results["items"] = [item | {"id": number} for number in range(times)]
    results.pop("audio_segments", None)
    s3.put_object(Bucket=BUCKET, Key=key.format(name), Body=json.dumps(document).encode())


def test_a_huge_result_is_written_and_costs_the_worker_no_memory(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    # Until it is huge, nobody may read it.
    stack.fault(operation="GetObject", kind="error500", match="huge")
    worker = stack.start_worker()
    submit(stack, ["huge", "small"], stack.sample("silence.wav"), formats=["txt", "srt"])
    until(lambda: all_of(stack, ["small"], JobState.COMPLETED))
    stack.job_in("huge", JobState.COLLECTING)
    before = peak_memory(worker.pid)
    make_huge(stack, "huge", of="small")
    stack.clear_faults()
    job: Job = stack.job_in("huge", JobState.COMPLETED)
    assert job.files["json"].stat().st_size > HUGE_DOCUMENT
    assert job.files["srt"].stat().st_size > MB
    # In the worker it would take a hundred and more.
    assert peak_memory(worker.pid) - before < 30 * MB
    assert any(line["event"] == "stage.isolated" for line in stack.log())


BULK = [f"large-bulk-{number}" for number in range(30)]


def position(stack: Stack, name: str, **fields: object) -> int:
    """How many of many large files, which came before, a worker uploads before one more."""
    stack.start_aws("--recogniser", "fixed:0.1")
    large_ones_get_stuck(stack)
    stack.start_worker(concurrency="4")
    audio = large_recording(stack)
    submit(stack, BULK, audio, metadata={"tenant": "bulk"})
    until(lambda: all_of(stack, BULK, JobState.UPLOADING))
    submit(stack, [name], audio, **fields)
    until(lambda: all_of(stack, [name], JobState.UPLOADING))
    stack.clear_faults()
    everybody = [*BULK, name]
    until(lambda: all_of(stack, everybody, JobState.COMPLETED))
    jobs = [job for job in stack.store.get_many(everybody).values() if job is not None]
    return [job.id for job in sorted(jobs, key=lambda job: job.times[JobState.READY])].index(name)


def test_urgent_large_work_does_not_wait_for_all_of_its_tenants(stack: Stack) -> None:
    # Two or three on average; by chance, and by age, it would be the last or any.
    urgent = position(stack, "large-urgent", priority=0, metadata={"tenant": "bulk"})
    assert urgent < len(BULK) / 2


def test_a_tenants_large_file_does_not_wait_for_all_of_anothers(stack: Stack) -> None:
    clinic = position(stack, "large-clinic", priority=9, metadata={"tenant": "clinic"})
    assert clinic < len(BULK) / 2
