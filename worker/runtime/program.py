"""The program `celery -A worker worker`: which of its options work, and how it starts.

An option that cannot work ends the command at once with one sentence and exit code 2, instead of
being ignored or failing at the first job.
"""

import logging
import os
import re
import signal
import sys
from collections.abc import Mapping
from typing import Any

import click
import structlog
from celery.apps import worker as celery_worker
from click.core import ParameterSource

from producer.contract.stages import QUEUES
from producer.errors import BrokerUnavailable, BrokerUnusable
from worker.runtime.context import context
from worker.runtime.early_stop import STOP_SIGNALS, refuse
from worker.runtime.shutdown import handle_signals

log = structlog.get_logger()

_NEEDS_PROCESSES = "needs a pool of processes, and leases live in threads: leave it out"
#: Options of Celery that cannot work here, and what to do instead.
_REFUSED = {
    "autoscale": (
        "--autoscale",
        "cannot change the number of threads: set TRANSCRIBE_CONCURRENCY and start more workers",
    ),
    "beat": ("-B", "has nothing to do, for the schedule is in Redis: leave it out"),
    "scheduler": ("--scheduler", "has nothing to do, for the schedule is in Redis: leave it out"),
    "time_limit": ("--time-limit", _NEEDS_PROCESSES),
    "soft_time_limit": ("--soft-time-limit", _NEEDS_PROCESSES),
    "max_tasks_per_child": ("--max-tasks-per-child", _NEEDS_PROCESSES),
    "max_memory_per_child": ("--max-memory-per-child", _NEEDS_PROCESSES),
    "pool_start_method": ("--pool-start-method", _NEEDS_PROCESSES),
}


class Worker(celery_worker.Worker):
    """Celery's, with our options, log and answers to signals."""

    def on_before_init(self, quiet: bool = False, **options: Any) -> None:
        """Refuse options that cannot work, before anything begins."""
        _check_options(options)
        _honour_options(options)
        super().on_before_init(quiet=quiet, **options)

    def on_init_blueprint(self) -> None:
        """Begin the log, then see whether Redis is one that we can use."""
        super().on_init_blueprint()
        try:
            context().fleet.check_access(worker=True)
        except BrokerUnusable as error:
            refuse(str(error))
        except BrokerUnavailable as error:
            log.warning("redis.awaited", reason=str(error))

    def install_platform_tweaks(self, worker: Any) -> None:
        """Set Celery's answers to signals, and ours over them, at once."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            super().install_platform_tweaks(worker)
            handle_signals()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _check_options(options: Mapping[str, Any]) -> None:
    for name, (option, advice) in _REFUSED.items():
        if options.get(name) and _is_set(name):
            refuse(f"{option} {advice}.")
    if _is_set("pool") and _pool_named() != "threads":
        refuse(f"only -P threads keeps leases alive, not -P {_pool_named()}: leave out -P.")
    if options.get("optimization") == "fair":
        refuse(f"-O fair {_NEEDS_PROCESSES}.")
    if options.get("concurrency") == "auto":
        refuse("-c auto counts CPUs, of which a stage needs little: use a number, such as -c 16.")
    _check_queues(options.get("queues") or QUEUES, options.get("exclude_queues") or ())


def _check_queues(included: Any, excluded: Any) -> None:
    for name in (*included, *excluded):
        if name not in QUEUES:
            refuse(f"there is no queue {name!r}: the queues are {', '.join(QUEUES)}.")
    if not set(included) - set(excluded):
        refuse("-X excludes every queue: name fewer.")


def _honour_options(options: Mapping[str, Any]) -> None:
    """Let options win over our settings, also in the processes of isolated stages."""
    if _is_set("loglevel"):
        os.environ["TRANSCRIBE_LOG_LEVEL"] = _level(options)
    if _is_set("concurrency") and options.get("concurrency"):
        os.environ["TRANSCRIBE_CONCURRENCY"] = str(options["concurrency"])
    # Read again, so that the option counts wherever the setting does.
    context.cache_clear()


def _level(options: Mapping[str, Any]) -> str:
    level = options["loglevel"]
    return (logging.getLevelName(level) if isinstance(level, int) else str(level)).lower()


def _is_set(name: str) -> bool:
    """Whether an option is on the command line or in the environment, not just its default."""
    command = click.get_current_context(silent=True)
    return command is not None and command.get_parameter_source(name) not in {
        None,
        ParameterSource.DEFAULT,
    }


def _pool_named() -> str:
    """The pool by its name on the command line: Celery itself puts ours in place of `prefork`."""
    found = re.search(r"(?:^|\0)(?:-P|--pool)[\0=]?([^\0]+)", "\0".join(sys.argv))
    return found[1] if found else ""
