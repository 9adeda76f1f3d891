"""The administration under `/_localaws/`: jobs, call counts, faults."""

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from subprocess import Popen
from typing import Any

from localaws.errors import UsageError
from localaws.http.answers import Answer
from localaws.http.server import Environ
from localaws.http.signatures import Credentials
from localaws.recognition.processes import ProcessRecogniser
from localaws.transcribe.jobs import Job
from tests.emulator.calls import CallCounts
from tests.emulator.faults import Fault
from tests.emulator.lifecycle import FaultyLifecycle
from tests.emulator.operations import read_body

PREFIX = "/_localaws/"


class Admin:
    """GET jobs, account (jobs without the list), faults; POST, PUT and DELETE faults.

    With credentials it wants the pair by HTTP Basic.
    """

    def __init__(
        self, lifecycle: FaultyLifecycle, calls: CallCounts, credentials: Credentials | None
    ) -> None:
        self._lifecycle = lifecycle
        self._table = lifecycle.table
        self._calls = calls
        self._credentials = credentials
        self._answers: dict[str, Callable[[], Any]] = {
            "account": self._account,
            "jobs": lambda: self._account() | self._jobs(),
            "faults": lifecycle.faults.remaining,
        }

    def answer(self, environ: Environ) -> Answer:
        """Answer a request beneath the prefix."""
        if self._credentials is not None and not _has_pair(environ, self._credentials):
            return _json({"error": "Send the access key id and the secret by HTTP Basic."}, 401)
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(PREFIX)
        if method == "GET" and path in self._answers:
            return _json(self._answers[path]())
        if (method, path) == ("POST", "faults"):
            return self._set_faults(read_body(environ), self._lifecycle.faults.add)
        if (method, path) == ("PUT", "faults"):
            return self._set_faults(read_body(environ), self._lifecycle.replace_faults)
        if (method, path) == ("DELETE", "faults"):
            self._lifecycle.replace_faults([])
            return _json({"faults": 0})
        return _json({"error": f"localaws has no {method} {PREFIX}{path}."}, 404)

    def _set_faults(self, body: bytes, set_: Callable[[list[Fault]], None]) -> Answer:
        try:
            values = json.loads(body)
            if not isinstance(values, list):
                raise UsageError("Send a JSON list of faults.")
            faults = [Fault.from_dict(value) for value in values]
        except (ValueError, TypeError) as error:
            return _json({"error": str(error)}, 400)
        set_(faults)
        return _json({"faults": len(faults)})

    def _account(self) -> dict[str, Any]:
        with self._table.lock:
            return {
                "accepted": len(self._table.history),
                "running": self._table.running,
                "max_running": self._table.max_running,
                **self._calls.report(),
            }

    def _jobs(self) -> dict[str, Any]:
        recogniser = self._lifecycle.recogniser
        running = recogniser.running.copy() if isinstance(recogniser, ProcessRecogniser) else {}
        with self._table.lock:
            return {"jobs": [self._job(job, running) for job in self._table.history]}

    def _job(self, job: Job, running: dict[int, Popen[str]]) -> dict[str, Any]:
        child = None if job.ended else running.get(job.sequence)
        return {
            "name": job.name,
            "region": job.region,
            "status": job.status,
            "media": job.request["Media"]["MediaFileUri"],
            "created": job.created,
            "started": job.started,
            "completed": job.completed,
            "failure_reason": job.failure_reason,
            "deleted": job.sequence in self._table.deleted,
            "pid": child and child.pid,
        }


def _has_pair(environ: Environ, credentials: Credentials) -> bool:
    kind, _, text = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    try:
        pair = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    expected = f"{credentials.access_key_id}:{credentials.secret_access_key}"
    return kind.lower() == "basic" and hmac.compare_digest(pair, expected.encode())


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(status, "application/json", json.dumps(value, indent=1).encode())
