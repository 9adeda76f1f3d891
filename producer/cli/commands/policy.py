"""`transcribe policy`: the rights that workers need in AWS, and no others."""

import json
import re
from collections.abc import Sequence

import click

from producer.cli import output

#: The calls that say when a vocabulary, a filter or a model was changed last.
_CHANGED_BY = ("GetVocabulary", "GetVocabularyFilter", "DescribeLanguageModel")


def worker_policy(bucket: str, audio_buckets: Sequence[str] = ()) -> dict[str, object]:
    """The IAM policy of a worker that uses `bucket`, and reads audio in `audio_buckets`.

    Source: the actions that the worker calls, and the Service Authorization Reference: Start, List
    and Get cannot be limited to a bucket.
    """
    others = [each for each in dict.fromkeys(audio_buckets) if each != bucket]
    in_bucket = ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload")
    calls = ("Start", "Get", "List", "Delete")
    jobs = [f"{call}TranscriptionJob{'s' if call == 'List' else ''}" for call in calls]
    statements = [
        _allow("AudioAndResults", "s3", in_bucket, f"arn:aws:s3:::{bucket}/*"),
        # Without ListBucket, S3 answers for a missing object that it is forbidden.
        _allow(
            "SeeWhatIsThere",
            "s3",
            ("ListBucket", "ListBucketMultipartUploads"),
            f"arn:aws:s3:::{bucket}",
        ),
    ]
    if others:
        objects = [f"arn:aws:s3:::{each}/*" for each in others]
        buckets = [f"arn:aws:s3:::{each}" for each in others]
        statements += [
            _allow("AudioInPlace", "s3", ["GetObject"], objects),
            _allow("SeeWhatAudioIsThere", "s3", ["ListBucket"], buckets),
        ]
    statements += [
        _allow("TranscriptionJobs", "transcribe", [*jobs, "TagResource"], "*"),
        # Without these no result of a job that names such a thing is reused.
        _allow("WhatWasChanged", "transcribe", _CHANGED_BY, "*"),
        # Without it the worker uses the quotas of its settings.
        _allow("WhatTheAccountAllows", "servicequotas", ["ListServiceQuotas"], "*"),
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(
    sid: str, service: str, actions: Sequence[str], resource: str | list[str]
) -> dict[str, object]:
    names = [f"{service}:{action}" for action in actions]
    return {"Sid": sid, "Effect": "Allow", "Action": names, "Resource": resource}


@click.command()
@click.option("--bucket", required=True, help="The bucket that workers use (TRANSCRIBE_BUCKET).")
@click.option(
    "--audio-bucket",
    "audio_buckets",
    multiple=True,
    help="Another bucket from which workers read audio (TRANSCRIBE_AUDIO_BUCKETS).",
)
def policy(bucket: str, audio_buckets: tuple[str, ...]) -> None:
    """Print the least-privilege IAM policy for the workers.

    \b
    Examples:
      transcribe policy --bucket my-recordings > policy.json
      transcribe policy --bucket my-recordings --audio-bucket archive > policy.json
    """
    for name in (bucket, *audio_buckets):
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
            raise click.UsageError(f"{name!r} is not the name of an S3 bucket.")
    output.data(json.dumps(worker_policy(bucket, audio_buckets), indent=2))
