"""What entries and leases promise: work on something waits, is sent to workers, or is leased."""

from __future__ import annotations

from dataclasses import dataclass, field

from producer.contract.stages import Stage

#: Seconds after which a message that no worker acted on counts as lost.
MESSAGE_LASTS = 5.0
#: The token of an entry that waits, and of one for which a message is on its way.
WAITS, SENT = "", "0"


@dataclass
class Entry:
    """Work on something, due so many seconds `after` the step that wrote it."""

    token: str = WAITS
    after: float = 0.0
    stalled: int = 0
    failures: int = 0
    #: whether the latest step wrote `after`; an earlier one is due, or is far from it
    is_new: bool = True

    @property
    def is_due(self) -> bool:
        return self.after <= 0

    @property
    def is_leased(self) -> bool:
        return self.token not in {WAITS, SENT}


@dataclass
class Entries:
    """All entries, by stage and by what they are for."""

    lease: float
    by_key: dict[tuple[Stage, str], Entry] = field(default_factory=dict)
    #: the messages of the latest step
    sent: list[tuple[Stage, str]] = field(default_factory=list)

    def write(self, stage: Stage, entry_id: str, token: str, after: float) -> None:
        entry = self.by_key.setdefault((stage, entry_id), Entry())
        entry.token, entry.after, entry.is_new = token, after, True

    def wait(self, stage: Stage, entry_id: str, after: float) -> None:
        self.write(stage, entry_id, WAITS, after)

    def send(self, stage: Stage, entry_id: str) -> None:
        self.write(stage, entry_id, SENT, min(self.lease, MESSAGE_LASTS))
        self.sent.append((stage, entry_id))

    def send_due(self) -> None:
        for (stage, entry_id), entry in self.by_key.items():
            if entry.is_due:
                entry.stalled += entry.is_leased
                self.send(stage, entry_id)

    def may_acquire(self, stage: Stage, entry_id: str) -> bool:
        entry = self.by_key.get((stage, entry_id))
        return entry is not None and (entry.token == SENT or entry.is_due)

    def is_current(self, stage: Stage, entry_id: str, token: str) -> bool:
        """Whether a lease may still be used: nobody acquired the entry, or ended it, since."""
        entry = self.by_key.get((stage, entry_id))
        return entry is not None and entry.token == token

    def acquire(self, stage: Stage, entry_id: str, token: str) -> None:
        self.write(stage, entry_id, token, self.lease)

    def extend(self, stage: Stage, entry_id: str) -> None:
        self.write(stage, entry_id, self.by_key[stage, entry_id].token, self.lease)

    def release(self, stage: Stage, entry_id: str, seconds: float) -> None:
        """Give it back; its work went as it should, so what was counted against it is forgotten."""
        self.by_key[stage, entry_id] = Entry(after=seconds)

    def record_failure(self, stage: Stage, entry_id: str, maximum: int, seconds: float) -> int:
        """Count a crash and give the entry back, unless that was the last one."""
        entry = self.by_key[stage, entry_id]
        entry.failures += 1
        if entry.failures < maximum:
            self.wait(stage, entry_id, seconds)
        return entry.failures

    def forget(self, stage: Stage, entry_id: str) -> None:
        self.by_key.pop((stage, entry_id), None)
