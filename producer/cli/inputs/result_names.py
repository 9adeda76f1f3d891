"""The names of results on a person's own disk: those of the recordings, in the same folders."""

import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from producer.contract.output import folded, literally, path_of, values_of
from producer.contract.request import TranscriptionRequest

_STEM, _NAME = "{stem}", "{name}"


def mirrored(path: Path | None, folder: Path | None) -> str:
    """The template for a recording's results: as it lies beneath the folder that a person named."""
    if path is None or folder is None:
        return _STEM
    return os.path.join(literally(os.path.relpath(path.parent, folder)), _STEM)  # noqa: PTH118


def beside(requests: Sequence[TranscriptionRequest]) -> tuple[Path, list[TranscriptionRequest]]:
    """The folder that has all recordings, and requests for results next to each recording.

    Symlinks to folders are resolved, as workers do with what lies beneath the results root.

    Raises:
        ValueError: if one is not a local file.
    """
    if any(request.is_on_s3 for request in requests):
        raise ValueError("--beside is for local recordings; use --results for audio on S3")
    parents = [os.path.realpath(Path(request.audio).parent) for request in requests]
    root = Path(os.path.commonpath(parents))
    mirroring = [
        request.model_copy(update={"output": mirrored(Path(parent, "any"), root)})
        for parent, request in zip(parents, requests, strict=True)
    ]
    return root, kept_apart(mirroring)


def kept_apart(requests: Sequence[TranscriptionRequest]) -> list[TranscriptionRequest]:
    """The requests, with whole names for the results of recordings that have the same stem."""
    names = Counter(map(_result_name, requests))
    return [
        each.model_copy(update={"output": (each.output or "").replace(_STEM, _NAME)})
        if names[_result_name(each)] > 1
        else each
        for each in requests
    ]


def _result_name(request: TranscriptionRequest) -> str:
    values = values_of(request.audio, request.name or "", request.tenant, datetime.now(UTC))
    return folded(str(path_of(request.output, values)))
