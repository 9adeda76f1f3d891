"""Custom vocabularies, vocabulary filters and language models: that they exist, and since when.

Recognition does not use them. Each region has its own.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from localaws.errors import ServiceError, bad_request

Json = dict[str, Any]


class Resources:
    """What Create, Update, Get and Describe answer of them. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, str], Json] = {}
        self.operations: dict[str, Callable[[Json, str], Json]] = {
            "CreateLanguageModel": self._create_model,
            "DescribeLanguageModel": self._describe_model,
        }
        for kind, state in (("Vocabulary", {"VocabularyState": "READY"}), ("VocabularyFilter", {})):
            self._add_operations(kind, state)

    def _add_operations(self, kind: str, state: Json) -> None:
        name = f"{kind}Name"

        def create(params: Json, region: str) -> Json:
            record = {name: params[name], "LanguageCode": params["LanguageCode"], **state}
            return self._create(kind, params[name], region, record)

        def update(params: Json, region: str) -> Json:
            return self._update(kind, params[name], region)

        def get(params: Json, region: str) -> Json:
            return self._get(kind, params[name], region)

        self.operations |= {f"Create{kind}": create, f"Update{kind}": update, f"Get{kind}": get}

    def _create(self, kind: str, name: str, region: str, record: Json) -> Json:
        with self._lock:
            if (kind, name, region) in self._known:
                raise ServiceError("ConflictException", f"The name {name} is used already.")
            self._known[kind, name, region] = {**record, "LastModifiedTime": time.time()}
            return self._known[kind, name, region]

    def _update(self, kind: str, name: str, region: str) -> Json:
        record = {**self._get(kind, name, region), "LastModifiedTime": time.time()}
        with self._lock:
            self._known[kind, name, region] = record
        return record

    def _get(self, kind: str, name: str, region: str) -> Json:
        with self._lock:
            record = self._known.get((kind, name, region))
        if record is None:
            raise bad_request(
                f"The requested {kind} couldn't be found. Check the name and try your request "
                "again."
            )
        return record

    def _create_model(self, params: Json, region: str) -> Json:
        echoed = ("LanguageCode", "BaseModelName", "ModelName", "InputDataConfig")
        record = {name: params[name] for name in echoed}
        self._create("LanguageModel", params["ModelName"], region, record)
        return {**record, "ModelStatus": "COMPLETED"}

    def _describe_model(self, params: Json, region: str) -> Json:
        record = self._get("LanguageModel", params["ModelName"], region)
        return {"LanguageModel": {**record, "ModelStatus": "COMPLETED"}}
