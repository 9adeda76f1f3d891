"""`transcribe policy`: the least that workers must be allowed in AWS."""

from __future__ import annotations

import json
import re

import click

from producer.cli import output


def worker_policy(bucket: str) -> dict[str, object]:
    """The IAM policy of a worker that uses `bucket`.

    Source: the actions that the worker calls, and the Service Authorization Reference: Start, List
    and Get cannot be limited to a bucket.
    """
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
                # Without ListBucket a missing object is answered as forbidden.
                "Sid": "SeeWhatIsThere",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"],
                "Resource": f"arn:aws:s3:::{bucket}",
            },
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
                # Without it the settings say what the account allows.
                "Sid": "WhatTheAccountAllows",
                "Effect": "Allow",
                "Action": ["servicequotas:ListServiceQuotas"],
                "Resource": "*",
            },
        ],
    }


@click.command()
@click.option("--bucket", required=True, help="The bucket that workers use (TRANSCRIBE_BUCKET).")
def policy(bucket: str) -> None:
    """Print the least-privilege IAM policy for the workers.

    \b
    Examples:
      transcribe policy --bucket my-recordings > policy.json
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
        raise click.UsageError(f"{bucket!r} is not the name of an S3 bucket.")
    output.data(json.dumps(worker_policy(bucket), indent=2))
