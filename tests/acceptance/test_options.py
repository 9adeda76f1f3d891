"""Options that AWS or its clients take reach AWS, and what AWS refuses is the job's error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.stages import CONTROL_QUEUE
from tests.support.messages import raw_message
from tests.support.stack import BUCKET, SAMPLES, Stack
from tests.support.waiting import until

ROLE = "arn:aws:iam::123456789012:role/Transcribe"


def described(served: Stack, name: str) -> dict[str, Any]:
    """What AWS knows of a job."""
    answer = served.aws("transcribe").get_transcription_job(TranscriptionJobName=name)
    found: dict[str, Any] = answer["TranscriptionJob"]
    return found


def test_a_role_without_deferral_reaches_aws(served: Stack) -> None:
    name = "role-only"
    served.client.submit(served.sample("hello-world.m4a"), name=name, data_access_role_arn=ROLE)
    served.job_in(name, JobState.COMPLETED)
    assert described(served, name)["JobExecutionSettings"] == {
        "AllowDeferredExecution": False,
        "DataAccessRoleArn": ROLE,
    }


def test_filters_by_language_reach_aws(served: Stack) -> None:
    name = "filters"
    served.client.submit(
        served.sample("hello-world.m4a"),
        name=name,
        language=["en-US", "de-DE"],
        vocabulary_filter_method="mask",
        language_id_settings={"en-US": {"vocabulary_filter_name": "f"}},
    )
    served.job_in(name, JobState.COMPLETED)
    assert described(served, name)["Settings"]["VocabularyFilterMethod"] == "mask"
    assert described(served, name)["LanguageIdSettings"] == {"en-US": {"VocabularyFilterName": "f"}}
    assert served.client.text(name).rstrip().endswith("***")


def test_what_aws_refuses_is_the_jobs_error(served: Stack) -> None:
    name = "refused"
    filters = {"en-US": {"vocabulary_filter_name": "f"}}
    served.client.submit(
        served.sample("hello-world.m4a"),
        name=name,
        language="auto",
        language_id_settings=filters,
    )
    error = served.job_in(name, JobState.FAILED, JobState.COMPLETED).error
    assert error is not None
    assert (error.code, error.stage) == ("BadRequestException", "start")
    assert "VocabularyFilterMethod" in error.message


@pytest.mark.parametrize(
    "address",
    [
        f"https://{BUCKET}.s3.us-east-1.amazonaws.com/theirs/my+talk.m4a",
        f"https://s3.dualstack.us-east-1.amazonaws.com/{BUCKET}/theirs/my%20talk.m4a",
    ],
)
def test_an_https_address_of_s3_means_the_object_itself(served: Stack, address: str) -> None:
    served.aws("s3").upload_file(str(SAMPLES / "hello-world.m4a"), BUCKET, "theirs/my talk.m4a")
    uri = f"s3://{BUCKET}/theirs/my talk.m4a"
    result = served.transcribe("submit", address, "--name", "by-https", "--cleanup", "--wait")
    assert result.returncode == 0, result.stderr
    job = served.client.get("by-https")
    assert job.media_uri == job.request.audio == uri
    assert "theirs/my talk.m4a" in served.objects()


def test_a_presigned_address_is_refused_in_a_sentence_that_does_not_repeat_it(
    served: Stack,
) -> None:
    signed = f"https://{BUCKET}.s3.amazonaws.com/a.wav?X-Amz-Signature=5ecre7"
    result = served.transcribe("submit", signed)
    assert result.returncode == 2
    assert "without a query" in result.stderr
    assert "5ecre7" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_signature_of_a_presigned_address_in_a_message_is_not_kept(served: Stack) -> None:
    signed = f"https://{BUCKET}.s3.amazonaws.com/a.wav?X-Amz-Signature=5ecre7"
    message = raw_message({"audio": signed, "name": "signed"})
    served.broker.command("LPUSH", CONTROL_QUEUE, message)
    job = until(lambda: served.client.get_many(["signed"]).get("signed"))
    assert job.state is JobState.FAILED
    assert "without a query" in job.error.message
    kept = [
        job.model_dump_json(),
        served.transcribe("status", "signed", "--json").stdout,
        *served.broker.command("LRANGE", str(keys.DEAD_LETTERS), 0, -1),
        json.dumps(served.log()),
    ]
    assert len(kept) == 4
    for each in kept:
        assert "signed" in each
        assert "5ecre7" not in each


def test_a_job_that_others_started_by_an_https_address_is_adopted(served: Stack) -> None:
    served.aws("s3").upload_file(str(SAMPLES / "hello-world.m4a"), BUCKET, "theirs/two.m4a")
    served.aws("transcribe").start_transcription_job(
        TranscriptionJobName="theirs",
        Media={"MediaFileUri": f"https://s3.us-east-1.amazonaws.com/{BUCKET}/theirs/two.m4a"},
        LanguageCode="en-US",
        OutputBucketName=BUCKET,
        OutputKey="transcribe-queue/theirs/theirs.json",
    )
    served.client.submit(f"s3://{BUCKET}/theirs/two.m4a", name="theirs")
    served.job_in("theirs", JobState.COMPLETED)
    jobs = [job for job in served.account()["jobs"] if job["name"] == "theirs"]
    assert len(jobs) == 1


@pytest.mark.parametrize(
    ("options", "languages"),
    [
        ({"language": "en-AU"}, ("en-AU",)),
        ({"language": ["fr-FR", "en-IE"]}, ("en-IE",)),
        ({"language": "auto", "identify_multiple_languages": True}, ("en-US",)),
    ],
)
def test_a_transcript_names_its_language_though_the_document_may_not(
    served: Stack, options: dict[str, Any], languages: tuple[str, ...]
) -> None:
    job = served.client.submit(served.sample("hello-world.m4a"), **options)
    served.job_in(job.id, JobState.COMPLETED)
    transcript = served.client.result(job.id)
    assert (transcript.language, transcript.languages) == (languages[0], languages)
    results = json.loads(transcript.render("json"))["results"]
    named = {"language_code", "language_codes"} & results.keys()
    assert bool(named) == (options != {"language": "en-AU"})
