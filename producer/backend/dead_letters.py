"""Messages that workers refused, kept with the reason until somebody replays or drops them."""

import json
import secrets
from datetime import UTC, datetime

from pydantic import BaseModel

from producer.backend import keys
from producer.backend.connection import Broker
from producer.contract.request import TranscriptionRequest
from producer.errors import DeadLetterNotFound, InvalidRequest

#: The latest so many are kept.
MAX_DEAD_LETTERS = 1000
#: Of a longer message this many characters are kept.
MAX_CHARACTERS = 16384


class DeadLetter(BaseModel, frozen=True):
    """A message that a worker refused."""

    id: str
    at: datetime
    reason: str
    #: the message as it came, or the beginning of a long one
    message: str
    #: whether that is all of it
    whole: bool

    def request(self) -> TranscriptionRequest:
        """The message as a request.

        Raises:
            InvalidRequest: if it is not a valid request, the usual reason for a dead letter.
        """
        if not self.whole:
            raise InvalidRequest(
                f"Redis kept only the beginning of dead letter {self.id}: let its sender send it "
                f"again, then type `transcribe dead drop {self.id}`."
            )
        try:
            fields = json.loads(self.message)
        except (ValueError, RecursionError):
            raise InvalidRequest(
                f"Dead letter {self.id} is not JSON, so it cannot be replayed: type "
                f"`transcribe dead drop {self.id}`."
            ) from None
        return TranscriptionRequest.parse(fields)


class DeadLetters:
    """The list of dead letters in Redis, the latest first.

    What asks for an id that no dead letter has raises DeadLetterNotFound.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def add(self, message: str, reason: str) -> None:
        """Keep a message with the reason why a worker refused it."""
        dead_letter = DeadLetter(
            id=secrets.token_hex(4),
            at=datetime.now(UTC),
            reason=reason[:1000],
            message=message[:MAX_CHARACTERS],
            whole=len(message) <= MAX_CHARACTERS,
        )
        self._broker.commands(
            [
                ("LPUSH", str(keys.DEAD_LETTERS), dead_letter.model_dump_json()),
                ("LTRIM", str(keys.DEAD_LETTERS), 0, MAX_DEAD_LETTERS - 1),
            ]
        )

    def all(self) -> list[DeadLetter]:
        """All of them, the latest first."""
        return [dead_letter for _, dead_letter in self._entries()]

    def get(self, dead_letter_id: str) -> DeadLetter:
        """One of them, if any has that id."""
        return self._entry(dead_letter_id)[1]

    def drop(self, dead_letter_id: str) -> None:
        """Delete one, if any has that id."""
        self._broker.command("LREM", str(keys.DEAD_LETTERS), 1, self._entry(dead_letter_id)[0])

    def _entry(self, dead_letter_id: str) -> tuple[str, DeadLetter]:
        for entry, dead_letter in self._entries():
            if dead_letter.id == dead_letter_id:
                return entry, dead_letter
        raise DeadLetterNotFound(
            f"There is no dead letter {dead_letter_id!r}; `transcribe dead list` shows all."
        )

    def _entries(self) -> list[tuple[str, DeadLetter]]:
        entries = self._broker.command("LRANGE", str(keys.DEAD_LETTERS), 0, -1)
        return [(entry, DeadLetter.model_validate_json(entry)) for entry in entries]
