"""What S3 says of a checksum, and moto does not: whether it is of the whole object."""

from typing import Any

_VALUE, _TYPE = "x-amz-checksum-", "x-amz-checksum-type"

Headers = list[tuple[str, str]]


def with_type(start_response: Any) -> Any:
    """A WSGI `start_response` that also sends the type of the checksum that is sent, if one is.

    Source: the S3 user guide: the checksum of an object in parts ends in their number, where it is
    of the parts' checksums.
    """

    def start(status: str, headers: Headers, *rest: Any) -> Any:
        sent = {name.lower(): value for name, value in headers}
        values = [value for name, value in sent.items() if name.startswith(_VALUE)]
        if values and _TYPE not in sent:
            kind = "COMPOSITE" if any("-" in value for value in values) else "FULL_OBJECT"
            headers = [*headers, (_TYPE, kind)]
        return start_response(status, headers, *rest)

    return start
