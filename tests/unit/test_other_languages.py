"""The message of other languages: the guide shows what a worker reads."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kombu.transport.virtual import Message

from producer.contract.request import TranscriptionRequest
from producer.contract.stages import Stage
from tests.support.guides import blocks
from tests.support.waiting import DEADLINE

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guides/other-languages.md").read_text()


def _read_as_a_worker_does(message: dict[str, Any]) -> TranscriptionRequest:
    """Kombu's decoding, and what Celery's strategy and our task look for."""
    # The transport takes the tag and the base64 body from `properties`; nothing else is asked.
    channel = SimpleNamespace(decode_body=lambda body, _: base64.b64decode(body))
    received = Message(message, channel=channel, accept={"application/json"})
    assert received.headers["task"] == Stage.SUBMIT.task
    assert received.headers["id"] == received.delivery_tag
    assert received.delivery_info == {"exchange": "", "routing_key": Stage.START.queue}
    (request,), keywords, embedded = received.decode()
    assert keywords == embedded == {}
    return TranscriptionRequest.parse(request)


def test_the_message_of_another_language_is_what_a_worker_reads() -> None:
    (block,) = blocks("json", GUIDE)
    request = _read_as_a_worker_does(json.loads(block))
    assert request == TranscriptionRequest(audio="/audio/hello-world.m4a", name="from-anywhere")


def test_the_shell_lines_push_that_message(tmp_path: Path) -> None:
    pushed = tmp_path / "pushed"
    stub = tmp_path / "redis-cli"
    stub.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$1 $2 $3" "$4" > "{pushed}"; printf %s "$5" >> "{pushed}"\n'
    )
    stub.chmod(0o755)
    script = blocks("sh", GUIDE)[0]
    redis = {"TRANSCRIBE_REDIS_URL": "redis://default:secret@127.0.0.1:1/0"}
    subprocess.run(
        ["/bin/sh", "-eu", "-c", script],
        check=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", **redis},
        timeout=DEADLINE,
    )
    command, queue, message = pushed.read_text().split("\n", 2)
    assert (command, queue) == (f"-u {redis['TRANSCRIBE_REDIS_URL']} LPUSH", Stage.START.queue)
    (block,) = blocks("json", GUIDE)
    # The same message, but for its own UUID.
    shown, sent = json.loads(block), json.loads(message)
    assert sent["headers"]["id"] != shown["headers"]["id"]
    assert _read_as_a_worker_does(sent) == _read_as_a_worker_does(shown)
    assert json.loads(base64.b64decode(sent["body"])) == json.loads(base64.b64decode(shown["body"]))
