"""What is sent to S3: the bytes of a file, read from it once, with a checksum of what was read."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from io import BufferedReader, BytesIO
from typing import Any

from worker.stamp import Stamp, changed

#: Called with each number of bytes sent; what it raises ends the sending.
Progress = Callable[[int], object]
#: What is sent in so short a time that nobody needs to look whether it still shall be.
_SHORT_BYTES = 256 * 1024


class Reading:
    """A file that is read once, from its beginning to where it ended when that began."""

    def __init__(self, file: BufferedReader) -> None:
        """Begin at the beginning of `file`."""
        file.seek(0)
        self._file = file
        self._before = Stamp.of(file.fileno())
        self.size = self._before.size

    def next(self, most: int) -> bytes:
        """The next bytes, at most so many.

        Raises:
            Transient: if there are less of them than there were.
        """
        wanted = min(most, self.size - self._file.tell())
        data = self._file.read(wanted)
        if len(data) != wanted:
            raise changed()
        return data

    def check_unchanged(self) -> None:
        """To be called when all is read.

        Raises:
            Transient: if somebody has written to the file since.
        """
        if Stamp.of(self._file.fileno()) != self._before:
            raise changed()


class _Body(BytesIO):
    """Looks with each piece that is sent whether it still shall be."""

    def __init__(self, data: bytes, progress: Progress) -> None:
        super().__init__(data)
        self._progress = progress
        self._told = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        # What is read again, for a signature or another try, was told already.
        count = max(0, self.tell() - self._told)
        self._told += count
        self._progress(count)
        return data


def body(data: bytes, progress: Progress) -> Any:
    """What boto3 sends as `data`, telling of its progress."""
    if len(data) > _SHORT_BYTES:
        return _Body(data, progress)
    # With a file boto3 first asks S3 whether it may send it, which takes longer than sending this.
    progress(len(data))
    return data


def checksum(data: bytes) -> str:
    """The CRC-32 by which S3 sees that it has got what was read."""
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
