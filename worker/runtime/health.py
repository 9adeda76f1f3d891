"""Checks what a worker depends on, in the background, for `transcribe doctor`."""

import os
import threading
import time
from collections.abc import Callable

import structlog

from producer.backend.workers import Check, Subject
from producer.errors import BrokerUnavailable, BrokerUnusable
from worker.aws.errors import NoCredentials
from worker.background import run_in_background
from worker.errors import StageError
from worker.runtime.context import Context
from worker.s3_keys import jobs_folder

log = structlog.get_logger()

_CHECK_EVERY = 20.0
#: While something is wrong, somebody is probably mending it.
_CHECK_AGAIN = 5.0


class Health:
    """The latest findings. A thread of its own asks AWS, which may be slow to answer."""

    def __init__(self, worker: Context) -> None:
        """Check what `worker` depends on."""
        self._worker = worker
        self._checks: tuple[Check, ...] = ()
        self._due = 0.0
        self._checking: threading.Thread | None = None
        self._logged = ""
        self._checkers: dict[Subject, Callable[[], tuple[Check, ...]]] = {
            "redis": self._redis,
            "credentials": self._credentials,
            "bucket": self._bucket,
            "results": self._results,
            "audio roots": self._roots,
        }

    def checks(self) -> tuple[Check, ...]:
        """The findings so far, at once; starts another check when one is due."""
        checking = self._checking is not None and self._checking.is_alive()
        if time.monotonic() >= self._due and not checking:
            self._checking = run_in_background("health", self._check)
        return self._checks

    def _check(self) -> None:
        self._due = time.monotonic() + _CHECK_EVERY
        found = tuple(
            finding
            for subject, check in self._checkers.items()
            for finding in self._findings(subject, check)
        )
        for finding in found:
            if not finding.ok and finding not in self._checks:
                log.warning("health.problem", subject=finding.subject, reason=finding.message)
        self._checks = found
        if not all(finding.ok for finding in found):
            self._due = time.monotonic() + _CHECK_AGAIN

    def _findings(
        self, subject: Subject, check: Callable[[], tuple[Check, ...]]
    ) -> tuple[Check, ...]:
        """What one check finds; an unexpected error is a finding, too, and ends no other check."""
        try:
            return check()
        except Exception as error:
            log.exception("health.crashed", subject=subject)
            reason = (
                f"The check failed ({type(error).__name__}): report it, with the traceback in the "
                "worker's log."
            )
            return (Check(subject=subject, ok=False, message=reason),)

    def _redis(self) -> tuple[Check, ...]:
        try:
            self._worker.fleet.check_access(worker=True)
        except BrokerUnusable as error:
            return (Check(subject="redis", ok=False, message=str(error)),)
        except BrokerUnavailable:
            pass  # the dispatcher says so
        return ()

    def _credentials(self) -> tuple[Check, ...]:
        try:
            known = self._worker.aws.identity()
        except NoCredentials as error:
            return (Check(subject="credentials", ok=False, message=error.message),)
        except StageError as error:
            # S3 and Transcribe may answer anyway, as emulators of AWS do; they say what is
            # wrong with the credentials.
            known = f"(AWS STS does not say whose: {error.message})"
            if error.message != self._logged:
                log.warning("health.identity_unknown", code=error.code, reason=error.message)
            self._logged = error.message
        return (Check(subject="credentials", ok=True, message=known),)

    def _bucket(self) -> tuple[Check, ...]:
        bucket, region = self._worker.settings.bucket, self._worker.aws.region
        try:
            found = self._worker.storage.bucket_region(jobs_folder(self._worker.settings))
        except StageError as error:
            return (Check(subject="bucket", ok=False, message=error.message),)
        reachable = Check(subject="bucket", ok=True, message=bucket)
        # Emulators of AWS may not say where a bucket is.
        if found in {"", region}:
            return reachable, Check(subject="region", ok=True, message=region)
        elsewhere = (
            f"The bucket is in {found}, but jobs run in {region}: "
            f"set AWS_DEFAULT_REGION={found} or use another bucket."
        )
        return reachable, Check(subject="region", ok=False, message=elsewhere)

    def _results(self) -> tuple[Check, ...]:
        folder = self._worker.settings.results_dir
        problem = self._worker.unwritable.problem(folder)
        return (Check(subject="results", ok=problem is None, message=problem or str(folder)),)

    def _roots(self) -> tuple[Check, ...]:
        roots = os.pathsep.join(str(root) for root in self._worker.settings.audio_roots)
        return (Check(subject="audio roots", ok=True, message=roots),)
