"""The keys in Redis: what the reference says of each, and what a real run leaves there."""

from __future__ import annotations

from pathlib import Path

from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.stages import CONTROL_LIST, QUEUES
from tests.support.messages import raw_message
from tests.support.stack import Stack
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
#: Celery's own, beside its queues.
_CELERY = ("_kombu.", "transcribe.reply.", "unacked")


def documented() -> list[tuple[str, str, str, str]]:
    text = (ROOT / "docs" / "reference" / "redis-keys.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:3] == "| `"]
    return [(name.strip("`"), kind, meaning, deleted) for name, kind, meaning, deleted in rows]


def test_the_reference_has_every_key() -> None:
    assert documented() == [(key.pattern, key.type, key.meaning, key.deleted) for key in keys.KEYS]


def found(stack: Stack) -> dict[str, str]:
    names = [str(name) for name in stack.broker.command("KEYS", "*")]
    types = stack.broker.commands(("TYPE", name) for name in names)
    return dict(zip(names, map(str, types), strict=True))


def test_a_real_run_has_these_keys_of_these_types_and_no_others(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.5")
    stack.start_worker()
    audio = stack.sample("silence.wav")
    done = stack.client.submit(audio, name="done", metadata={"tenant": "alice"}, cleanup=True)
    failed = stack.client.submit("/nowhere/there-is-none.wav", name="failed")
    stack.client.submit(audio, name="stopped", priority=9)
    stack.client.cancel("stopped")
    stack.broker.command("LPUSH", QUEUES[0], raw_message("transcription.submit", {"audio": 7}))
    seen: dict[str, str] = {}

    def ended() -> bool:
        seen.update(found(stack))
        is_cleaned = stack.store.get(done.id).cleaned_at is not None
        is_failed = stack.store.get(failed.id).state is JobState.FAILED
        return is_cleaned and is_failed and bool(stack.client.dead_letters.all())

    until(ended)
    for name, kind in seen.items():
        if name in {*QUEUES, CONTROL_LIST}:
            assert kind in {"list", "none"}, name
        elif not name.startswith(_CELERY) and "pidbox" not in name:
            types = [each.type for each in keys.KEYS if each.matches(name)]
            assert len(types) == 1, name
            assert kind in {*types, "none"}, name
    kinds = {key.name for key in keys.KEYS if any(map(key.matches, seen))}
    assert {"job", "state", "events", "schedule", "text", "dead_letters", "workers"} <= kinds
