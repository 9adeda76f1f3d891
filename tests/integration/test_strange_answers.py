"""No answer of AWS, and no mistake of ours, ends a thread of a worker or the worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from producer.backend.workers import Check
from producer.contract.job import JobState
from tests.conftest import make_stack
from tests.support.stack import Stack
from tests.support.stages import offline_worker, worker_of
from tests.support.waiting import until
from worker.aws.errors import errors_classified
from worker.aws.session import Aws
from worker.background import run_in_background
from worker.errors import Transient
from worker.runtime.health import Health

XML = (
    "<GetCallerIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'>"
    "<GetCallerIdentityResult>{}</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
STRANGE = {
    "nothing in it": ("text/xml", XML.format("").encode()),
    "without a result": ("text/xml", b"<GetCallerIdentityResponse/>"),
    "another document": ("text/xml", b"<html><body>Sign in</body></html>"),
    "a page of a proxy": ("text/html", b"<!DOCTYPE html><html><body>Sign in<br></html>"),
    "garbage": ("text/xml", b"\x00\xff<<<>>>"),
    "JSON": ("application/json", b'{"Arn": null}'),
    "nothing": ("text/plain", b""),
}


class Strange(BaseHTTPRequestHandler):
    """Answers all with the same."""

    answer: ClassVar[tuple[str, bytes]] = ("text/plain", b"")

    def do_HEAD(self) -> None:
        """Answer."""
        self.do_POST()

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind, body = self.answer
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answering(answer: tuple[str, bytes]) -> Iterator[str]:
    """A service that answers always the same; gives its URL."""
    handler = type("Handler", (Strange,), {"answer": answer})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis and AWS, of which only the strange service differs from test to test."""
    with make_stack(tmp_path_factory.mktemp("strange")) as built:
        built.start_aws("--recogniser", "fixed:0.1")
        yield built


def credentials(checks: tuple[Check, ...]) -> Check:
    (found,) = [check for check in checks if check.subject == "credentials"]
    return found


@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE)
def test_a_strange_answer_of_sts_is_a_line_in_the_log_and_in_doctor(
    shared: Stack, monkeypatch: pytest.MonkeyPatch, answer: tuple[str, bytes]
) -> None:
    with answering(answer) as url, capture_logs() as logged:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        health = Health(offline_worker(shared, monkeypatch))
        found = credentials(until(health.checks))
    assert found.message.startswith("(AWS STS does not say whose: ")
    assert [line["event"] for line in logged].count("health.identity_unknown") == 1
    assert "background.crashed" not in [line["event"] for line in logged]


def test_a_worker_lives_with_it_and_does_jobs(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    with answering(STRANGE["without a result"]) as url:
        stack.environment["AWS_ENDPOINT_URL_STS"] = url
        worker = stack.start_worker()
        job = stack.client.submit(stack.sample("silence.wav"), name="one")
        stack.job_in(job.id, JobState.COMPLETED)
        until(lambda: any(line["event"] == "health.identity_unknown" for line in stack.log()))
        doctor = until(lambda: (ran := stack.transcribe("doctor")).stdout.count("whose") and ran)
        assert doctor.returncode == 0
        assert worker.poll() is None


def test_an_unexpected_error_of_one_check_is_a_finding_and_the_others_are_there(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = worker_of(stack, monkeypatch)
    # What botocore expects nowhere, as a mistake of ours would give it.
    monkeypatch.setattr(worker.settings, "bucket", 7)
    with capture_logs() as logged:
        checks = until(Health(worker).checks)
    by_subject = {check.subject: check for check in checks}
    assert {"credentials", "bucket", "results", "audio roots"} <= set(by_subject)
    assert not by_subject["bucket"].ok
    assert by_subject["results"].ok
    assert "health.crashed" in [line["event"] for line in logged]


@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE)
def test_a_strange_answer_of_transcribe_is_waited_out(
    shared: Stack, monkeypatch: pytest.MonkeyPatch, answer: tuple[str, bytes]
) -> None:
    worker = offline_worker(shared, monkeypatch)
    with answering(answer) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_TRANSCRIBE", url)
        client = Aws(worker.settings).transcribe()
        with pytest.raises(Transient), errors_classified("GetTranscriptionJob"):
            client.get_transcription_job(TranscriptionJobName="one")


def test_a_thread_says_what_it_died_of() -> None:
    def die() -> None:
        raise ZeroDivisionError

    with capture_logs() as logged:
        run_in_background("quotas", die).join(timeout=10)
    assert [(line["event"], line["thread"]) for line in logged] == [
        ("background.crashed", "quotas")
    ]
