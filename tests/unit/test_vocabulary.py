"""No identifier has a word that the vocabulary replaces; docs/explanation/glossary.md has them all."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("producer", "worker", "localaws", "benchmarks", "tests")

#: Each replaced word in every form in which it may be part of a name, and what says it instead.
REPLACED = {
    "tell tells telling told": "report, say, known",
    "look looks looking looked": "snapshot, read, check",
    "take takes taking taken took": "acquire, accept, read",
    "give gives giving given gave": "release, return",
    "whoever": "the actor's name",
    "heed heeds heeded": "check",
    "place places placed": "position, path, address",
    "hold holds holding held holder holders": "lease, token",
    "begin begins beginning began begun": "start, acquire",
    "renew renews renewed renewing renewal": "extend",
    "put_off": "release with a delay",
    "generation generations": "fencing token",
    "not_yet": "snooze",
    "lapse lapses lapsed lapsing": "stalled",
    "permit permits permitted": "token of the rate limiter",
    "yielding standing": "backoff factor",
    "seat seats seated": "concurrency limit",
    "stand_in stand_ins": "emulator",
    "door doors": "inbox, ingress",
    "arrival arrivals": "inbox",
    "letter letters": "dead letter",
    "bury buries buried": "dead letter",
    "probation": "isolation",
    "departure departures": "shutdown",
    "hurry hurries hurried": "cold shutdown",
    "sweep sweeps sweeper swept": "fail_overdue, prune",
    "claim claims claimed claiming": "dispatch",
    "adoption adoptions": "recover",
    "most longest": "max",
}
