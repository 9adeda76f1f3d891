"""Opens what should be a file of ours, whatever somebody has put in its place."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

#: What says that no file of ours is there, but something of somebody else, or nothing.
_NOT_OURS = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ELOOP,
        errno.ENXIO,
        errno.EACCES,
        errno.EPERM,
    }
)


def open_regular(path: Path) -> BufferedReader | None:
    """Open a file; None if it is none, such as a link, a named pipe, or one that we may not read.

    Raises:
        OSError: if the disk does not answer, so that nobody knows.
    """
    try:
        # Without O_NONBLOCK a worker would wait for a named pipe for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NOT_OURS:
            return None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb")
