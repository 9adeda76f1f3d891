"""The log: one JSON object a line, whatever is logged, with the job it is about."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker import logs

FORGED = 'x\n{"event": "job.moved", "job_id": "forged"}\r\n\x1b[2K\x1b]0;title\x07\u2028\x85end'


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines logged since the last call; the logging of the tests comes back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def read_log() -> list[dict[str, Any]]:
        out, err = capsys.readouterr()
        assert out == "", "stdout is for data"
        assert err.isascii()
        assert not err or err.endswith("\n")
        return [json.loads(line) for line in err.split("\n")[:-1]]

    yield read_log
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_librarys_complaint_is_not_repeated_all_the_time(
    written: Callable[[], list[dict[str, Any]]],
) -> None:
    logs.configure("json", "info")
    for _ in range(50):
        logging.getLogger("kombu.hub").error("Error in timer: %s", "Redis is full")
        logging.getLogger("celery.worker").error("Task %s failed", "one")
        logging.getLogger("other").error("Something else")
    logging.getLogger("celery.worker").error("Task %s failed", "two")

    events = [line["event"] for line in written()]

    assert events.count("Error in timer: Redis is full") == 1
    assert [event for event in events if "Task" in event] == ["Task one failed", "Task two failed"]
    assert events.count("Something else") == 50


def test_a_line_is_a_json_object_with_level_and_time(
    written: Callable[[], list[dict[str, Any]]],
) -> None:
    logs.configure("json", "info")
    structlog.get_logger().info("upload.done", bytes=5, path="/ä")

    (line,) = written()

    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "upload.done", "level": "info", "bytes": 5, "path": "/ä"}


def test_the_job_is_on_every_line_of_ours_and_of_libraries(
    written: Callable[[], list[dict[str, Any]]],
) -> None:
    logs.configure("json", "info")
    with structlog.contextvars.bound_contextvars(
        job_id="talk-1", task="transcription.upload", attempt=2
    ):
        structlog.get_logger().warning("ours")
        logging.getLogger("some.library").warning("theirs %d", 1)
    structlog.get_logger().info("afterwards")

    ours, theirs, afterwards = written()

    for line in (ours, theirs):
        assert (line["job_id"], line["task"], line["attempt"]) == (
            "talk-1",
            "transcription.upload",
            2,
        )
    assert (theirs["event"], theirs["logger"]) == ("theirs 1", "some.library")
    assert "job_id" not in afterwards


def test_no_value_can_forge_a_line(written: Callable[[], list[dict[str, Any]]]) -> None:
    logs.configure("json", "info")
    with structlog.contextvars.bound_contextvars(job_id=FORGED):
        structlog.get_logger().info("event", reason=FORGED, **{FORGED: 1})
        structlog.get_logger().info(FORGED)
        logging.getLogger("library").error("%s", FORGED)

    lines = written()

    assert len(lines) == 3
    assert all(line["job_id"] == FORGED for line in lines)
    assert lines[0]["reason"] == FORGED
    assert lines[1]["event"] == lines[2]["event"] == FORGED


@settings(
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=st.text(alphabet=st.characters(), max_size=40))
def test_any_text_comes_back_from_one_line(
    written: Callable[[], list[dict[str, Any]]], text: str
) -> None:
    logs.configure("json", "info")
    structlog.get_logger().info("event", reason=text)
    (line,) = written()
    assert line["reason"] == text


def test_a_traceback_stays_on_its_line(written: Callable[[], list[dict[str, Any]]]) -> None:
    logs.configure("json", "info")
    for log in (structlog.get_logger(), logging.getLogger("library")):
        try:
            int(FORGED)
        except ValueError:
            log.exception("stage.crashed")

    lines = written()

    assert len(lines) == 2
    assert all("Traceback" in line["exception"] for line in lines)
    assert all("ValueError: invalid literal" in line["exception"] for line in lines)


@pytest.mark.parametrize(
    ("level", "kept"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_only_what_is_severe_enough_is_logged(
    level: str, kept: list[str], written: Callable[[], list[dict[str, Any]]]
) -> None:
    logs.configure("json", level)
    for log in (structlog.get_logger(), logging.getLogger("library")):
        for each in ("debug", "info", "warning", "error"):
            getattr(log, each)(each)

    assert [line["event"] for line in written()] == kept * 2


@pytest.mark.parametrize("library", ["botocore.endpoint", "urllib3.connectionpool", "boto3.x"])
def test_libraries_that_print_headers_are_kept_quiet(
    library: str, written: Callable[[], list[dict[str, Any]]]
) -> None:
    logs.configure("json", "debug")
    logging.getLogger(library).debug("Authorization: secret")
    logging.getLogger(library).info("Authorization: secret")
    logging.getLogger(library).warning("kept")
    assert [line["event"] for line in written()] == ["kept"]


def test_configuring_twice_does_not_write_twice(
    written: Callable[[], list[dict[str, Any]]],
) -> None:
    logs.configure("json", "info")
    logs.configure("json", "info")
    logging.getLogger("library").warning("once")
    assert len(written()) == 1


@pytest.mark.parametrize(
    ("chosen", "terminal", "is_json"),
    [
        ("auto", True, False),
        ("auto", False, True),
        ("json", True, True),
        ("console", False, False),
    ],
)
def test_a_terminal_is_written_to_for_people(
    chosen: logs.Format,
    terminal: bool,
    is_json: bool,
    written: Callable[[], list[dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    logs.configure(chosen, "info")
    structlog.get_logger().info("event", reason="why")
    line = capsys.readouterr().err
    assert line.startswith("{") is is_json
    assert "why" in line


def test_on_a_terminal_no_value_can_forge_a_line_either(
    written: Callable[[], list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("console", "info")
    structlog.get_logger().info("event", reason=FORGED)
    structlog.get_logger().info(FORGED)
    logging.getLogger("library").error("%s", FORGED)

    shown = capsys.readouterr().err

    assert len(shown.splitlines()) == 3
    assert "\x1b[2K" not in shown
    assert "\x07" not in shown
