"""Our own pipeline's driver: a producer that submits all at once and waits.

python -m benchmarks.pipeline AUDIO RESULTS NAMES
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks.driver import drive, read_work
from producer import Client, JobState


def main() -> None:
    """Run as the harness says."""
    work = read_work()
    with Client() as client:
        client.counts()  # connects

        def submit() -> Callable[[], int]:
            ids = client.submit_many(
                {
                    "audio": str(work.recording(name)),
                    "name": name,
                    "output": "{id}/transcript",
                    "language": "en-US",
                    "cleanup": work.cleanup,
                }
                for name in work.names
            )

            def wait() -> int:
                failed = 0
                for job in client.as_completed(ids, cleaned=work.cleanup):
                    if job.state is not JobState.COMPLETED:
                        failed += 1
                        print(job.id, job.state, job.error, file=sys.stderr)
                return failed

            return wait

        drive(submit)


if __name__ == "__main__":
    main()
