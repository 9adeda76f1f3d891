"""A thread for each file, and boto3's own waiter: the script that one writes first.

    python -m benchmarks.baselines.threads AUDIO RESULTS NAMES

As many threads as the account may run jobs, each with one file at a time. The waiter polls every
10 s, boto3's default: 250 that poll every 5 s would need more than the account's Gets. boto3
retries refused calls; when it stops, the thread waits and calls again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError, WaiterError

from benchmarks.baselines import aws
from benchmarks.driver import Work, drive, read_work

THREADS = 250
_MAX_PAUSE = 20.0


class Script:
    """The whole of it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._s3 = aws.client("s3", THREADS)
        self._transcribe = aws.client("transcribe", THREADS)
        self._pool = ThreadPoolExecutor(THREADS)

    def submit(self) -> Callable[[], int]:
        """Give every file to the pool."""
        futures = [self._pool.submit(self._file, name) for name in self._work.names]
        return lambda: sum(future.exception() is not None for future in futures)

    def _file(self, name: str) -> None:
        with self._work.recording(name).open("rb") as audio:
            self._s3.put_object(Bucket=aws.BUCKET, Key=f"audio/{name}.wav", Body=audio)
        persist(lambda: aws.start(self._transcribe, name))
        persist(lambda: self._wait(name))
        aws.fetch(self._s3, name, self._work.results)
        if self._work.cleanup:
            persist(lambda: aws.clean(self._s3, self._transcribe, name))

    def _wait(self, name: str) -> None:
        waiter = self._transcribe.get_waiter("transcription_job_completed")
        waiter.wait(TranscriptionJobName=name)


def persist(call: Callable[[], None]) -> None:
    """Call until it is not refused for being too much; other errors are raised."""
    pause = 1.0
    while True:
        try:
            call()
            return
        except ClientError as error:
            if not aws.is_refused_for_now(error):
                raise
        except WaiterError as error:
            # The waiter stops when AWS refuses its Get.
            if "Error" not in error.last_response:
                raise
        time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - to spread the calls
        pause = min(2 * pause, _MAX_PAUSE)


if __name__ == "__main__":
    drive(Script(read_work()).submit)
