"""Results kept in Redis, compressed, for producers that do not see the workers' disks."""

from __future__ import annotations

import zlib
from typing import Literal

from producer.backend import keys
from producer.backend.connection import Broker
from producer.backend.schedule import Lease

Kind = Literal["text", "document"]

_KEYS = {"text": keys.RESULT_TEXT, "document": keys.RESULT_DOCUMENT}
#: Bytes that are compressed before it is looked how much came of them.
_PIECE = 1024 * 1024


class KeptResults:
    """The texts and documents of completed jobs."""

    def __init__(self, broker: Broker, *, retention: int) -> None:
        """Keep each `retention` seconds, as long as its job's record."""
        self._broker = broker
        self._lasts = retention

    def keep(self, lease: Lease, text: str, document: bytes, *, most: int) -> bool:
        """Keep a text and its document, each while its compressed size is at most `most` bytes.

        Returns whether the lease was still the caller's; if not, nothing is kept.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        packed = {
            kind: _packed(data, most)
            for kind, data in (("text", text.encode()), ("document", document))
        }
        kept = {
            _KEYS[kind](lease.entry_id): data for kind, data in packed.items() if data is not None
        }
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
        """What was kept; None if it was too large or has expired.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        packed = self._broker.command("GET", _KEYS[kind](job_id), raw=True)
        return None if packed is None else zlib.decompress(packed)


def _packed(data: bytes, most: int) -> bytes | None:
    """Compress data; None, as soon as that is certain, if it does not fit into `most` bytes."""
    packer = zlib.compressobj()
    packed = bytearray()
    for start in range(0, len(data), _PIECE):
        packed += packer.compress(memoryview(data)[start : start + _PIECE])
        if len(packed) > most:
            return None
    packed += packer.flush()
    return bytes(packed) if len(packed) <= most else None
