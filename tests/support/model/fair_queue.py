"""What a fair queue promises: tenants take turns by their weights, each serves its own in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

#: A tenant that begins to wait has its first turn at the end of the round.
ROUND = 0.999


@dataclass
class FairQueue:
    """A turn costs a tenant 1 / weight of virtual time; the one with the least is next."""

    weights: Mapping[str, float]
    #: tenant -> (priority, age, name) of each that waits
    waiting: dict[str, list[tuple[int, int, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    #: tenant -> virtual time of its next turn
    turns: dict[str, float] = field(default_factory=dict)
    #: virtual time of the latest turn
    now: float = 0.0
    entered: int = 0

    def add(self, tenant: str, priority: int, name: str) -> None:
        self.entered += 1
        self.waiting[tenant].append((priority, self.entered, name))
        self.turns.setdefault(tenant, round(self.now + ROUND, 6))

    def remove(self, name: str) -> None:
        for tenant, entries in self.waiting.items():
            self.waiting[tenant] = [each for each in entries if each[-1] != name]

    def next(self) -> str | None:
        while self.turns:
            tenant = min(self.turns, key=lambda each: (self.turns[each], each))
            if not self.waiting[tenant]:
                # It was remembered until its turn, so that nobody gains by coming and going.
                del self.turns[tenant]
                continue
            # A tenant that was passed over may be behind the others.
            self.now = max(self.now, self.turns[tenant])
            self.turns[tenant] = round(self.now + 1 / self.weights.get(tenant, 1), 6)
            first = min(self.waiting[tenant])
            self.waiting[tenant].remove(first)
            return first[-1]
        self.now = 0.0
        return None
