"""Amazon Transcribe's operations, in AWS JSON 1.1."""

import base64
import json
from collections.abc import Callable
from typing import Any

from localaws.errors import ServiceError, bad_request
from localaws.s3.objects import SERVICE_BUCKET
from localaws.transcribe import media_uri, outputs, records, validation
from localaws.transcribe.jobs import Job, Location
from localaws.transcribe.lifecycle import Lifecycle
from localaws.transcribe.resources import Resources

Json = dict[str, Any]

_DEFAULT_PAGE = 5  # the API reference of ListTranscriptionJobs


class TranscribeApi:
    """The operations. `base_url` is how the caller reaches this endpoint."""

    def __init__(self, lifecycle: Lifecycle, presign: Callable[[str], str] = str) -> None:
        """`presign` signs the address of an object in the service bucket."""
        self._table = lifecycle.table
        self._store = lifecycle.store
        self._lifecycle = lifecycle
        self._presign = presign
        self._resources = Resources()
        self._operations: dict[str, Callable[[Json, str, str], Json]] = {
            "StartTranscriptionJob": self._start,
            "GetTranscriptionJob": self._get,
            "ListTranscriptionJobs": self._list,
            "DeleteTranscriptionJob": self._delete,
        }

    def call(self, operation: str, params: Json, region: str, base_url: str) -> Json:
        """Answer one call. Raises ServiceError."""
        resource = self._resources.operations.get(operation)
        if resource is None and operation not in self._operations:
            known = operation in validation.service_model().operation_names
            raise ServiceError(
                "UnknownOperationException",
                f"localaws does not support the operation {operation}."
                if known
                else f"Amazon Transcribe has no operation {operation!r}.",
            )
        validation.check_shape(operation, params)
        if resource is not None:
            return resource(params, region)
        return self._operations[operation](params, region, base_url)

    def _start(self, params: Json, region: str, base_url: str) -> Json:
        validation.check_start(params)
        name = params["TranscriptionJobName"]
        # First, so that a retried call gets ConflictException for its own job.
        self._table.check_name_unused(region, name)
        address = media_uri.split(params["Media"]["MediaFileUri"])
        validation.check_media(self._store.size(*address) if address else None)
        location = self._location(params, base_url)
        with self._table.lock:
            # Together, so that the answer is IN_PROGRESS however soon the job ends.
            job = self._table.start(name, region, params, location)
            record = records.for_start(job)
            runs = job.status == "IN_PROGRESS"
        if runs:
            self._lifecycle.start(job)
        return {"TranscriptionJob": record}

    def _location(self, params: Json, base_url: str) -> Location:
        """Raises ServiceError where the bucket cannot be written."""
        key = outputs.resolve_key(params["TranscriptionJobName"], params.get("OutputKey"))
        bucket = params.get("OutputBucketName", SERVICE_BUCKET)
        try:
            outputs.check_access(self._store, bucket, key)
        except LookupError as error:
            raise bad_request(
                f"The specified S3 bucket {bucket} can't be accessed: it does not exist, or it "
                "may not be written."
            ) from error
        service_bucket = "OutputBucketName" not in params
        return Location(
            bucket, key, base_url, service_bucket, self._presign if service_bucket else str
        )

    def _get(self, params: Json, region: str, _base_url: str) -> Json:
        with self._table.lock:
            job = self._table.get(region, params["TranscriptionJobName"])
            return {"TranscriptionJob": records.for_get(job)}

    def _list(self, params: Json, region: str, _base_url: str) -> Json:
        status, contains = params.get("Status"), params.get("JobNameContains", "")
        size = params.get("MaxResults", _DEFAULT_PAGE)
        before = _read_token(params["NextToken"]) if params.get("NextToken") else None
        with self._table.lock:
            # One more than the page shows whether there is a next page.
            page = self._table.page(region, status, contains, before, size + 1)
            answer: Json = {"TranscriptionJobSummaries": [*map(records.for_list, page[:size])]}
        if status:
            answer["Status"] = status
        if len(page) > size:
            answer["NextToken"] = _token(page[size - 1])
        return answer

    def _delete(self, params: Json, region: str, _base_url: str) -> Json:
        self._table.delete(region, params["TranscriptionJobName"])
        return {}


def decode(body: bytes) -> Json:
    """The parameters of a call. Raises ServiceError (SerializationException)."""
    try:
        params = json.loads(body or b"{}")
    except ValueError as error:
        raise ServiceError("SerializationException", "The body is not JSON.") from error
    if not isinstance(params, dict):
        raise ServiceError("SerializationException", "The body is not a JSON object.")
    # In AWS JSON null means absent.
    return {name: value for name, value in params.items() if value is not None}


def _token(last: Job) -> str:
    return base64.urlsafe_b64encode(f"before:{last.sequence}".encode()).decode()


def _read_token(token: str) -> int:
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if word == "before":
            return int(number)
    except ValueError:
        pass
    raise bad_request("NextToken is not one of ListTranscriptionJobs.")
