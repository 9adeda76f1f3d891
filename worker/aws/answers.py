"""Answers that are none of AWS's: of a proxy, a portal to sign in, or cut off in the middle.

botocore knows an answer that is no XML. Of others it makes an empty one, or meets a KeyError or an
UnicodeDecodeError, which no caller expects. All of them become the one error for such answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.parsers import ResponseParserError, ResponseParserFactory

#: Protocols in which a successful answer always has something in it, where its shape has. S3's
#: answers may be all headers.
_NEVER_EMPTY = frozenset({"json", "query"})


class AnswerParsers(ResponseParserFactory):
    """Makes botocore's parsers, for a session, that raise nothing but ResponseParserError."""

    def create_parser(self, protocol_name: str) -> Any:
        """The parser of a protocol."""
        parser = super().create_parser(protocol_name)
        parse = parser.parse

        def understood(response: Mapping[str, Any], shape: Any) -> Any:
            try:
                parsed = parse(response, shape)
            except ResponseParserError:
                raise
            except Exception as error:
                raise ResponseParserError(f"not understood ({error!r})") from error
            empty = isinstance(parsed, dict) and not parsed.keys() - {"ResponseMetadata"}
            expected = shape is not None and getattr(shape, "members", None)
            if (
                empty
                and expected
                and protocol_name in _NEVER_EMPTY
                and response["status_code"] < 300
            ):
                raise ResponseParserError("nothing in it was understood")
            return parsed

        parser.parse = understood  # type: ignore[method-assign]
        return parser
