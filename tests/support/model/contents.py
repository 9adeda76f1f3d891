"""What is in Redis, and what the model says must be there: all keys, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import redis

from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.stages import Stage
from tests.support.model.fair_queue import FairQueue
from tests.support.model.schedule import ScheduleModel

#: The lists in which our own messages lie.
MESSAGE_LISTS = tuple(sorted({stage.list for stage in Stage}))

Contents = dict[str, Any]
Messages = list[tuple[Stage, str]]
#: What the machine checks by itself, or what has only numbers that the model does not need.
_BESIDE = frozenset(
    {
        str(keys.EVENTS),
        str(keys.DISPATCHED),
        str(keys.DURATIONS),
        str(keys.FENCING_TOKEN),
        *MESSAGE_LISTS,
    }
)


def read(client: redis.Redis) -> Contents:
    """Every key with all that is in it."""
    names = sorted(str(name) for name in client.scan_iter())
    pipeline = client.pipeline()
    for name in names:
        pipeline.type(name)
    readers: Mapping[str, Any] = {
        "string": pipeline.get,
        "hash": pipeline.hgetall,
        "list": lambda name: pipeline.lrange(name, 0, -1),
        "set": pipeline.smembers,
        "zset": lambda name: pipeline.zrange(name, 0, -1, withscores=True),
        "stream": pipeline.xrange,
    }
    for name, kind in zip(names, pipeline.execute(), strict=True):
        readers[kind](name)
    return dict(zip(names, pipeline.execute(), strict=True))


def messages(contents: Contents) -> Messages:
    """The messages that are on their way."""
    found = [json.loads(each) for name in MESSAGE_LISTS for each in contents.get(name, [])]
    return sorted(
        (
            Stage(each["headers"]["task"].removeprefix("transcription.")),
            json.loads(each["body"])[0][0],
        )
        for each in found
    )


def seen(contents: Contents) -> Contents:
    """The same, as `expected` has it: records and scores are left out, and queues keep order."""
    found: Contents = {}
    for name, content in contents.items():
        if name.startswith(keys.JOB("")):
            found[name] = content["state"], int(content["attempt"])
        elif name.startswith((keys.SCHEDULE(""), keys.STATE(""), str(keys.DEADLINES))):
            found[name] = sorted(member for member, _ in content)
        elif name.startswith(keys.VIRTUAL_TIME("")):
            found[name] = round(float(content), 6)
        elif name.startswith(keys.IDENTITY("")):
            found[name] = json.loads(content)["job"]
        elif name.startswith(keys.TENANTS("")):
            found[name] = dict(content)
        elif isinstance(content, list) and name not in _BESIDE:
            found[name] = [member for member, _ in content]
        elif name not in _BESIDE:
            found[name] = content
    return found


def expected(model: ScheduleModel) -> Contents:
    """What the model says."""
    jobs = model.jobs
    entries = model.entries.by_key
    found: Contents = {keys.JOB(name): (each.state, each.attempt) for name, each in jobs.items()}
    for state in JobState:
        found[keys.STATE(state)] = sorted(name for name in jobs if jobs[name].state is state)
    found[str(keys.DEADLINES)] = sorted(name for name in jobs if not jobs[name].state.is_terminal)
    for stage in Stage:
        of_stage = {entry_id: each for (own, entry_id), each in entries.items() if own is stage}
        found[keys.SCHEDULE(stage)] = sorted(of_stage)
        found[keys.LEASE(stage)] = _counted((name, each.token) for name, each in of_stage.items())
        found[keys.STALLED(stage)] = _counted((i, each.stalled) for i, each in of_stage.items())
        found[keys.FAILURES(stage)] = _counted((i, each.failures) for i, each in of_stage.items())
    found[str(keys.RUNNING)] = model.running
    found[str(keys.MISSED)] = model.missed
    found[str(keys.REQUEUED)] = model.first
    found[str(keys.ORIGINALS)] = {key[:12]: name for key, name in model.originals.items()}
    found |= {keys.IDENTITY(print_): name for print_, name in model.known.items()}
    found |= {keys.TWINS(name): twins for name, twins in model.twins.items()}
    found |= _queue(JobState.QUEUED, model.queued) | _queue(JobState.READY, model.ready)
    return {name: content for name, content in found.items() if content}


def _queue(name: str, queue: FairQueue) -> Contents:
    waiting: Contents = {
        keys.WAITING(*filter(None, (name, tenant))): [each[-1] for each in sorted(entries)]
        for tenant, entries in queue.waiting.items()
    }
    return waiting | {keys.TENANTS(name): queue.turns, keys.VIRTUAL_TIME(name): queue.now}


def _counted(pairs: Iterable[tuple[str, str | int]]) -> dict[str, str]:
    return {entry_id: str(value) for entry_id, value in pairs if value}
