"""`transcribe policy`: the rights that workers need in AWS, and no others."""

import json
import re
from collections.abc import Sequence

import click

from producer.cli import output


def worker_policy(bucket: str, audio_buckets: Sequence[str] = ()) -> dict[str, object]:
    """The IAM policy of a worker that uses `bucket`, and reads audio in `audio_buckets`.

    Source: the actions that the worker calls, and the Service Authorization Reference: Start, List
    and Get cannot be limited to a bucket.
    """
    others = [each for each in dict.fromkeys(audio_buckets) if each != bucket]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AudioAndResults",
                "Effect": "Allow",
                "Action": [
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                ],
                "Resource": f"arn:aws:s3:::{bucket}/*",
            },
            {
                # Without ListBucket, S3 answers for a missing object that it is forbidden.
                "Sid": "SeeWhatIsThere",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"],
                "Resource": f"arn:aws:s3:::{bucket}",
            },
            *(_audio_elsewhere(others) if others else ()),
            {
                "Sid": "TranscriptionJobs",
                "Effect": "Allow",
                "Action": [
                    "transcribe:StartTranscriptionJob",
                    "transcribe:GetTranscriptionJob",
                    "transcribe:ListTranscriptionJobs",
                    "transcribe:DeleteTranscriptionJob",
                    "transcribe:TagResource",
                ],
                "Resource": "*",
            },
            {
                # Without it the worker uses the quotas of its settings.
                "Sid": "WhatTheAccountAllows",
                "Effect": "Allow",
                "Action": ["servicequotas:ListServiceQuotas"],
                "Resource": "*",
            },
        ],
    }


def _audio_elsewhere(buckets: Sequence[str]) -> tuple[dict[str, object], ...]:
    return (
        {
            "Sid": "AudioInPlace",
            "Effect": "Allow",
            "Action": ["s3:GetObject"],
            "Resource": [f"arn:aws:s3:::{bucket}/*" for bucket in buckets],
        },
        {
            "Sid": "SeeWhatAudioIsThere",
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": [f"arn:aws:s3:::{bucket}" for bucket in buckets],
        },
    )


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
