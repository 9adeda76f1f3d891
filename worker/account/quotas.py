"""What Service Quotas says of the account, read in the background if the role allows it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, get_args

import structlog

from producer.backend.rate_limiter import Operation
from producer.errors import BrokerUnavailable
from worker.account.admission import Admission
from worker.aws.errors import errors_classified
from worker.aws.session import Aws
from worker.background import run_in_background
from worker.errors import StageError

if TYPE_CHECKING:
    from mypy_boto3_service_quotas.type_defs import ServiceQuotaTypeDef

log = structlog.get_logger()

#: Codes of quotas differ between accounts' regions and over the years, names hardly do.
#: Source: "Guidelines and quotas" in the developer guide of Amazon Transcribe.
_JOBS = re.compile(r"number of concurrent (batch )?transcription jobs", re.IGNORECASE)
_PER_SECOND = re.compile(r"transactions per second|\btps\b|rate of", re.IGNORECASE)


class QuotaReader:
    """Reads the quotas of Amazon Transcribe; without an answer the settings apply."""

    def __init__(self, aws: Aws, admission: Admission) -> None:
        """Read them by `aws`, for the whole fleet that `admission` admits."""
        self._aws = aws
        self._admission = admission
        self._reading: threading.Thread | None = None
        self._last: object = None

    def refresh(self) -> None:
        """Start to read the quotas in the background, unless a thread does; return at once."""
        if self._reading is None or not self._reading.is_alive():
            self._reading = run_in_background("quotas", self._read)

    def _read(self) -> None:
        try:
            with errors_classified("ListServiceQuotas"):
                found = dict(known_quotas(self._all()))
            if found:
                self._admission.capacity.learn(found)
            if self._is_new(found):
                log.info("account.quotas_read", **found)
        except StageError as error:
            if self._is_new(error.code):
                log.info("account.quotas_unread", code=error.code, reason=error.message)
        except BrokerUnavailable as error:
            log.warning("redis.unavailable", reason=str(error))

    def _all(self) -> Iterator[ServiceQuotaTypeDef]:
        client = self._aws.service_quotas()
        for page in client.get_paginator("list_service_quotas").paginate(ServiceCode="transcribe"):
            yield from page["Quotas"]

    def _is_new(self, outcome: object) -> bool:
        """Whether an outcome differs from the last one."""
        is_new, self._last = outcome != self._last, outcome
        return is_new


def known_quotas(listed: Iterable[ServiceQuotaTypeDef]) -> Iterator[tuple[str, float]]:
    """The quotas that concern us: `slots`, and calls a second by operation."""
    for each in listed:
        name, value = each.get("QuotaName", ""), each.get("Value", 0.0)
        if value <= 0:
            continue
        if _JOBS.fullmatch(name.strip()):
            yield "slots", int(value)
        elif _PER_SECOND.search(name):
            for operation in get_args(Operation):
                if re.search(rf"\b{operation}\b", name):
                    yield operation, value
