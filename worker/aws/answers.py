"""How botocore reads answers: which are AWS's at all, and their times.

A proxy or a sign-in portal may answer in place of AWS, or an answer may end in the middle. botocore
recognises only what is not XML. Of the rest it makes an empty answer, or meets a KeyError or a
UnicodeDecodeError, which no caller expects. All of them become ResponseParserError here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.parsers import ResponseParserError, ResponseParserFactory
from botocore.utils import parse_timestamp

#: Protocols in which a successful answer always has something in it, where its shape has. S3's
#: answers may be all headers.
_NEVER_EMPTY = frozenset({"json", "query"})


class AnswerParsers(ResponseParserFactory):
    """Makes botocore's parsers, for a session, that raise nothing but ResponseParserError."""

    def __init__(self) -> None:
        super().__init__()
        self.set_parser_defaults(timestamp_parser=parse_time)

    def create_parser(self, protocol_name: str) -> Any:
        """The parser of a protocol."""
        parser = super().create_parser(protocol_name)
        parse = parser.parse

        def parse_or_refuse(response: Mapping[str, Any], shape: Any) -> Any:
            try:
                parsed = parse(response, shape)
            except ResponseParserError:
                raise
            except Exception as error:
                raise ResponseParserError(f"cannot be parsed ({error!r})") from error
            is_empty = isinstance(parsed, dict) and not parsed.keys() - {"ResponseMetadata"}
            has_members = shape is not None and getattr(shape, "members", None)
            if (
                is_empty
                and has_members
                and protocol_name in _NEVER_EMPTY
                and response["status_code"] < 300
            ):
                raise ResponseParserError("has nothing of what the operation answers")
            return parsed

        parser.parse = parse_or_refuse  # type: ignore[method-assign]
        return parser


def parse_time(value: float | str) -> datetime:
    """A time in an answer of AWS, as botocore reads it.

    botocore needs twenty times as long for a number, and a page of ListTranscriptionJobs has
    hundreds.

    Raises:
        ValueError: if it is not a time.
    """
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    if value.endswith(" GMT"):
        try:
            return parsedate_to_datetime(value)
        except ValueError:
            pass  # botocore may know more forms, or words its error
    return parse_timestamp(value)
