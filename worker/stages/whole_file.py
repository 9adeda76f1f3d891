"""Files that are written whole: under a temporary name, and then under their own."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from producer.contract.formats import TEMPORARY
from worker.regular_file import open_regular

_PIECE = 1024 * 1024


class Temporary:
    """A file that is written whole under a temporary name, which is gone in the end."""

    def __init__(self, folder: Path, job_id: str, pieces: Iterable[bytes]) -> None:
        self._folder, self._job_id, self._pieces = folder, job_id, pieces

    def __enter__(self) -> Path:
        descriptor, name = tempfile.mkstemp(
            dir=self._folder, prefix=f".{self._job_id}.", suffix=TEMPORARY
        )
        self._path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(self._pieces)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            self._path.unlink(missing_ok=True)
            raise
        return self._path

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)


def link(temporary: Path, path: Path) -> bool:
    """Give a whole file its name, unless something has that; returns whether it got it."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    except OSError:
        # A file system without hard links: the name is reserved by an empty file.
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            return False
        temporary.replace(path)
    return True


def is_equal(one: Path, other: Path) -> bool:
    """Whether another file has the same content: then a try that was killed may have written it."""
    file = open_regular(other)
    if file is None:
        return False
    with file, one.open("rb") as expected:
        pieces = iter(lambda: expected.read(_PIECE), b"")
        return all(file.read(len(piece)) == piece for piece in pieces) and not file.read(1)
