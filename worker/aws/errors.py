"""What an error of any AWS call means: the one place that decides.

`CODES` says it for what AWS answers. To treat another code like one of these, write it beside it.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from worker.errors import Permanent, SlotsFull, StageError, Throttled, Transient

#: How the service speaks of too many jobs, under two codes over the years.
_TOO_MANY_JOBS = re.compile(r"too many (jobs|transcription)|concurrent", re.IGNORECASE)
_UNKNOWN_JOB = re.compile(r"couldn't be found|not found|do(es not|esn't) exist", re.IGNORECASE)
_TOO_LARGE = re.compile(r"too large|file size|maximum size", re.IGNORECASE)
#: botocore could not find or renew credentials; those of a role often come back by themselves.
_NO_CREDENTIALS = (
    boto.CredentialRetrievalError,
    boto.MetadataRetrievalError,
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.SSOError,
    boto.TokenRetrievalError,
)
#: AWS did not answer, or not to the end.
_NO_ANSWER = (
    boto.ConnectionError,
    boto.FlexibleChecksumError,
    boto.HTTPClientError,
    boto.IncompleteReadError,
    # No AWS service answers like that, but a proxy may.
    ResponseParserError,
)


class NotFound(Permanent):
    """What the call is about does not exist."""


class AlreadyExists(Permanent):
    """Something of that name exists; a call of ours whose answer was lost may have made it."""


class NoBucket(Permanent):
    """The whole bucket does not exist."""


class EmptyObject(Permanent):
    """The object has no first byte, which a call asks for."""


class Denied(Permanent):
    """The worker's role lacks the right to make the call."""


class NoCredentials(Transient):
    """The worker has no credentials that AWS accepts."""


class Unreachable(Transient):
    """AWS did not answer, or something else did; the call may still arrive."""

    def __init__(self, message: str) -> None:
        super().__init__("Unreachable", message)


@dataclass(frozen=True)
class Refusal:
    """An error as AWS answers it."""

    operation: str
    #: what distinguishes errors; the HTTP status says only whether the server is at fault
    code: str
    #: AWS's own sentence
    text: str
    status: int


def _permanent(error: Refusal) -> StageError:
    text = error.text or f"AWS refused {error.operation}."
    return Permanent(error.code or "AwsError", text)


def _transient(error: Refusal) -> StageError:
    what = error.code or error.status
    return Transient("AwsFailure", f"{error.operation} failed at AWS ({what}).")


def _throttled(error: Refusal) -> StageError:
    return Throttled(error.code, f"AWS throttled {error.operation}.", error.operation)


def _too_many(error: Refusal) -> StageError:
    """Too many calls, or where a job is to be started, too many jobs."""
    if error.operation != "StartTranscriptionJob":
        return _throttled(error)
    return SlotsFull(error.code, f"The account is full: {error.text}", error.operation)


def _limit_exceeded(error: Refusal) -> StageError:
    """The same, or too large a file: the service has one code for both."""
    is_start = error.operation == "StartTranscriptionJob"
    return _permanent(error) if is_start and _TOO_LARGE.search(error.text) else _too_many(error)


def _bad_request(error: Refusal) -> StageError:
    """The service uses this code also for errors that have a code of their own in its model."""
    if error.operation == "StartTranscriptionJob":
        is_full = _TOO_MANY_JOBS.search(error.text)
        return _too_many(error) if is_full else _permanent(error)
    if _UNKNOWN_JOB.search(error.text):
        return _not_found(error)
    if error.operation == "DeleteTranscriptionJob":
        # The result can be there a moment before the job counts as ended.
        return Transient("StillRunning", error.text)
    return _permanent(error)


def _no_object(error: Refusal) -> StageError:
    # A proxy may answer 404 as well, and then a Transcribe job may still exist.
    is_of_s3 = error.operation.endswith(("Object", "Bucket", "Upload"))
    return _not_found(error) if is_of_s3 else _permanent(error)


def _not_found(error: Refusal) -> StageError:
    return NotFound(error.code, error.text or f"{error.operation} found nothing.")


def _no_bucket(_: Refusal) -> StageError:
    return NoBucket(
        "NoSuchBucket",
        "The S3 bucket does not exist: create it or correct TRANSCRIBE_BUCKET, then retry.",
    )


def _no_first_byte(error: Refusal) -> StageError:
    return EmptyObject(error.code, error.text)


def _already_exists(error: Refusal) -> StageError:
    return AlreadyExists(
        error.code, error.text or f"{error.operation}: something of that name exists already."
    )


def _upload_ended(error: Refusal) -> StageError:
    if error.operation == "AbortMultipartUpload":
        return _not_found(error)
    # Its last call was carried out and the answer lost, or somebody aborted it.
    return Transient(error.code, "The upload in parts has ended already.")


def _written_meanwhile(error: Refusal) -> StageError:
    return Transient(error.code, "Another program writes the same object now.")


def _not_implemented(error: Refusal) -> StageError:
    return Transient(
        error.code,
        f"The endpoint does not implement {error.operation} as it is called; if it lacks "
        "If-None-Match, set TRANSCRIBE_CONDITIONAL_PUT=off.",
    )


def _denied(error: Refusal) -> StageError:
    return Denied(
        "AccessDenied",
        f"The worker may not call {error.operation}: add the rights that `transcribe policy` "
        "prints to its role.",
    )


def _credentials_rejected(error: Refusal) -> StageError:
    return NoCredentials(
        "CredentialsRejected",
        f"AWS rejects the worker's credentials ({error.code}): renew them; jobs wait until then.",
    )


#: What each error code means. A code that is not here is Transient with an HTTP status from 500 on,
#: and Permanent with any other.
CODES: dict[Callable[[Refusal], StageError], str] = {
    _limit_exceeded: "LimitExceededException",
    # Other services of AWS have this code, which means no file.
    _too_many: "ServiceQuotaExceededException",
    _throttled: "SlowDown Throttling ThrottlingException TooManyRequestsException",
    _credentials_rejected: """
        ExpiredToken ExpiredTokenException InvalidAccessKeyId InvalidClientTokenId
        InvalidSignatureException InvalidToken RequestExpired RequestTimeTooSkewed
        SignatureDoesNotMatch UnrecognizedClientException
    """,
    _denied: "403 AccessDenied AccessDeniedException Forbidden",
    _no_object: "404 NoSuchKey NotFound",
    _no_bucket: "NoSuchBucket",
    _no_first_byte: "InvalidRange",
    # So the model says of an unknown job; the real service answers BadRequestException.
    _not_found: "NotFoundException",
    _bad_request: "BadRequestException",
    _already_exists: "ConflictException PreconditionFailed",
    _written_meanwhile: "ConditionalRequestConflict",
    _upload_ended: "NoSuchUpload",
    _not_implemented: "NotImplemented",
    _transient: "InternalError InternalFailureException RequestTimeout",
}
_MEANINGS = {code: meaning for meaning, codes in CODES.items() for code in codes.split()}


@contextmanager
def errors_classified(operation: str, *, awaits_bucket: bool = False) -> Iterator[None]:
    """Raise one of our errors in place of what boto3 raises.

    Args:
        operation: the name of the AWS operation.
        awaits_bucket: a missing bucket is a transient error: a job whose recording or result
            belongs there waits for it and does not fail.
    """
    try:
        yield
    except (boto.ClientError, boto.BotoCoreError, ResponseParserError) as error:
        classified = classify(error, operation)
        if awaits_bucket and isinstance(classified, NoBucket):
            classified = Transient(
                classified.code,
                "The S3 bucket does not exist: create it or correct TRANSCRIBE_BUCKET; jobs wait "
                "until then.",
            )
        raise classified from error


def classify(error: Exception, operation: str) -> StageError:
    """What an error of boto3 means."""
    if isinstance(error, boto.ClientError):
        return _classify_refusal(error, operation)
    if isinstance(error, _NO_CREDENTIALS):
        return NoCredentials(
            "CredentialsMissing",
            "The worker has no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "AWS_PROFILE or a role; jobs wait until then.",
        )
    if isinstance(error, ResponseParserError):
        return Unreachable(
            f"The worker cannot read the answer to {operation}: check whether a proxy answers "
            "instead of AWS."
        )
    if isinstance(error, _NO_ANSWER):
        return Unreachable(
            f"AWS does not answer {operation}: check the network and AWS_ENDPOINT_URL."
        )
    return Permanent("BadCall", f"boto3 refuses to call {operation}: {error}")


def _classify_refusal(error: boto.ClientError, operation: str) -> StageError:
    answer = error.response.get("Error", {})
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code, text = str(answer.get("Code", "")), str(answer.get("Message", "")).strip()
    meaning = _MEANINGS.get(code, _transient if status >= 500 else _permanent)
    return meaning(Refusal(operation, code, text, status))


def may_still_arrive(error: Exception) -> bool:
    """Whether a call that ended so may have been sent, and is perhaps still on its way."""
    never_sent = (boto.ConnectTimeoutError, boto.EndpointConnectionError)
    return isinstance(error, (Unreachable, *_NO_ANSWER)) and not isinstance(error, never_sent)
