"""Our own pipeline's driver: a producer that submits all at once and waits.

python -m benchmarks.pipeline AUDIO RESULTS NAMES
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks.driver import drive, work
from producer import Client, JobState


def main() -> None:
    """Run as the harness says."""
    told = work()
    with Client() as client:
        client.counts()  # connects

        def submit() -> Callable[[], int]:
            ids = client.submit_many(
                {
                    "audio": str(told.recording(name)),
                    "name": name,
                    "language": "en-US",
                    "cleanup": told.cleanup,
                }
                for name in told.names
            )

            def wait() -> int:
                failed = 0
                for job in client.as_completed(ids, cleaned=told.cleanup):
                    if job.state is not JobState.COMPLETED:
                        failed += 1
                        print(job.id, job.state, job.error, file=sys.stderr)
                return failed

            return wait

        drive(submit)


if __name__ == "__main__":
    main()
