"""Messages from outside: other languages submit, and no content of a message does harm."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from producer.backend import keys
from producer.backend.dead_letters import MAX_CHARACTERS
from producer.contract.job import JobState
from producer.contract.stages import CONTROL_QUEUE, Stage
from tests.support.messages import raw_message
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def send(stack: Stack, message: str) -> None:
    stack.broker.command("LPUSH", CONTROL_QUEUE, message)


def dead_letters(stack: Stack) -> dict[str, dict[str, Any]]:
    """The dead letters by their message, as the command line lists them."""
    lines = stack.transcribe("dead", "list", "--json").stdout.splitlines()
    return {each["message"]: each for each in map(json.loads, lines)}


def test_another_language_submits_by_a_raw_message(served: Stack) -> None:
    path = served.sample("hello-world.m4a")
    send(served, raw_message({"audio": str(path), "name": "from-afar", "metadata": {"order": 7}}))
    until(lambda: served.client.counts()[JobState.COMPLETED] >= 1)
    assert served.client.get("from-afar").request.metadata == {"order": 7}


def test_a_message_without_a_name_that_comes_twice_is_one_job(served: Stack) -> None:
    path = served.sample("silence.wav", "twice.wav")
    message = raw_message({"audio": str(path)})
    send(served, message)
    send(served, message)
    send(served, raw_message({"audio": str(path)}))

    def made() -> list[str]:
        return [job.id for job in served.client.list(limit=1000) if job.id.startswith("twice-")]

    until(lambda: len(made()) == 2)
    until(lambda: not any(served.client.fleet.queue_lengths().values()))
    served.client.wait(made(), timeout=DEADLINE)
    assert len(made()) == 2


def test_a_flood_of_requests_does_not_delay_running_jobs(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    stack.block(operation="PutObject", match="early")
    stack.start_worker()
    early = stack.client.submit(stack.sample("silence.wav"), name="early")
    stack.job_in(early.id, JobState.UPLOADING)
    # They are refused, which costs as much as taking them, and leaves the upload queue free.
    refused = raw_message({"audio": "relative.wav"})
    stack.broker.commands([("LPUSH", CONTROL_QUEUE, *[refused] * 1000)] * 40)
    stack.clear_faults()
    assert stack.client.wait(early.id, timeout=DEADLINE)[early.id].state is JobState.COMPLETED
    assert stack.broker.command("LLEN", CONTROL_QUEUE) > 1000


def test_bad_requests_are_kept_with_their_reason(served: Stack) -> None:
    path = served.sample("hello-world.m4a")
    requests: list[object] = [[1, 2], "text", None, {"nam": "x"}, {}, 7]
    requests += [{"audio": "relative.wav", "name": "bad-one"}, {"audio": str(path), "name": "a/b"}]
    for request in requests:
        send(served, raw_message(request))
    sent = {json.dumps(request) for request in requests}
    until(lambda: sent <= set(dead_letters(served)), what="all to be kept")
    kept = dead_letters(served)
    assert all(kept[each]["reason"].startswith("Invalid request: ") for each in sent)
    job = served.client.get("bad-one")
    assert job.error is not None
    assert (job.state, job.error.code) == (JobState.FAILED, "InvalidRequest")
    # The name of a refused request is free for the corrected one.
    good = served.client.submit(path, name="bad-one")
    assert served.client.wait(good.id, timeout=DEADLINE)[good.id].state is JobState.COMPLETED


@pytest.mark.parametrize("queue", [CONTROL_QUEUE, Stage.UPLOAD.queue])
def test_what_is_no_message_neither_ends_the_worker_nor_vanishes(served: Stack, queue: str) -> None:
    pid = served.client.fleet.alive()[0].pid
    entries: dict[str | bytes, str] = {
        "garbage": "not JSON",
        b"\xff\xfe": "it is not ",
        "[" * 200_000: "too deeply",
        "[1]": "should be",
        "null": "should be",
        '{"body": "x", "properties": {}}': "headers",
        raw_message({}, headers=[1]): "headers",
        raw_message({}, headers={}): "headers.task",
        raw_message({}, body=5): "body",
        raw_message({}, body="!"): "base64",
        raw_message({}, body=""): "base64",
        raw_message({}, body=encoded(b"no json")): "base64",
        raw_message({}, body=encoded(b"[" * 100_000)): "base64",
        raw_message({}, body=encoded(b"{}")): "one argument",
        raw_message(): "one argument",
        raw_message({"audio": "/x.wav"}, 2, 3): "one argument",
        "1" * 5000: "digits",
        '{"__type__": "uuid", "__value__": 5}': "only Python knows",
        raw_message({}, **{"content-type": "application/x-python-serialize"}): "content-type",
        raw_message({"__type__": "decimal", "__value__": "no number"}): "must be JSON",
        raw_message("x", task="no.such.task"): "its task is not",
        raw_message({"job": 1}, task=Stage.UPLOAD.task): "job's id",
        raw_message("x" * 300, task=Stage.COLLECT.task): "job's id",
    }
    before = {dead_letter.id for dead_letter in served.client.dead_letters.all()}
    for entry in entries:
        served.broker.command("LPUSH", queue, entry)

    def reasons() -> list[str]:
        dead_letters = served.client.dead_letters.all()
        return [dead_letter.reason for dead_letter in dead_letters if dead_letter.id not in before]

    until(lambda: len(reasons()) == len(entries), what="all to be kept")
    assert all(reason.startswith("Not a message for us: ") for reason in reasons())
    for expected in entries.values():
        assert any(expected in reason for reason in reasons()), expected
    # A job that is not there, by a message that looks right.
    served.broker.command("LPUSH", queue, raw_message("nobody", task=Stage.UPLOAD.task))
    job = served.client.submit(served.sample("silence.wav", "after.wav"))
    assert served.client.wait(job.id, timeout=DEADLINE)[job.id].state is JobState.COMPLETED
    assert [worker.pid for worker in served.client.fleet.alive()] == [pid]


def test_what_celery_would_act_on_or_stumble_over_is_passed_by(served: Stack) -> None:
    strange = {"task": Stage.SUBMIT.task, "id": "7", "eta": 5, "expires": {}, "timelimit": "x"}
    request = {"audio": str(served.sample("silence.wav", "strange.wav")), "name": "strange"}
    send(served, raw_message(request, headers=strange))
    until(lambda: "strange" in [job.id for job in served.client.list([JobState.COMPLETED])])


def test_a_huge_message_is_shortened(served: Stack) -> None:
    send(served, raw_message({"audio": "/" + "x" * 30_000_000}))

    def long_ones() -> list[dict[str, Any]]:
        return [each for each in dead_letters(served).values() if "bytes long" in each["reason"]]

    until(long_ones)
    (dead_letter,) = long_ones()
    assert len(dead_letter["message"]) == MAX_CHARACTERS
    assert not dead_letter["whole"]
    ran = served.transcribe("dead", "replay", dead_letter["id"])
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "kept only the beginning" in ran.stderr


def test_dead_letters_are_shown_replayed_and_dropped(served: Stack) -> None:
    later = served.audio / "later.wav"
    request = {"audio": str(later), "name": "taken-before"}
    first = served.client.submit(served.sample("silence.wav"), name="taken-before")
    send(served, raw_message(request))
    until(lambda: json.dumps(request) in dead_letters(served))
    dead_letter = dead_letters(served)[json.dumps(request)]
    assert "taken" in dead_letter["reason"]
    shown = served.transcribe("dead", "show", dead_letter["id"])
    assert json.loads(shown.stdout) == request
    ran = served.transcribe("dead", "replay", dead_letter["id"])
    assert ran.returncode == 2
    assert "different request" in ran.stderr
    served.client.wait(first.id, timeout=DEADLINE)
    served.broker.command("DEL", keys.JOB(first.id))
    served.sample("silence.wav", "later.wav")
    assert served.transcribe("dead", "replay", dead_letter["id"]).stdout == "taken-before\n"
    assert served.client.wait("taken-before", timeout=DEADLINE)
    assert dead_letter["id"] not in served.transcribe("dead", "list").stdout
    served.transcribe("dead", "drop", "--all")
    assert dead_letters(served) == {}
    for command in ("show", "replay", "drop"):
        ran = served.transcribe("dead", command, "nobody")
        assert (ran.returncode, "nobody" in ran.stderr) == (2, True)
