"""The `pocketsphinx` recogniser: one process for each job, some at once."""

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
from localaws.transcribe.lifecycle import Failure, OnEnd
from localaws.transcribe.speech import Recognition, Task
from localaws.transcribe.unsupported_requests import unsupported_language, unsupported_options


class ProcessRecogniser:
    """Runs up to `workers` jobs at once; the others wait, with the status IN_PROGRESS."""

    def __init__(self, workers: int, store: ObjectStore, end: OnEnd) -> None:
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
        self._fork_server, self._reader = self._launch()

    def unsupported(self, job: Job) -> str | None:
        """It knows English only, and not all options."""
        return unsupported_options(job.request) or unsupported_language(job.request)

    def submit(self, job: Job) -> None:
        """Recognise this job once fewer than `workers` run."""
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
            fork_server, reader = self._fork_server, self._reader
            if not self._ready:
                fork_server.kill()  # it does not listen yet, and has no children
        with contextlib.suppress(BrokenPipeError):
            _stdin(fork_server).close()
        try:
            fork_server.wait(5)
        except subprocess.TimeoutExpired:
            fork_server.kill()
            fork_server.wait()
        reader.join()
        self._folder.cleanup()

    def _launch(self) -> tuple["subprocess.Popen[bytes]", threading.Thread]:
        package = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        fork_server = subprocess.Popen(
            [sys.executable, "-m", "localaws.recognition.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            process_group=0,  # Ctrl-C is for the parent; the fork server ends with its stdin
        )
        reader = threading.Thread(
            target=self._listen, args=(fork_server,), name="localaws-fork-server", daemon=True
        )
        reader.start()
        return fork_server, reader

    def _dispatch(self) -> None:
        """Send waiting jobs to the fork server while fewer than `workers` run."""
        with self._lock:
            if self._dispatching:
                return  # Another thread, or this one further up the stack, continues the loop.
            self._dispatching = True
        while True:
            with self._lock:
                if self._closed or not self._waiting or len(self._running) >= self._workers:
                    self._dispatching = False
                    return
                job = self._waiting.popleft()
                key = str(job.sequence)
                self._running[key] = job
            failure = self._send(key, job)
            if failure is None:
                continue
            with self._lock:
                self._running.pop(key, None)
            self._end(job, failure)

    def _send(self, key: str, job: Job) -> Failure | None:
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
            # If the fork server has died, its listener fails every job that it ran, this one too.
            _stdin(self._fork_server).write(json.dumps(order).encode() + b"\n")
            _stdin(self._fork_server).flush()
        return None

    def _listen(self, fork_server: "subprocess.Popen[bytes]") -> None:
        """Follow the fork server until it ends; one that dies by itself is replaced."""
        assert fork_server.stdout is not None  # noqa: S101 - PIPE, above
        with fork_server.stdout as lines:
            for line in lines:
                self._on_message(json.loads(line))
        fork_server.wait()
        with self._lock:
            if self._closed:
                return
            with contextlib.suppress(BrokenPipeError):
                _stdin(fork_server).close()
            lost = list(self._running)
            # A fork server that never got ready would fail again.
            if self._ready:
                self._ready = False
                self._fork_server, self._reader = self._launch()
            else:
                self._broken = True
        for key in lost:
            self._on_exit(key, "the process that starts recognisers died")

    def _on_message(self, message: dict[str, Any]) -> None:
        key = message.get("job")
        if key is None:
            self._ready = True
        elif "pid" in message:
            with self._lock:
                self._pids[key] = message["pid"]
        elif message["exit"] == 0:
            self._on_exit(key, None)
        elif message["exit"] < 0:
            self._on_exit(key, f"the recogniser was killed by signal {-message['exit']}")
        else:
            self._on_exit(key, "the recogniser crashed")

    def _on_exit(self, key: str, crash: str | None) -> None:
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


def _stdin(fork_server: "subprocess.Popen[bytes]") -> Any:
    return fork_server.stdin
