"""The inbox: messages of other languages, from the control queue until a worker accepts them."""

from producer.backend import keys
from producer.backend.connection import Broker

#: Far more than the largest request has. Of a longer message only so many bytes are looked at.
MAX_BYTES = 1024 * 1024


class Inbox:
    """Reads the messages by the numbers that they were given."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def read(self, number: str) -> tuple[bytes, int] | None:
        """The first MAX_BYTES bytes of a message, and its length; None if it is gone."""
        key = keys.INBOX(number)
        there, length = self._broker.commands([("EXISTS", key), ("STRLEN", key)])
        if not there:
            return None
        message: bytes = self._broker.command("GETRANGE", key, 0, MAX_BYTES - 1, raw=True)
        return message, int(length)
