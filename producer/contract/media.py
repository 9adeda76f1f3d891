"""Which media Amazon Transcribe reads, and how to convert others."""

from dataclasses import dataclass

from producer.contract.options import MediaFormat

#: Source: the quotas of Amazon Transcribe.
MAX_BYTES = 2048 * 1024 * 1024
READABLE = "mp3, mp4, m4a, wav, flac, ogg, amr or webm"

#: For everything that ffmpeg reads; Transcribe recommends FLAC, which is lossless.
_TO_FLAC = "ffmpeg -i IN -vn -sample_fmt s16 OUT.flac"


@dataclass(frozen=True)
class Container:
    """The format of a file, by its content."""

    #: as people name it
    name: str
    #: as Transcribe names it; None if Transcribe does not read it
    media_format: MediaFormat | None = None
    #: a command that converts it to a format that Transcribe reads
    conversion: str = _TO_FLAC


def refusal(found: Container | None) -> str | None:
    """Why Transcribe does not read a recording, and what to do: sentences that follow its name.

    Args:
        found: what `detect_container` says of it.

    Returns None if Transcribe reads it.
    """
    if found is None:
        return (
            f"is not a recording that Amazon Transcribe reads ({READABLE}). If it is one all the "
            "same, say so with media_format; raw samples first need a header, for example: "
            "ffmpeg -f s16le -ar 8000 -ac 1 -i IN OUT.wav."
        )
    if found.media_format is None:
        return (
            f"is {found.name}, which Amazon Transcribe does not read. Convert it, for example: "
            f"{found.conversion}. Or set media_format, and Amazon Transcribe tries it as it is."
        )
    return None
