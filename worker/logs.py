"""structlog for the worker: JSON unless a terminal; job_id, task and attempt bound once a task."""

import logging
import sys
import time
from typing import Literal

import structlog

Format = Literal["auto", "json", "console"]

#: Seconds for which a library's complaint is not repeated.
_SAME_LINE_EVERY = 10.0


def configure(log_format: Format, level: str, file: str | None = None) -> None:
    """Send our own and every library's log lines through structlog to stderr, or to a file."""
    handler = logging.StreamHandler(sys.stderr) if file is None else logging.FileHandler(file)
    on_terminal = file is None and sys.stderr.isatty()
    to_terminal = log_format == "console" or (log_format == "auto" and on_terminal)
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if to_terminal
        else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *([_show_controls] if to_terminal else []),
                renderer,
            ],
        )
    )
    handler.addFilter(_Flood())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # One line a task from Celery would only repeat ours; boto3 at debug prints request headers.
    for chatty in ("celery.app.trace", "celery.worker.strategy", "botocore", "boto3", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class _Flood(logging.Filter):
    """Logs a warning that a library repeats many times a second once in a while."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[tuple[str, int, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line goes into the log."""
        if record.levelno < logging.WARNING or not record.name.startswith(("celery.", "kombu.")):
            return True
        now = time.monotonic()
        known = (record.name, record.lineno, record.getMessage())
        self._passed = {
            each: at for each, at in self._passed.items() if now - at < _SAME_LINE_EVERY
        }
        return self._passed.setdefault(known, now) == now


def _show_controls(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """On a terminal, no file name or message begins a line of its own or moves the cursor."""
    return {
        _visible(name): _visible(value, kept="\n\t" if name == "exception" else "")
        if isinstance(value, str)
        else value
        for name, value in event.items()
    }


def _visible(text: str, kept: str = "") -> str:
    return "".join(
        each if each.isprintable() or each in kept else each.encode("unicode_escape").decode()
        for each in text
    )
