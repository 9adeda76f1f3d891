"""Requests as JSON, one a line, as `transcribe submit -` reads them."""

import json
from collections.abc import Iterable

from producer.contract.request import TranscriptionRequest
from producer.errors import InvalidRequest


def json_lines(lines: Iterable[bytes]) -> list[TranscriptionRequest]:
    """Parse one request a line; skip empty lines.

    A program wrote them and can write them again, so one wrong line refuses all.

    Raises:
        InvalidRequest: with the number of the first line that is wrong, or if there is none.
    """
    requests = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            requests.append(TranscriptionRequest.parse(json.loads(line.decode())))
        except UnicodeDecodeError:
            raise InvalidRequest(f"Line {number} is not UTF-8.") from None
        except (ValueError, RecursionError):
            raise InvalidRequest(f"Line {number} is not a JSON object.") from None
        except InvalidRequest as error:
            raise InvalidRequest(f"Line {number}: {error}") from None
    if not requests:
        raise InvalidRequest("There was no request on stdin.")
    return requests
