"""Which of our keys are in Redis."""

from __future__ import annotations

from producer.backend import keys
from producer.backend.connection import Broker


def present(broker: Broker, *kinds: keys.Key) -> list[str]:
    """Our keys in Redis, sorted; of some kinds only, if there are any."""
    found = sorted(map(str, broker.command("KEYS", f"{keys.prefix()}*")))
    return [name for name in found if not kinds or any(kind.matches(name) for kind in kinds)]
