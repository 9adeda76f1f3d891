"""What is left of a job in the bucket: its folder, its audio, the documents of its attempts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import get_args

from producer.contract.attempts import attempt_of
from producer.contract.options import MediaFormat
from producer.contract.request import is_name
from worker.aws.inventory import ListedObject
from worker.aws.objects import StoredObject
from worker.s3_keys import REDACTED, WRITE_CHECK

#: S3 tells times to the second, and its clock and Transcribe's may differ a little.
_SLACK = timedelta(seconds=2)
_AUDIO = re.compile(rf"audio\.(?:{'|'.join(get_args(MediaFormat))})")


@dataclass(frozen=True)
class Artifacts:
    """What S3 has of one job."""

    id: str
    #: what the addresses of its objects begin with
    folder: str
    audio: ListedObject | None = None
    #: what is marked on the audio, once somebody has looked
    marks: StoredObject | None = None
    #: the document of each attempt that has one
    results: dict[int, ListedObject] = field(default_factory=dict)
    #: whether Transcribe was told to write here
    written_to: bool = False

    @classmethod
    def of_key(cls, job_id: str, uri: str, stored: StoredObject) -> Artifacts:
        """Of a job whose request names a key: it has no folder, only the audio there."""
        return cls(job_id, uri, ListedObject(uri, stored.modified_at), stored)

    def marked(self, stored: StoredObject | None) -> Artifacts:
        """The same, with what S3 says of the audio."""
        return replace(self, marks=stored)

    @property
    def is_marked(self) -> bool:
        """Whether we put the audio there, for this job."""
        return self.marks is not None and self.marks.owner == self.id

    @property
    def note(self) -> str | None:
        """The request that we noted on the audio, if we did."""
        return self.marks.note if self.marks is not None and self.is_marked else None

    def fit(self, media_uri: str, prefix: str) -> bool:
        """Whether a Transcribe job with such media and a name of this job is this job's.

        Args:
            media_uri: what it was told to transcribe.
            prefix: what the addresses of all our objects begin with.
        """
        if self.audio is not None:
            return media_uri == self.audio.uri
        if media_uri.startswith(prefix):
            return media_uri.startswith(self.folder)
        # An object of the owner's, used in place: nobody else has Transcribe write into our folder.
        return self.written_to or bool(self.results)

    def outlive(self, moment: datetime | None) -> bool:
        """Whether what was made then was made for the audio that lies there now."""
        if self.audio is None or moment is None:
            return True
        return moment + _SLACK >= self.audio.modified_at


def folders(objects: Iterable[ListedObject], prefix: str) -> Iterator[Artifacts]:
    """The traces of each job beneath a prefix, from objects in the order of S3.

    Args:
        objects: what lies there.
        prefix: what their addresses begin with; a job's id and `/` follow.
    """
    for job_id, group in groupby(objects, lambda each: _job_id(each, prefix)):
        if is_name(job_id):
            yield _folder(job_id, f"{prefix}{job_id}/", group)


def _job_id(each: ListedObject, prefix: str) -> str:
    job_id, slash, _ = each.uri.removeprefix(prefix).partition("/")
    return job_id if slash else ""


def _folder(job_id: str, folder: str, objects: Iterable[ListedObject]) -> Artifacts:
    audio: ListedObject | None = None
    open_results: dict[int, ListedObject] = {}
    redacted: dict[int, ListedObject] = {}
    written_to = False
    for each in objects:
        name = each.uri.removeprefix(folder)
        stem = name.removesuffix(".json")
        if _AUDIO.fullmatch(name):
            # One that was submitted anew in another format lies beside what lay there before.
            audio = each if audio is None else max(audio, each, key=lambda one: one.modified_at)
        elif name == WRITE_CHECK:
            written_to = True
        elif stem == name:
            continue
        elif attempt := attempt_of(stem, job_id):
            open_results[attempt] = each
        elif attempt := attempt_of(stem.removeprefix(REDACTED), job_id):
            redacted[attempt] = each
    # Who asked for redaction is not given the open document.
    return Artifacts(job_id, folder, audio, results=open_results | redacted, written_to=written_to)
