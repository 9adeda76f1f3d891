"""Loads the decoder once and forks a process for each job: `localaws.recognition.fork_server`.

A job's process starts in milliseconds, shares the model's memory with the others, begins with a
fresh decoder, and can be killed without harm to any other. It is a program of its own:
multiprocessing's fork server lives until the interpreter ends.

stdin    one JSON line a job: {"job": id, "result": path, "task": {...}}. Its end ends everything.
stdout   {"ready": pid}, then {"job": id, "pid": n} at a start and {"job": id, "exit": n} at an
         end; a negative exit is a signal. A job that exits with 0 has written its result file:
         {"recognition": ...} or {"failed": reason}.
"""

import contextlib
import ctypes
import gc
import json
import os
import selectors
import signal
import sys
from pathlib import Path
from typing import Any

from localaws.errors import AudioError
from localaws.recognition.recogniser import Recogniser
from localaws.transcribe.speech import Task

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Serve until stdin ends."""
    recogniser = Recogniser()
    gc.collect()
    gc.freeze()  # the collector would touch, and so copy, pages that the jobs share
    ForkServer(recogniser).run()


class ForkServer:
    """Single-threaded, so that forking is safe: waits for lines and for children at once."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser
        self._children: dict[int, str] = {}

    def run(self) -> None:
        """Start and reap jobs until stdin ends, then kill those still running."""
        wake, waker = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        _say({"ready": os.getpid()})
        pending = b""
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if wake in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake, 4096)
                    self._reap()
                if 0 in ready:
                    chunk = os.read(0, 65536)
                    if not chunk:
                        break
                    *lines, pending = (pending + chunk).split(b"\n")
                    for line in lines:
                        self._start(json.loads(line))
        self._kill()

    def _start(self, order: dict[str, Any]) -> None:
        pid = os.fork()
        if pid == 0:
            # The child must not return into the parent's loop.
            status = 1
            try:
                status = self._work(order)
            finally:
                os._exit(status)
        self._children[pid] = order["job"]
        _say({"job": order["job"], "pid": pid})

    def _work(self, order: dict[str, Any]) -> int:
        _die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # The pipes are the fork server's alone.
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.nice(5)  # the endpoint must answer while every core recognises
        try:
            recognition = self._recogniser.recognise(Task(**order["task"]))
            result = json.dumps({"recognition": recognition.to_json()})
        except AudioError as error:
            result = json.dumps({"failed": str(error)})
        except Exception as error:  # noqa: BLE001 - shown, and the job fails
            sys.excepthook(type(error), error, error.__traceback__)
            sys.stderr.flush()
            return 1
        Path(order["result"]).write_text(result, encoding="utf-8")
        return 0

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            job = self._children.pop(pid)
            _say({"job": job, "exit": os.waitstatus_to_exitcode(status)})

    def _kill(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)


def _say(message: dict[str, Any]) -> None:
    # The parent may be gone; then stdin ends next.
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(message).encode() + b"\n")


def _die_with_parent() -> None:
    """Have Linux kill this process with the fork server; elsewhere it ends by itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    main()
