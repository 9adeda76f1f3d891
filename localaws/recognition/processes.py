"""The `pocketsphinx` recogniser: a process a job, forked by the zygote, some at once."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Any

from localaws.s3.objects import ObjectStore
from localaws.transcribe import media_uri
from localaws.transcribe.jobs import Job
from localaws.transcribe.lifecycle import Ending, Failure
from localaws.transcribe.refusals import not_english, unsupported
from localaws.transcribe.speech import Recognition, Task


class ProcessRecogniser:
    """Runs up to `workers` jobs at once; the others wait, IN_PROGRESS as far as anybody sees."""

    def __init__(self, workers: int, store: ObjectStore, end: Ending) -> None:
        self._workers = workers
        self._store = store
        self._end = end
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._running: dict[str, Job] = {}
        self._pids: dict[str, int] = {}
        self._dispatching = False
        self._ready = False
        self._broken = False
        self._closed = False
        self._folder = tempfile.TemporaryDirectory(prefix="localaws-")
        self._zygote, self._reader = self._launch()

    def refusal(self, job: Job) -> str | None:
        """Only English is understood, and of some options nothing."""
        return unsupported(job.request) or not_english(job.request)

    def submit(self, job: Job) -> None:
        """Recognise this job when a process is free."""
        with self._lock:
            self._waiting.append(job)
        self._dispatch()

    def processes(self) -> dict[int, int]:
        """The process of every job that has one now, by the job's sequence number."""
        with self._lock:
            return {self._running[key].sequence: pid for key, pid in self._pids.items()}

    def close(self) -> None:
        """Kill every process; jobs that have not ended stay as they are."""
        with self._lock:
            self._closed = True
            zygote, reader = self._zygote, self._reader
            if not self._ready:
                zygote.kill()  # it does not listen yet, and has no children
        with contextlib.suppress(BrokenPipeError):
            _stdin(zygote).close()
        try:
            zygote.wait(5)
        except subprocess.TimeoutExpired:
            zygote.kill()
            zygote.wait()
        reader.join()
        self._folder.cleanup()

    def _launch(self) -> tuple["subprocess.Popen[bytes]", threading.Thread]:
        package = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        zygote = subprocess.Popen(
            [sys.executable, "-m", "localaws.recognition.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            process_group=0,  # Ctrl-C is for us; the end of its stdin is its sign to end
        )
        reader = threading.Thread(
            target=self._listen, args=(zygote,), name="localaws-zygote", daemon=True
        )
        reader.start()
        return zygote, reader

    def _dispatch(self) -> None:
        """Hand over waiting jobs while processes are free."""
        with self._lock:
            if self._dispatching:
                return  # Another thread, or this one further up, is about to look again.
            self._dispatching = True
        while True:
            with self._lock:
                if self._closed or not self._waiting or len(self._running) >= self._workers:
                    self._dispatching = False
                    return
                job = self._waiting.popleft()
                key = str(job.sequence)
                self._running[key] = job
            failure = self._hand_over(key, job)
            if failure is None:
                continue
            with self._lock:
                self._running.pop(key, None)
            self._end(job, failure)

    def _hand_over(self, key: str, job: Job) -> Failure | None:
        if self._broken:
            return Failure("Internal error: the recogniser cannot start; its output says why.")
        address = media_uri.split(job.request["Media"]["MediaFileUri"])
        media = self._store.read(*address) if address else None
        if media is None:
            return Failure("The S3 URI that you provided can't be accessed: the object is gone.")
        path = self._path(key, "media")
        path.write_bytes(media)
        settings = job.request.get("Settings", {})
        task = Task(
            path=str(path),
            media_format=job.request.get("MediaFormat"),
            sample_rate=job.request.get("MediaSampleRateHertz"),
            separate_channels=settings.get("ChannelIdentification", False),
            readings=settings.get("MaxAlternatives", 1),
        )
        order = {"job": key, "result": str(self._path(key, "result")), "task": asdict(task)}
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            # If the zygote has died, its listener fails every job that it ran, this one too.
            _stdin(self._zygote).write(json.dumps(order).encode() + b"\n")
            _stdin(self._zygote).flush()
        return None

    def _listen(self, zygote: "subprocess.Popen[bytes]") -> None:
        """Follow the zygote until it ends; one that dies by itself is replaced."""
        assert zygote.stdout is not None  # noqa: S101 - PIPE, above
        with zygote.stdout as lines:
            for line in lines:
                self._hear(json.loads(line))
        zygote.wait()
        with self._lock:
            if self._closed:
                return
            with contextlib.suppress(BrokenPipeError):
                _stdin(zygote).close()
            lost = list(self._running)
            # One that never got ready would not the next time either.
            if self._ready:
                self._ready = False
                self._zygote, self._reader = self._launch()
            else:
                self._broken = True
        for key in lost:
            self._ended(key, "the process that starts recognisers died")

    def _hear(self, message: dict[str, Any]) -> None:
        key = message.get("job")
        if key is None:
            self._ready = True
        elif "pid" in message:
            with self._lock:
                self._pids[key] = message["pid"]
        elif message["exit"] == 0:
            self._ended(key, None)
        elif message["exit"] < 0:
            self._ended(key, f"the recogniser was killed by signal {-message['exit']}")
        else:
            self._ended(key, "the recogniser crashed")

    def _ended(self, key: str, crash: str | None) -> None:
        outcome = Failure(f"Internal error: {crash}.") if crash else self._result(key)
        with self._lock:
            job = self._running.pop(key, None)
            self._pids.pop(key, None)
            closed = self._closed
        for kind in ("media", "result"):
            self._path(key, kind).unlink(missing_ok=True)
        if job is None or closed:
            return
        self._end(job, outcome)
        self._dispatch()

    def _result(self, key: str) -> Recognition | Failure:
        result = json.loads(self._path(key, "result").read_text(encoding="utf-8"))
        if "failed" in result:
            return Failure(result["failed"])
        return Recognition.from_json(result["recognition"])

    def _path(self, key: str, kind: str) -> Path:
        return Path(self._folder.name, f"{key}.{kind}")


def _stdin(zygote: "subprocess.Popen[bytes]") -> Any:
    return zygote.stdin
