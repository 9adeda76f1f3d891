"""A process that has imported what our programs need, and forks to run one: saves a second each.

Children are real processes, with standard streams, signals, environment and exit codes of their
own, and run the same code as the command that they stand for. Tests of how a program begins start
it by its command instead.
"""

from __future__ import annotations

import array
import atexit
import ctypes
import gc
import importlib
import inspect
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

#: What our three programs import.
_PRELOADED = (
    "boto3",
    "botocore.signers",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "kombu.transport.redis",
    "localaws.server",
    "moto.s3.models",
    "producer.cli.program",
    "tests.emulator.admin",
    "worker.tasks",
)
_MAX_MESSAGE = 1 << 20
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
#: The script that `pip` makes of our command, and the module that it runs.
_TRANSCRIBE = str(Path(sys.executable).parent / "transcribe")


class ForkedPopen(subprocess.Popen[Any]):
    """A child process of ours that the fork server makes; else as `subprocess.Popen`."""

    def _execute_child(self, *arguments: Any) -> None:
        # CPython calls it by position; its parameters' names are the same since 3.11.
        theirs = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]
        given = theirs.bind(self, *arguments).arguments
        command = [os.fsdecode(word) for word in given["args"]]
        environment = dict(os.environ if given["env"] is None else given["env"])
        if not _can_fork(command, environment):
            super()._execute_child(*arguments)  # type: ignore[misc]
            return
        streams = [given["p2cread"], given["c2pwrite"], given["errwrite"]]
        streams = [own if own != -1 else number for number, own in enumerate(streams)]
        self.pid = _server().fork(
            {
                "command": command,
                "env": environment,
                "cwd": str(given["cwd"] or Path.cwd()),
                "parent": os.getpid(),
                "new_session": given["start_new_session"],
                "dies_with_parent": given["preexec_fn"] is not None,
            },
            streams,
        )
        self._child_created = True
        ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(given[end] for end in ends))  # type: ignore[attr-defined]


def _can_fork(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether a program of ours is to run, with what Python itself reads as it starts."""
    is_ours = command[0] == _TRANSCRIBE or (command[0] == sys.executable and command[1] == "-m")
    return is_ours and _for_python(environment) == _for_python(os.environ)


def _for_python(environment: Mapping[str, str]) -> dict[str, str]:
    prefixes = ("PYTHON", "LC_", "LANG")
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(prefixes) and name != "PYTHONPATH"
    }


class _Server:
    """Our end of the fork server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno())],
                cwd=Path(__file__).parents[2],
                pass_fds=[theirs.fileno()],
            )

    def fork(self, what: dict[str, object], streams: Sequence[int]) -> int:
        """Run a program; returns its process id."""
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))
        with self._lock:
            # The process between ends now, and by this we are the parent of what it has forked.
            _prctl(_PR_SET_CHILD_SUBREAPER, 1)
            try:
                self._socket.sendmsg([json.dumps(what).encode()], [rights])
                return int(self._socket.recv(_MAX_MESSAGE))
            finally:
                _prctl(_PR_SET_CHILD_SUBREAPER, 0)


@cache
def _server() -> _Server:
    return _Server()


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _serve(ours: socket.socket) -> dict[str, Any]:
    """Fork for each request until the tests end; in a child, return what it is to run."""
    while True:
        message, rights, _, _ = ours.recvmsg(_MAX_MESSAGE, socket.CMSG_SPACE(3 * 4))
        if not message:
            sys.exit()
        streams = array.array("i")
        streams.frombytes(rights[0][2])
        what: dict[str, Any] = json.loads(message)
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child:
                os.write(writing, str(child).encode())
                os._exit(0)
            ours.close()
            os.close(reading)
            os.close(writing)
            _become(what, streams)
            return what
        os.waitpid(between, 0)
        child = int(os.read(reading, 32))
        for each in (reading, writing, *streams):
            os.close(each)
        ours.send(str(child).encode())


def _become(what: dict[str, Any], streams: Sequence[int]) -> None:
    while os.getppid() != what["parent"]:  # the process between is about to end
        if os.getppid() == 1:
            os._exit(1)
        time.sleep(0.0005)
    # The server may have been started while its parent blocked some.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if what["new_session"]:
        os.setsid()
    if what["dies_with_parent"]:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, 1024)
    os.chdir(what["cwd"])
    os.environ.clear()
    os.environ.update(what["env"])
    time.tzset()
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]


def _run(command: Sequence[str]) -> NoReturn:
    code: object = 0
    try:
        if command[0] == _TRANSCRIBE:
            sys.argv = list(command)
            importlib.import_module("producer.cli.main").main()
        else:
            _, _, module, *arguments = command
            sys.argv = [module, *arguments]
            further = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path]
            sys.path[:1] = [str(Path.cwd()), *further]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as Python itself ends
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    # To free all that was imported costs as much as to import it.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    for _name in _PRELOADED:
        importlib.import_module(_name)
    gc.collect()
    gc.freeze()
    _what = _serve(socket.socket(fileno=int(sys.argv[1])))
    _run(_what["command"])
