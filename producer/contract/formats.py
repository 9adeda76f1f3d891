"""The files of a job's results: the output formats, the other kinds, how each is named."""

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
#: The kind of the file that says whose the others are, and of what.
SIDECAR = "job.json"
#: What the name of a file ends with until the file is whole; the name begins with a dot.
TEMPORARY = ".part"


def file_name(stem: str, kind: str) -> str:
    """The name of the file of one kind, of a job whose files have this stem."""
    return f"{stem}.{kind}"


def is_private(kind: str) -> bool:
    """Whether a file of this kind shows what a request wanted redacted."""
    return kind.startswith("unredacted.")
