"""The errors of the local AWS emulator.

ServiceError   an error answer of AWS: AWS's code, our sentence
AudioError     the recording cannot be transcribed; its text becomes the job's FailureReason
UsageError     a setting or argument makes no sense; the command prints it
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
    """BadRequestException, Transcribe's answer to a request that it does not accept."""
    return ServiceError("BadRequestException", message)
