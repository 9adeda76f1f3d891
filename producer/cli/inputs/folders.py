"""All files beneath a folder, whatever their names."""

import os
from collections.abc import Iterator
from pathlib import Path

from producer.cli.inputs.skipped import Skipped

_HIDDEN = "is hidden: its name begins with a dot."
_SEEN = "leads to a folder that was read already."


def files_beneath(folder: Path, skipped: Skipped) -> Iterator[Path]:
    """Yield each file beneath a folder, in order; note what is skipped.

    Symlinks to folders are followed, after everything that needs no symlink. Each folder is read
    once, so a loop ends.
    """
    waiting, links, seen = [folder], list[Path](), set[tuple[int, int]]()
    while waiting or links:
        here = waiting.pop() if waiting else links.pop(0)
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in seen:
                skipped.add(here, _SEEN, named=False)
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(here) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            skipped.add(here, f"cannot be read: {error.strerror}.", named=False)
            continue
        folders: list[Path] = []
        for entry in found:
            if entry.name.startswith("."):
                skipped.add(entry.path, _HIDDEN, named=False)
            elif _is_folder(entry):
                (links if entry.is_symlink() else folders).append(Path(entry.path))
            else:
                yield Path(entry.path)
        waiting += reversed(folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of symlinks: opening it will say so
        return False
