"""What is sent to S3: the bytes of a file, read from it once, with checksums of what was read."""

import base64
import hashlib
import zlib
from collections.abc import Callable
from io import BufferedReader, BytesIO
from typing import Any

from worker.stamp import Stamp, changed

#: Called with each number of bytes sent; what it raises ends the sending.
Progress = Callable[[int], object]
#: Bytes that are sent so quickly that nobody needs to stop them on the way.
_SHORT_BYTES = 256 * 1024


class Reading:
    """A file that is read once, from its beginning to where it ended when that began."""

    def __init__(self, file: BufferedReader) -> None:
        """Begin at the beginning of `file`."""
        file.seek(0)
        self._file = file
        self._before = Stamp.of(file.fileno())
        self.size = self._before.size
        self._sha256 = hashlib.sha256()

    def next(self, max_bytes: int) -> bytes:
        """The next bytes, at most `max_bytes`.

        Raises:
            Transient: if the file has become shorter.
        """
        wanted = min(max_bytes, self.size - self._file.tell())
        data = self._file.read(wanted)
        if len(data) != wanted:
            raise changed()
        self._sha256.update(data)
        return data

    @property
    def sha256(self) -> str:
        """The SHA-256 of all that was read so far, in hex."""
        return self._sha256.hexdigest()

    def check_unchanged(self) -> None:
        """Call this when all is read.

        Raises:
            Transient: if somebody has written to the file since.
        """
        if Stamp.of(self._file.fileno()) != self._before:
            raise changed()


class _Body(BytesIO):
    """Reports each piece as it is sent, which may stop the rest."""

    def __init__(self, data: bytes, progress: Progress) -> None:
        super().__init__(data)
        self._progress = progress
        self._reported = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        # What is read again, for a signature or another try, was reported already.
        count = max(0, self.tell() - self._reported)
        self._reported += count
        self._progress(count)
        return data


def body(data: bytes, progress: Progress) -> Any:
    """What boto3 sends as `data`, with calls of `progress`."""
    if len(data) > _SHORT_BYTES:
        return _Body(data, progress)
    # boto3 asks S3 before it sends a file, which lasts longer than sending so few bytes.
    progress(len(data))
    return data


def checksum(data: bytes) -> str:
    """The CRC-32 by which S3 checks that it received what was read."""
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
