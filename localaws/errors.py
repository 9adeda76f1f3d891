"""The errors that cross a boundary inside localaws.

ServiceError   an answer of the service: a code of AWS's and a sentence of ours
AudioError     this recording cannot be transcribed; its text becomes the job's FailureReason
UsageError     a setting or argument makes no sense; shown to whoever started localaws
"""


class ServiceError(Exception):
    """An error answer on the wire. `status` is the HTTP status: 400, or 500 for our own fault.

    The service model writes 409, 429 and 404 for some codes; AWS JSON 1.1 sends them as 400, and
    clients read the code.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class AudioError(Exception):
    """The recording cannot be transcribed; the text is the FailureReason."""


class UsageError(ValueError):
    """A setting or argument makes no sense; the text is one sentence."""


def bad_request(message: str) -> ServiceError:
    """BadRequestException: what the service answers to anything it cannot accept."""
    return ServiceError("BadRequestException", message)
