"""What a large document needs: its turn, and from some size on a process of its own."""

from worker.runtime.isolation import IsolationNeeded
from worker.runtime.work import Work

#: Documents from this size on, in bytes, count as large.
LARGE_DOCUMENT = 1024 * 1024
#: From this size on, in bytes, a document has a process of its own, which needs a second to start.
HUGE_DOCUMENT = 8 * 1024 * 1024


def limit_document(work: Work, size: int) -> None:
    """Prepare for a document of `size` bytes, before it is read.

    Raises:
        LimitReached: if it is large, and others are being read.
        IsolationNeeded: if it is so large that all other work in this process would wait for it.
    """
    if size >= LARGE_DOCUMENT:
        work.limit_concurrency()
    if size >= HUGE_DOCUMENT and not work.worker.isolated:
        raise IsolationNeeded
