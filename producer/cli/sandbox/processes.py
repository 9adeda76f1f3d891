"""The child processes of `transcribe local`: Redis, the local AWS emulator, a worker."""

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from producer.backend.connection import Broker
from producer.cli.sandbox.redis_server import configuration, redis_program
from producer.cli.signals import STOP_SIGNALS, signals_blocked
from producer.errors import BrokerUnavailable, InvalidSettings, TranscribeQueueError

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_PR_SET_PDEATHSIG = 1


class SandboxFailed(TranscribeQueueError):
    """A part of the sandbox did not start."""

    exit_code = 1


class Sandbox:
    """Starts child processes; at the end of its block stops all of them, in reverse order.

    What starts one raises SandboxFailed if it ends, or does not become ready in time.
    """

    #: our own programs, no shell
    _popen: type[subprocess.Popen[bytes]] = subprocess.Popen

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="transcribe-local-"))
        self._children: list[tuple[str, subprocess.Popen[bytes]]] = []
        #: the key pair of the AWS emulator, as boto3 reads it
        self.aws_keys = {
            "AWS_ACCESS_KEY_ID": f"LOCALAWS{secrets.token_hex(10).upper()}",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        }
        #: whether the logs outlive the sandbox, because something failed
        self.keep_logs = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not leave half of them running.
        with signals_blocked():
            for _name, child in reversed(self._children):
                _stop(child)
            if not self.keep_logs:
                shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self, name: str) -> None:
        """Stop a child before the others."""
        _stop(self.child(name))

    def start_redis(self, *, admin_commands: bool = False) -> str:
        """Start a Redis of our own; return its URL, with its password.

        Args:
            admin_commands: keep the commands by which any client can write files as our user.

        Raises:
            InvalidSettings: if no redis-server is installed.
        """
        program = redis_program()
        (self.folder / "redis").mkdir()
        port, password = _free_port(), secrets.token_hex(20)
        # In a file, as every user can read a command line.
        file = self.folder / "redis.conf"
        file.touch(mode=0o600)
        # The folder is relative to that of the children: a path of the user may have any character.
        text = configuration(port, password, "redis", admin_commands=admin_commands)
        file.write_text(text, encoding="utf-8")
        url = f"redis://default:{password}@127.0.0.1:{port}/0"
        with closing(Broker(url)) as broker:
            self.start("redis", [program, str(file)], {}, lambda: _answers(broker))
        return url

    def start_localaws(self, bucket: str, *options: str) -> str:
        """Start the AWS emulator with a bucket and further options; return its URL.

        It answers only requests that are signed with `aws_keys`.
        """
        command = [sys.executable, "-m", "localaws", "--port", "0", "--bucket", bucket, *options]
        keys = {name.replace("AWS_", "LOCALAWS_", 1): key for name, key in self.aws_keys.items()}
        log = self.log("localaws")
        self.start("localaws", command, keys, lambda: "http://" in log.read_text())
        return log.read_text().partition("listening on ")[2].split()[0]

    def start_worker(
        self,
        environment: Mapping[str, str],
        ready: Callable[[], bool],
        name: str = "worker",
        options: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a worker under a name, with options of Celery; return its process."""
        celery = [sys.executable, "-m", "celery", "-A", "worker", "worker", "-n", f"{name}@%h"]
        return self.start(name, [*celery, *options], environment, ready)

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        ready: Callable[[], bool],
    ) -> subprocess.Popen[bytes]:
        """Start a child and wait until it is ready; return its process."""
        child = self._spawn(name, command, environment)
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            if child.poll() is not None or time.monotonic() > deadline:
                raise self.failed(name)
            time.sleep(0.05)
        return child

    def check(self) -> None:
        """Check that all children run.

        Raises:
            SandboxFailed: if one has ended.
        """
        for name, child in self._children:
            if child.poll() is not None:
                raise self.failed(name)

    def child(self, name: str) -> subprocess.Popen[bytes]:
        """The process that started last under a name."""
        return next(child for each, child in reversed(self._children) if each == name)

    def log(self, name: str) -> Path:
        """Where a child's log is."""
        return self.folder / f"{name}.log"

    def _spawn(
        self, name: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        # Otherwise Ctrl-C could come between the start of a child and its record here.
        with signals_blocked(), self.log(name).open("wb") as log:
            child = self._popen(
                command,
                env={**os.environ, **environment},
                # A folder `worker` in the user's own folder would shadow ours.
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C signals us alone, and we stop the children in order.
                start_new_session=True,
                preexec_fn=_prepare_child,  # no thread runs yet
            )
            self._children.append((name, child))
        return child

    def failed(self, name: str) -> SandboxFailed:
        """The error for a child that has ended, with the last line of its log, which is kept."""
        self.keep_logs = True
        code = self.child(name).poll()
        if code is not None and code < 0:
            why = f"{signal.Signals(-code).name} ended it"
        else:
            lines = self.log(name).read_text(errors="replace").strip().splitlines()
            why = lines[-1] if lines else "it wrote no log"
        error = SandboxFailed(f"{name} does not run: {why} (log: {self.log(name)})")
        # A wrong setting of the child's is one of the command's.
        error.exit_code = InvalidSettings.exit_code if code == InvalidSettings.exit_code else 1
        return error


def check_installed(modules: Sequence[str], extra: str) -> None:
    """Check that the modules that the children need are installed, without importing them.

    Raises:
        InvalidSettings: if something is missing.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise InvalidSettings(
            f"{', '.join(missing)} cannot be found: they come with the extra `{extra}`, as in "
            f"`pip install '.[{extra}]'` in a checkout."
        )


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()


def _prepare_child() -> None:
    """Let Linux end the child if something kills us before we can stop it."""
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
