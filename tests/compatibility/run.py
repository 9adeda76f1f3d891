"""A run that leaves each kind of record, message and report in Redis."""

from __future__ import annotations

import json
from typing import Any

from producer.backend import keys
from producer.contract.job import Job, JobState
from producer.contract.stages import CONTROL_QUEUE, Stage
from tests.support.messages import raw_message
from tests.support.stack import Stack
from tests.support.waiting import until

#: Instead of the folder of the run in what is frozen.
FOLDER = "/srv/transcribe"
_TENANT = {"tenant": "alice"}


def stored(stack: Stack) -> dict[str, Any]:
    """What a run leaves in Redis: records, with their jobs as `--json` shows them, and the rest."""
    audio = stack.sample("silence.wav")
    stack.client.submit(audio, name="queued", priority=0, metadata=_TENANT, deadline=3600.0)
    records = {"queued": _record(stack, "queued")}
    hints = [
        json.loads(message) for message in stack.broker.command("LRANGE", Stage.UPLOAD.queue, 0, -1)
    ]
    # Before a worker could start it, which would leave more in its record.
    stack.client.submit(audio, name="cancelled")
    stack.client.cancel("cancelled")
    stack.start_aws("--recogniser", "fixed:0.5")
    stack.start_worker()
    stack.client.submit(audio, name="done", key="mine/done.wav", formats=["srt"], cleanup=True)
    stack.client.submit("/nowhere/there-is-none.wav", name="failed")
    stack.broker.command("LPUSH", CONTROL_QUEUE, raw_message("transcription.submit", {"audio": 7}))
    stack.job_in("queued", JobState.COMPLETED)
    stack.job_in("failed", JobState.FAILED)
    until(lambda: stack.client.get("done").cleaned_at is not None)
    until(lambda: stack.client.get("cancelled").cleaned_at is not None)
    dead_letters = until(lambda: stack.broker.command("LRANGE", str(keys.DEAD_LETTERS), 0, -1))
    capacity = until(lambda: stack.broker.command("GET", str(keys.CAPACITY)))
    records |= {name: _record(stack, name) for name in ("done", "failed", "cancelled")}
    found = {
        "records": records,
        "jobs": {name: _json(name, record) for name, record in records.items()},
        "messages": {"ours": hints, "others": [json.loads(raw_message({"audio": "/a.wav"}))]},
        "reports": {
            "heartbeat": json.loads(stack.broker.command("HVALS", str(keys.WORKERS))[0]),
            "dead_letter": json.loads(dead_letters[0]),
            "capacity": json.loads(capacity),
        },
    }
    text = json.dumps(found).replace(str(stack.folder), FOLDER)
    anonymous: dict[str, Any] = json.loads(text)
    return anonymous


def _record(stack: Stack, name: str) -> dict[str, str]:
    answer = stack.broker.command("HGETALL", keys.JOB(name))
    return dict(sorted(answer.items()))


def _json(name: str, record: dict[str, str]) -> dict[str, Any]:
    return Job.from_record(name, record).model_dump(mode="json")
