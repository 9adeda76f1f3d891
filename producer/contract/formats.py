"""The files of a job's results: the output formats, the other kinds, how each is named.

Results are in a folder of the job, beneath `output` beneath a worker's results root. Any request
may name a folder beneath another job's, so no folder may have the name of a file of results: then
no job can occupy a path that another one writes.
"""

import re
import unicodedata
from pathlib import PurePosixPath
from typing import Literal, get_args

#: What a worker writes for a job: `json` is the document itself; the writers of all formats are in
#: `producer/transcript/transcript.py`.
Format = Literal["txt", "srt", "vtt", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
#: What Amazon Transcribe writes beside the document if a request asks for it; kept unchanged: its
#: subtitles by their format, and of a request for redaction what hides nothing.
AWS_SUBTITLES = {"srt": "aws.srt", "vtt": "aws.vtt"}
UNREDACTED = "unredacted.json"
UNREDACTED_SUBTITLES = {"srt": "unredacted.srt", "vtt": "unredacted.vtt"}
EXTRA_KINDS = (*AWS_SUBTITLES.values(), UNREDACTED, *UNREDACTED_SUBTITLES.values())
#: What the name of a file ends with until the file is whole; the name begins with a dot.
TEMPORARY = ".part"

#: Names of Linux's file systems have at most so many bytes. Source: limits.h.
MAX_NAME_BYTES = 255
#: Of a path's 4,096 bytes, what is left when a job's id, the longest file name, the slashes and
#: the shortest results root have theirs.
MAX_OUTPUT_BYTES = 4096 - 256

_RESERVED = re.compile(
    rf"(transcript|aws|unredacted)\.({'|'.join(FORMATS)})|\..*{re.escape(TEMPORARY)}",
    re.IGNORECASE | re.DOTALL,
)


def file_name(kind: str) -> str:
    """The name of the file of one kind."""
    return f"transcript.{kind}" if kind in FORMATS else kind


def is_private(kind: str) -> bool:
    """Whether a file of this kind shows what a request wanted redacted."""
    return kind.startswith("unredacted.")


def is_reserved(name: str) -> bool:
    """Whether a file of results may have this name, also where the file system folds case.

    To some file systems dots and spaces at the end are nothing.
    """
    return _RESERVED.fullmatch(unicodedata.normalize("NFKC", name).rstrip(". ")) is not None


def folder_problem(output: str) -> str | None:
    """Why no worker can write results beneath this folder; None if a worker may try."""
    parts = PurePosixPath(output).parts
    if ".." in parts:
        return "it is a folder beneath the workers' results root, without .."
    if any(is_reserved(part) for part in parts):
        return "a folder cannot have the name of a file of results, such as transcript.json"
    if any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
        return f"a folder's name has at most {MAX_NAME_BYTES} bytes in UTF-8; choose a shorter one"
    if len(output.encode()) > MAX_OUTPUT_BYTES:
        return f"it has at most {MAX_OUTPUT_BYTES} bytes in UTF-8; choose a shorter path"
    return None
