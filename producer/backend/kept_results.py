"""Results kept in Redis, compressed, for producers that do not see the workers' disks."""

import zlib
from typing import Literal

from producer.backend import keys
from producer.backend.connection import Broker
from producer.backend.schedule import Lease

Kind = Literal["text", "document"]

_KEYS = {"text": keys.RESULT_TEXT, "document": keys.RESULT_DOCUMENT}


class KeptResults:
    """The texts and documents of completed jobs."""

    def __init__(self, broker: Broker, *, retention: int) -> None:
        """Keep each `retention` seconds, as long as its job's record."""
        self._broker = broker
        self._lasts = retention

    def keep(self, lease: Lease, text: str, document: bytes, *, most: int) -> bool:
        """Keep a text and its document, each while its compressed size is at most `most` bytes.

        Returns whether the lease was still the caller's; if not, nothing is kept.
        """
        packed = {
            keys.RESULT_TEXT(lease.entry_id): zlib.compress(text.encode()),
            keys.RESULT_DOCUMENT(lease.entry_id): zlib.compress(document),
        }
        kept = {key: data for key, data in packed.items() if len(data) <= most}
        return bool(
            self._broker.run(
                "keep_result",
                *kept.values(),
                **lease.arguments,
                seconds=self._lasts,
                keys=list(kept),
            )
        )

    def get(self, job_id: str, kind: Kind) -> bytes | None:
        """What was kept; None if it was too large or has expired."""
        packed = self._broker.command("GET", _KEYS[kind](job_id), raw=True)
        return None if packed is None else zlib.decompress(packed)
