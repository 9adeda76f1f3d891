"""The `pocketsphinx` recogniser: one process for each job, some at once."""

import json
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from tempfile import NamedTemporaryFile

from localaws.s3.objects import ObjectStore
from localaws.transcribe import media_uri
from localaws.transcribe.jobs import Job
from localaws.transcribe.lifecycle import Failure, OnEnd
from localaws.transcribe.speech import Recognition, Task
from localaws.transcribe.unsupported_requests import unsupported_language, unsupported_options

logger = logging.getLogger("localaws")

_PACKAGE = str(Path(__file__).resolve().parents[2])


class ProcessRecogniser:
    """Runs up to `workers` jobs at once; the others wait, with the status IN_PROGRESS."""

    def __init__(self, workers: int, store: ObjectStore, end: OnEnd) -> None:
        self._store = store
        self._end = end
        self._lock = threading.Lock()
        #: The process of every job that has one now, by the job's sequence number.
        self.running: dict[int, subprocess.Popen[str]] = {}
        self._closed = False
        # A thread waits for each process.
        self._threads = ThreadPoolExecutor(workers, "localaws-recogniser")

    def unsupported(self, job: Job) -> str | None:
        """It knows English only, and not all options."""
        return unsupported_options(job.request) or unsupported_language(job.request)

    def submit(self, job: Job) -> None:
        """Recognise this job once fewer than `workers` run."""
        self._threads.submit(self._recognise, job)

    def close(self) -> None:
        """Kill every process; jobs that have not ended stay as they are."""
        with self._lock:
            self._closed = True
            for child in self.running.values():
                child.kill()
        self._threads.shutdown(cancel_futures=True)

    def _recognise(self, job: Job) -> None:
        outcome: Recognition | Failure
        try:
            outcome = self._outcome(job)
        except Exception as error:  # A job must end, and no longer count as running.
            logger.exception("Cannot recognise job %s", job.name)
            outcome = Failure(f"Internal error: {error!r}")
        if not self._closed:
            self._end(job, outcome)

    def _outcome(self, job: Job) -> Recognition | Failure:
        address = media_uri.split(job.request["Media"]["MediaFileUri"])
        media = self._store.read(*address) if address else None
        if media is None:
            return Failure("The S3 URI that you provided can't be accessed: the object is gone.")
        settings = job.request.get("Settings", {})
        with NamedTemporaryFile(prefix="localaws-") as file:
            file.write(media)
            file.flush()
            task = Task(
                path=file.name,
                media_format=job.request.get("MediaFormat"),
                sample_rate=job.request.get("MediaSampleRateHertz"),
                separate_channels=settings.get("ChannelIdentification", False),
                readings=settings.get("MaxAlternatives", 1),
            )
            return self._run(job, task)

    def _run(self, job: Job, task: Task) -> Recognition | Failure:
        path = os.pathsep.join(filter(None, [_PACKAGE, os.environ.get("PYTHONPATH")]))
        with self._lock:
            if self._closed:
                return Failure("The emulator has stopped.")
            child = self.running[job.sequence] = subprocess.Popen(  # noqa: S603 - our own program, no shell
                [sys.executable, "-m", "localaws.recognition.program", json.dumps(asdict(task))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": path},
                process_group=0,  # Ctrl-C is for the parent
            )
        answer, _ = child.communicate()
        with self._lock:
            del self.running[job.sequence]
        if child.returncode:
            how = f"was killed by signal {-child.returncode}" if child.returncode < 0 else "crashed"
            return Failure(f"Internal error: the recogniser {how}.")
        found = json.loads(answer)
        if "failed" in found:
            return Failure(found["failed"])
        return Recognition.from_json(found["recognition"])
