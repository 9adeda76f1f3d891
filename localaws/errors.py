"""The errors of the local AWS emulator."""


class ServiceError(Exception):
    """An error answer: the code of AWS, our sentence, the HTTP status (500 for our own fault).

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
