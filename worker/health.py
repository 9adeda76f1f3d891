"""What a worker finds of its surroundings, for `transcribe doctor`; looked at in the background."""

from __future__ import annotations

import os
import threading
import time

import structlog

from producer.fleet import Check
from worker.context import Context
from worker.errors import StageError

log = structlog.get_logger()

_LOOK_EVERY = 20.0
#: While something is wrong, somebody is probably mending it.
_LOOK_AGAIN = 5.0


class Health:
    """The latest findings; AWS is asked by a thread of its own, for it may be slow to answer."""

    def __init__(self, worker: Context) -> None:
        """Find out about `worker`'s surroundings."""
        self._worker = worker
        self._checks: tuple[Check, ...] = ()
        self._due = 0.0
        self._looking: threading.Thread | None = None

    def checks(self) -> tuple[Check, ...]:
        """The findings so far, at once; starts another look when one is due."""
        looking = self._looking is not None and self._looking.is_alive()
        if time.monotonic() >= self._due and not looking:
            self._looking = threading.Thread(target=self._look, name="health", daemon=True)
            self._looking.start()
        return self._checks

    def _look(self) -> None:
        self._due = time.monotonic() + _LOOK_EVERY
        found = (self._credentials(), *self._bucket(), self._results(), self._roots())
        for check in found:
            if not check.ok and check not in self._checks:
                log.warning("health.problem", subject=check.subject, reason=check.message)
        self._checks = found
        if not all(check.ok for check in found):
            self._due = time.monotonic() + _LOOK_AGAIN

    def _credentials(self) -> Check:
        try:
            return Check(subject="credentials", ok=True, message=self._worker.aws.identity())
        except StageError as error:
            if error.code in {"CredentialsMissing", "CredentialsRejected"}:
                return Check(subject="credentials", ok=False, message=error.message)
            # Stand-ins for AWS need not tell identities; S3 and Transcribe will say what is wrong.
            return Check(
                subject="credentials", ok=True, message="(this endpoint does not say whose)"
            )

    def _bucket(self) -> tuple[Check, ...]:
        bucket, region = self._worker.settings.bucket, self._worker.aws.region
        try:
            found = self._worker.storage.bucket_region(bucket)
        except StageError as error:
            return (Check(subject="bucket", ok=False, message=error.message),)
        reachable = Check(subject="bucket", ok=True, message=bucket)
        # Stand-ins for AWS may not say where a bucket is.
        if found in {"", region}:
            return reachable, Check(subject="region", ok=True, message=region)
        elsewhere = (
            f"The bucket is in {found}, but jobs run in {region}: "
            f"set AWS_DEFAULT_REGION={found} or use another bucket."
        )
        return reachable, Check(subject="region", ok=False, message=elsewhere)

    def _results(self) -> Check:
        folder = self._worker.settings.results_dir
        problem = self._worker.unwritable.problem(folder)
        return Check(subject="results", ok=problem is None, message=problem or str(folder))

    def _roots(self) -> Check:
        roots = self._worker.settings.audio_roots
        return Check(
            subject="audio roots", ok=True, message=os.pathsep.join(str(root) for root in roots)
        )
