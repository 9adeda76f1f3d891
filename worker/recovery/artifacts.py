"""What S3 has of one job: its folder, its audio, the documents of its attempts."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Self, get_args

from producer.contract.attempts import attempt_of
from producer.contract.options import MediaFormat
from producer.contract.request import is_name
from producer.contract.s3_uri import S3Uri
from worker.aws.objects import ListedObject, StoredObject
from worker.s3_keys import REDACTED, WRITE_CHECK

#: S3 tells times to the second, and its clock and Transcribe's may differ a little.
_SLACK = timedelta(seconds=2)
_AUDIO = re.compile(rf"audio\.(?:{'|'.join(get_args(MediaFormat))})")


@dataclass(frozen=True)
class Artifacts:
    """What S3 has of one job."""

    id: str
    #: the job's folder; of a job whose request names a key, the audio
    folder: S3Uri
    audio: ListedObject | None = None
    #: what S3 says of the audio, once it was asked
    audio_head: StoredObject | None = None
    #: the document of each attempt that has one
    results: dict[int, ListedObject] = field(default_factory=dict)
    #: whether AWS has tested here its right to write, as it does for each job that writes here
    has_write_check: bool = False

    @classmethod
    def of_key(cls, job_id: str, uri: S3Uri, head: StoredObject) -> Self:
        """Of a job whose request names a key: it has no folder, only the audio there."""
        return cls(job_id, uri, ListedObject(uri, head.modified_at), head)

    @property
    def is_uploaded(self) -> bool:
        """Whether we put the audio there, for this job."""
        return self.audio_head is not None and self.audio_head.owner == self.id

    @property
    def stored_request(self) -> str | None:
        """The request that we stored with the audio, if we did."""
        head = self.audio_head
        return head.stored_request if head is not None and self.is_uploaded else None

    def match_media(self, media_uri: str, jobs_folder: S3Uri) -> bool:
        """Whether a Transcribe job with such media and a name of this job is this job's.

        Args:
            media_uri: the media of the Transcribe job.
            jobs_folder: the folder that has a folder for each job.
        """
        if self.audio is not None:
            return media_uri == self.audio.uri
        if media_uri.startswith(jobs_folder):
            return media_uri.startswith(self.folder)
        # An object of the owner's, used in place: nobody else has Transcribe write into our folder.
        return self.has_write_check or bool(self.results)

    def match_time(self, moment: datetime | None) -> bool:
        """Whether what was made at `moment` was made from the audio that is there now."""
        if self.audio is None or moment is None:
            return True
        return moment + _SLACK >= self.audio.modified_at


def artifacts_by_job(objects: Iterable[ListedObject], jobs_folder: S3Uri) -> Iterator[Artifacts]:
    """The artifacts of each job.

    Args:
        objects: what is in `jobs_folder`, in the order of S3.
        jobs_folder: the folder that has a folder for each job.
    """
    for job_id, group in groupby(objects, lambda each: _job_id(each, jobs_folder)):
        if is_name(job_id):
            yield _artifacts(job_id, S3Uri(f"{jobs_folder}{job_id}/"), group)


def _job_id(each: ListedObject, jobs_folder: S3Uri) -> str:
    job_id, slash, _ = each.uri.removeprefix(jobs_folder).partition("/")
    return job_id if slash else ""


def _artifacts(job_id: str, folder: S3Uri, objects: Iterable[ListedObject]) -> Artifacts:
    audio: ListedObject | None = None
    open_results: dict[int, ListedObject] = {}
    redacted: dict[int, ListedObject] = {}
    has_write_check = False
    for each in objects:
        name = each.uri.removeprefix(folder)
        stem = name.removesuffix(".json")
        if _AUDIO.fullmatch(name):
            # A job submitted anew in another format uploads beside what was there before.
            audio = each if audio is None else max(audio, each, key=lambda one: one.modified_at)
        elif name == WRITE_CHECK:
            has_write_check = True
        elif stem == name:
            continue
        elif attempt := attempt_of(stem, job_id):
            open_results[attempt] = each
        elif attempt := attempt_of(stem.removeprefix(REDACTED), job_id):
            redacted[attempt] = each
    # A job that asked for redaction does not get the open document.
    results = open_results | redacted
    return Artifacts(job_id, folder, audio, results=results, has_write_check=has_write_check)
