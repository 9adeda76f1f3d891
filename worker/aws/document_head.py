"""How a document that Transcribe wrote begins: with the name of its job."""

import re

#: Bytes of a document that are enough to see whose it is.
HEAD_BYTES = 1024
#: Source: the samples in the developer guide of Amazon Transcribe, and recorded documents.
_HEAD = re.compile(rb'\s*\{\s*"jobName"\s*:\s*"([0-9a-zA-Z._-]{1,200})"')


def job_named_in(head: bytes) -> str:
    """The Transcribe job that a document names at its beginning; '' if it names none."""
    match = _HEAD.match(head)
    return match[1].decode() if match else ""
