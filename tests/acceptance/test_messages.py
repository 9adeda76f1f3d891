"""Messages from outside: other languages submit, and nothing that a message holds does harm."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

from stack import Stack, until

from producer.contract import CONTROL_QUEUE, SUBMIT_TASK, JobState
from producer.dead_letters import MOST_CHARACTERS


def raw_message(*arguments: object, task: str = SUBMIT_TASK, **changed: object) -> str:
    """A Celery message as another language would write it."""
    task_id = str(uuid.uuid4())
    body = json.dumps([list(arguments), {}, {}])
    message = {
        "body": base64.b64encode(body.encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "js", "task": task, "id": task_id, "root_id": task_id},
        "properties": {
            "correlation_id": task_id,
            "delivery_mode": 2,
            "delivery_tag": task_id,
            "delivery_info": {"exchange": "", "routing_key": CONTROL_QUEUE},
            "priority": 0,
            "body_encoding": "base64",
        },
    }
    return json.dumps(message | changed)


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def send(stack: Stack, message: str) -> None:
    stack.broker.command("LPUSH", CONTROL_QUEUE, message)


def letters(stack: Stack) -> dict[str, dict[str, Any]]:
    """The dead letters by their message, as the command line lists them."""
    lines = stack.transcribe("dead", "list", "--json").stdout.splitlines()
    return {each["message"]: each for each in map(json.loads, lines)}


def test_another_language_submits_by_a_raw_message(served: Stack) -> None:
    path = served.sample("hello-world.m4a")
    send(served, raw_message({"audio": str(path), "name": "from-afar", "metadata": {"order": 7}}))
    until(lambda: served.client.counts()[JobState.COMPLETED] >= 1)
    assert served.client.get("from-afar").request.metadata == {"order": 7}


def test_a_flood_of_requests_does_not_hold_up_what_runs(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    stack.fault(operation="PutObject", kind="timeout", seconds=3, times=1, match="early")
    stack.start_worker()
    early = stack.client.submit(stack.sample("silence.wav"), name="early")
    stack.job_in(early.id, JobState.UPLOADING)
    # They are refused, which costs as much as taking them, and leaves the upload queue free.
    refused = raw_message({"audio": "relative.wav"})
    stack.broker.commands([("LPUSH", CONTROL_QUEUE, *[refused] * 1000)] * 40)
    assert stack.client.wait(early.id, timeout=100)[early.id].state is JobState.COMPLETED
    assert stack.broker.command("LLEN", CONTROL_QUEUE) > 1000


def test_bad_requests_are_kept_with_their_reason(served: Stack) -> None:
    path = served.sample("hello-world.m4a")
    requests: list[object] = [[1, 2], "text", None, {"nam": "x"}, {}, 7]
    requests += [{"audio": "relative.wav", "name": "bad-one"}, {"audio": str(path), "name": "a/b"}]
    for request in requests:
        send(served, raw_message(request))
    sent = {json.dumps(request) for request in requests}
    until(lambda: sent <= set(letters(served)), what="all to be kept")
    kept = letters(served)
    assert all(kept[each]["reason"].startswith("Invalid request: ") for each in sent)
    job = served.client.get("bad-one")
    assert job.error is not None
    assert (job.state, job.error.code) == (JobState.FAILED, "InvalidRequest")
    # The name of a refused request is free for the corrected one.
    good = served.client.submit(path, name="bad-one")
    assert served.client.wait(good.id, timeout=30)[good.id].state is JobState.COMPLETED


def test_what_is_no_message_neither_ends_the_worker_nor_vanishes(served: Stack) -> None:
    pid = served.client.fleet.alive()[0].pid
    entries = {
        "garbage": "not JSON",
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
        raw_message("x", task="no.such.task"): "no such task",
        raw_message({"job": 1}, task="transcription.upload"): "job's id",
        raw_message("x" * 300, task="transcription.collect"): "job's id",
    }
    before = {each["id"] for each in letters(served).values()}
    for entry in entries:
        send(served, entry)

    def reasons() -> list[str]:
        lines = served.transcribe("dead", "list", "--json").stdout.splitlines()
        new = [each for each in map(json.loads, lines) if each["id"] not in before]
        return [str(each["reason"]) for each in reversed(new)]

    until(lambda: len(reasons()) == len(entries), 60, "all to be kept")
    assert all(told.startswith("Not a message for us: ") for told in reasons())
    for expected in entries.values():
        assert any(expected in told for told in reasons()), expected
    # What Celery would act on or stumble over is not passed on.
    strange = {"task": SUBMIT_TASK, "id": "7", "eta": 5, "expires": {}, "timelimit": "x"}
    request = {"audio": str(served.sample("silence.wav", "strange.wav")), "name": "strange"}
    send(served, raw_message(request, headers=strange))
    until(lambda: "strange" in [job.id for job in served.client.list([JobState.COMPLETED])])
    # A job that is not there, by a message that looks right.
    send(served, raw_message("nobody", task="transcription.upload"))
    path = served.sample("silence.wav", "after.wav")
    job = served.client.submit(path)
    assert served.client.wait(job.id, timeout=30)[job.id].state is JobState.COMPLETED
    assert [worker.pid for worker in served.client.fleet.alive()] == [pid]
    assert served.broker.command("HLEN", "unacked") == 0


def test_a_huge_message_is_shortened(served: Stack) -> None:
    send(served, raw_message({"audio": "/" + "x" * 30_000_000}))
    until(lambda: any("bytes long" in each["reason"] for each in letters(served).values()), 60)
    (letter,) = [each for each in letters(served).values() if "bytes long" in each["reason"]]
    assert len(letter["message"]) == MOST_CHARACTERS
    assert len(letter["reason"]) < 1000
    ran = served.transcribe("dead", "replay", letter["id"])
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "too long" in ran.stderr


def test_dead_letters_are_shown_replayed_and_dropped(served: Stack) -> None:
    later = served.audio / "later.wav"
    request = {"audio": str(later), "name": "taken-before"}
    first = served.client.submit(served.sample("silence.wav"), name="taken-before")
    send(served, raw_message(request))
    until(lambda: json.dumps(request) in letters(served))
    letter = letters(served)[json.dumps(request)]
    assert "taken" in letter["reason"]
    shown = served.transcribe("dead", "show", letter["id"])
    assert json.loads(shown.stdout) == request
    ran = served.transcribe("dead", "replay", letter["id"])
    assert ran.returncode == 2
    assert "different request" in ran.stderr
    served.client.wait(first.id, timeout=30)
    served.broker.command("DEL", f"transcribe:job:{first.id}")
    served.sample("silence.wav", "later.wav")
    assert served.transcribe("dead", "replay", letter["id"]).stdout == "taken-before\n"
    assert served.client.wait("taken-before", timeout=30)
    assert letter["id"] not in served.transcribe("dead", "list").stdout
    served.transcribe("dead", "drop", "--all")
    assert letters(served) == {}
    for command in ("show", "replay", "drop"):
        ran = served.transcribe("dead", command, "nobody")
        assert (ran.returncode, "nobody" in ran.stderr) == (2, True)
