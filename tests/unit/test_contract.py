"""The contract: what a request may say, how it is refused, what becomes a job's id and record."""

import json
import math
import string
from typing import Any, get_args

import jsonschema
import pytest
from botocore.model import StringShape
from botocore.session import Session
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

import producer
from producer import InvalidRequest, Job, JobState, TranscriptionRequest
from producer.contract.job import TERMINAL_STATES
from producer.contract.languages import LANGUAGE_CODES
from producer.contract.options import MediaFormat, PiiEntityType, Subtitles

AUDIO = "/recordings/talk.wav"
SERVICE = Session().get_service_model("transcribe")


def request(**fields: Any) -> TranscriptionRequest:
    return TranscriptionRequest.parse({"audio": AUDIO, **fields})


def refusal(fields: object) -> str:
    with pytest.raises(InvalidRequest) as caught:
        TranscriptionRequest.parse(fields)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_the_public_names_are_exactly_these() -> None:
    assert producer.__all__ == sorted(producer.__all__)
    assert set(producer.__all__) == {
        "RecoveryFailed",
        "BadTranscript",
        "BrokerUnavailable",
        "BrokerUnusable",
        "Client",
        "InvalidRequest",
        "InvalidSettings",
        "Job",
        "JobError",
        "JobExists",
        "JobFailed",
        "JobNotFound",
        "JobState",
        "DeadLetterNotFound",
        "ResultUnavailable",
        "TranscribeQueueError",
        "Transcript",
        "TranscriptionRequest",
        "WaitTimeout",
        "WrongState",
    }
    assert all(getattr(producer, name).__name__ == name for name in producer.__all__)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "audio: "),
        ({"audio": ""}, "audio: "),
        ({"audio": None}, "audio: "),
        ({"audio": "talk.wav"}, "audio: a path must be absolute"),
        ({"audio": "./talk.wav"}, "audio: a path must be absolute"),
        ({"audio": "/a\0b.wav"}, "audio: a path cannot contain a NUL"),
        ({"audio": "s3://bucket"}, "audio: a URI must have the form s3://bucket/key"),
        ({"audio": "s3://bucket/"}, "audio: a URI must have the form s3://bucket/key"),
        ({"audio": "s3://Bucket/a.wav"}, "audio: a URI must have the form s3://bucket/key"),
        ({"audio": "https://example.org/a.wav"}, "audio: a URI must have the form"),
        ({"audio": "https://bucket.s3.amazonaws.com.example.org/a"}, "audio: a URI must have"),
        ({"audio": "http://bucket.s3.amazonaws.com/a.wav"}, "audio: a URI must have the form"),
        ({"audio": "https://s3.amazonaws.com/bucket"}, "audio: a URI must have the form"),
        ({"audio": "https://bucket.s3.amazonaws.com/"}, "audio: a URI must have the form"),
        ({"audio": "https://me@bucket.s3.amazonaws.com/a"}, "audio: a URI must have the form"),
        ({"audio": "https://bucket.s3.amazonaws.com:99/a"}, "audio: a URI must have the form"),
        ({"audio": "https://bucket.s3.amazonaws.com/a#b"}, "audio: a URI must have the form"),
        ({"audio": "https://bucket.s3.amazonaws.com/%ff"}, "audio: a URI must have the form"),
        ({"audio": "https://bucket.s3.amazonaws.com/%00"}, "audio: a path cannot contain a NUL"),
        ({"audio": "https://[bucket.s3.amazonaws.com/a"}, "audio: a URI must have the form"),
        (
            {"audio": "https://bucket.s3.amazonaws.com/a.wav?X-Amz-Signature=s3cr3t"},
            "audio: an https:// address of S3 is taken without a query",
        ),
        ({"audio": "file:///a.wav"}, "audio: a URI must have the form"),
        ({"audio": "/" + "a" * 4096}, "audio: "),
        ({"audio": AUDIO, "name": ""}, "name: a name has 1 to 190"),
        ({"audio": AUDIO, "name": "a/b"}, "name: a name has 1 to 190"),
        ({"audio": AUDIO, "name": "a b"}, "name: a name has 1 to 190"),
        ({"audio": AUDIO, "name": "ä"}, "name: a name has 1 to 190"),
        ({"audio": AUDIO, "name": "a\n"}, "name: a name has 1 to 190"),
        ({"audio": AUDIO, "name": ".."}, "name: a name has 1 to 190"),
        ({"audio": AUDIO, "name": "a" * 191}, "name: a name has 1 to 190"),
        ({"audio": AUDIO, "name": 5}, "name: "),
        ({"audio": AUDIO, "key": ""}, "key: "),
        ({"audio": AUDIO, "key": "a b"}, "key: an S3 key may use"),
        ({"audio": AUDIO, "key": "a" * 1001}, "key: "),
        ({"audio": AUDIO, "key": "calls/"}, "key: it names an object, not a folder"),
        ({"audio": AUDIO, "language": "english"}, "language: 'english' is not a language code"),
        ({"audio": AUDIO, "language": "en-us"}, "language: 'en-us' is not a language code"),
        ({"audio": AUDIO, "language": ["en-US"]}, "language: a list of languages"),
        ({"audio": AUDIO, "language": ["en-US", "xx"]}, "language: 'xx' is not a language code"),
        ({"audio": AUDIO, "language": ["en-US", "auto"]}, "language: 'auto' is not a language"),
        ({"audio": AUDIO, "language": 5}, "language: "),
        ({"audio": AUDIO, "formats": ["pdf"]}, "formats.0: "),
        ({"audio": AUDIO, "formats": "txt"}, "formats: "),
        ({"audio": AUDIO, "output": ""}, "output: "),
        ({"audio": AUDIO, "output": "a\0"}, "output: a path cannot contain a NUL"),
        ({"audio": AUDIO, "output": "x" * 256}, "output: a folder's name has at most 255 bytes"),
        ({"audio": AUDIO, "output": "a/" + "ä" * 128}, "output: a folder's name has at most 255"),
        ({"audio": AUDIO, "output": ("😀" * 63 + "/") * 16}, "output: it has at most 3840 bytes"),
        ({"audio": AUDIO, "output": "{stem"}, "output: a brace that is no field is doubled"),
        ({"audio": AUDIO, "output": "a}"}, "output: a brace that is no field is doubled"),
        ({"audio": AUDIO, "output": "{audio}"}, "output: it has a field that is none of {id}"),
        ({"audio": AUDIO, "output": "{stem.x}"}, "output: it has a field that is none of {id}"),
        ({"audio": AUDIO, "output": "{id!r}"}, "output: it has a field that is none of {id}"),
        ({"audio": AUDIO, "output": "{id:>9}"}, "output: it has a field that is none of {id}"),
        ({"audio": AUDIO, "output": "{}"}, "output: it has a field that is none of {id}"),
        ({"audio": AUDIO, "output": "{folder}/"}, "output: it ends with a name for the files"),
        ({"audio": AUDIO, "cleanup": "perhaps"}, "cleanup: "),
        ({"audio": AUDIO, "priority": 10}, "priority: "),
        ({"audio": AUDIO, "priority": -1}, "priority: "),
        ({"audio": AUDIO, "deadline": 0}, "deadline: "),
        ({"audio": AUDIO, "deadline": 91 * 86400}, "deadline: "),
        ({"audio": AUDIO, "deadline": math.nan}, "deadline: "),
        ({"audio": AUDIO, "metadata": {"a": "x" * 8192}}, "metadata: metadata is over 8192 bytes"),
        ({"audio": AUDIO, "metadata": ["a"]}, "metadata: "),
        ({"audio": AUDIO, "metadata": {"a": "\ud800"}}, "metadata: "),
        ({"audio": AUDIO, "metadata": {"tenant": ""}}, "metadata: tenant must be a text"),
        ({"audio": AUDIO, "metadata": {"tenant": "a\nb"}}, "metadata: tenant must be a text"),
        (
            {"audio": AUDIO, "metadata": {"tenant": "a" * 101}},
            "metadata: tenant must be a text",
        ),
        ({"audio": AUDIO, "metadata": {"a": object()}}, "metadata.a: "),
        ({"audio": AUDIO, "nonsense": 1}, "nonsense: there is no such field"),
        ({"audio": AUDIO, "media_format": "aiff"}, "media_format: "),
        ({"audio": AUDIO, "media_sample_rate_hertz": 7999}, "media_sample_rate_hertz: "),
        ({"audio": AUDIO, "media_sample_rate_hertz": 48001}, "media_sample_rate_hertz: "),
        ({"audio": AUDIO, "show_speaker_labels": True}, "show_speaker_labels and max_"),
        ({"audio": AUDIO, "max_speaker_labels": 2}, "show_speaker_labels and max_"),
        (
            {"audio": AUDIO, "show_speaker_labels": True, "max_speaker_labels": 31},
            "max_speaker_labels: ",
        ),
        ({"audio": AUDIO, "show_alternatives": True}, "show_alternatives and max_"),
        ({"audio": AUDIO, "show_alternatives": True, "max_alternatives": 1}, "max_alternatives: "),
        ({"audio": AUDIO, "vocabulary_filter_name": "f"}, "vocabulary_filter_name needs"),
        ({"audio": AUDIO, "vocabulary_name": "a b"}, "vocabulary_name: "),
        ({"audio": AUDIO, "language_model_name": "a" * 201}, "language_model_name: "),
        ({"audio": AUDIO, "identify_multiple_languages": True}, "identify_multiple_languages"),
        ({"audio": AUDIO, "language_id_settings": {"xx": {}}}, "language_id_settings has a key"),
        (
            {
                "audio": AUDIO,
                "language": "auto",
                "language_id_settings": {
                    code: {} for code in ("en-US", "en-GB", "de-DE", "fr-FR", "it-IT", "es-ES")
                },
            },
            "language_id_settings: ",
        ),
        (
            {
                "audio": AUDIO,
                "language": "auto",
                "identify_multiple_languages": True,
                "language_id_settings": {"en-US": {"language_model_name": "m"}},
            },
            "identify_multiple_languages takes no language_model_name",
        ),
        ({"audio": AUDIO, "allow_deferred_execution": True}, "allow_deferred_execution needs"),
        ({"audio": AUDIO, "data_access_role_arn": "me"}, "data_access_role_arn: "),
        (
            {"audio": AUDIO, "data_access_role_arn": "arn:aws:iam::123456789012:user/me"},
            "data_access_role_arn: ",
        ),
        ({"audio": AUDIO, "output_encryption_kms_key_id": "-k"}, "output_encryption_kms_key_id: "),
        (
            {"audio": AUDIO, "output_encryption_kms_key_id": "k" * 2049},
            "output_encryption_kms_key_id: ",
        ),
        (
            {"audio": AUDIO, "kms_encryption_context": {str(n): "x" for n in range(11)}},
            "kms_encryption_context: ",
        ),
        (
            {"audio": AUDIO, "content_redaction": {"pii_entity_types": ["SHOE_SIZE"]}},
            "content_redaction.pii_entity_types.0: ",
        ),
        ({"audio": AUDIO, "subtitles": {"formats": ["ass"]}}, "subtitles.formats.0: "),
        (
            {"audio": AUDIO, "subtitles": {"formats": ["srt"], "output_start_index": 2}},
            "subtitles.output_start_index: ",
        ),
        ({"audio": AUDIO, "tags": {str(n): "x" for n in range(51)}}, "tags: "),
        ({"audio": AUDIO, "tags": {"": "x"}}, "tags."),
        ({"audio": AUDIO, "tags": {"k" * 129: "x"}}, "tags."),
        ({"audio": AUDIO, "tags": {"k": "x" * 257}}, "tags.k: "),
        ({"audio": AUDIO, "tags": {"aws:k": "x"}}, "tags: a key cannot begin with aws:"),
        ("a string", "Input should be"),
        (None, "Input should be"),
        (["a"], "Input should be"),
    ],
)
def test_a_bad_request_is_refused_in_one_sentence(fields: object, says: str) -> None:
    sentence = refusal(fields)

    assert sentence.startswith(f"Invalid request: {says}")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "pydantic" not in sentence
    assert len(sentence) < 600


@pytest.mark.parametrize(
    "address",
    [
        "s3://my.bucket/a b/c+d.wav",
        "https://my.bucket.s3.amazonaws.com/a%20b/c%2Bd.wav",
        # As S3's console writes it.
        "https://my.bucket.s3.eu-west-1.amazonaws.com/a+b/c%2Bd.wav",
        "https://my.bucket.s3-eu-west-1.amazonaws.com/a%20b/c%2bd.wav",
        "https://my.bucket.s3.dualstack.ap-southeast-2.amazonaws.com/a%20b/c%2Bd.wav",
        "https://my.bucket.s3-fips.us-gov-west-1.amazonaws.com/a%20b/c%2Bd.wav",
        "https://my.bucket.s3-accelerate.amazonaws.com/a%20b/c%2Bd.wav",
        "https://my.bucket.s3.cn-north-1.amazonaws.com.cn/a%20b/c%2Bd.wav",
        "HTTPS://My.Bucket.S3.amazonaws.com:443/a%20b/c%2Bd.wav",
        "https://s3.amazonaws.com/my.bucket/a%20b/c%2Bd.wav",
        "https://s3.eu-west-1.amazonaws.com/my.bucket/a%20b/c%2Bd.wav",
        "https://s3.dualstack.eu-west-1.amazonaws.com/my.bucket/a%20b/c%2Bd.wav",
    ],
)
def test_every_address_of_an_object_is_read_as_the_same_request(address: str) -> None:
    made = request(audio=address)

    assert made.audio == "s3://my.bucket/a b/c+d.wav"
    assert made.is_on_s3
    assert made == request(audio="s3://my.bucket/a b/c+d.wav")


@pytest.mark.parametrize(
    "fields",
    [
        {"data_access_role_arn": "arn:aws-us-gov:iam::123456789012:role/a/b"},
        {"vocabulary_filter_method": "mask"},
        {"show_speaker_labels": True, "max_speaker_labels": 2, "channel_identification": True},
        {"kms_encryption_context": {"a": "b"}},
        {"language_id_settings": {"en-US": {"vocabulary_name": "v"}}},
        {"language": "auto", "language_id_settings": {"en-US": {"vocabulary_filter_name": "f"}}},
        {"language": ["en-US", "en-US"]},
        {"subtitles": {"formats": []}},
        {"tags": {"k" * 128: "x" * 256, "not-aws:k": ""}},
        {"output_encryption_kms_key_id": "arn:aws:kms:us-west-2:111122223333:key/1234-ab"},
    ],
)
def test_what_no_document_of_aws_refuses_is_left_to_aws(fields: dict[str, Any]) -> None:
    request(**fields)


def test_every_wrong_field_is_named_in_the_one_sentence() -> None:
    sentence = refusal({"audio": "talk.wav", "priority": 99, "nonsense": 1})

    assert sentence.count("Invalid request") == 1
    assert all(field in sentence for field in ("audio: ", "priority: ", "nonsense: "))


def test_the_value_of_an_unknown_field_is_not_repeated() -> None:
    assert "s3cr3t" not in refusal({"audio": AUDIO, "aws_secret_access_key": "s3cr3t"})


@pytest.mark.parametrize("own", [7, 0, True, None, 1.5, ["a"], {"id": "a"}])
def test_a_tenant_that_is_no_text_is_the_callers_own(own: Any) -> None:
    read = TranscriptionRequest.parse({"audio": AUDIO, "metadata": {"tenant": own}})
    assert read.metadata == {"tenant": own}
    assert read.tenant == ""


def test_a_tenant_that_is_a_text_is_whose_job_it_is() -> None:
    read = TranscriptionRequest.parse({"audio": AUDIO, "metadata": {"tenant": "a" * 100}})
    assert read.tenant == "a" * 100


def test_a_request_never_changes() -> None:
    made = request()

    with pytest.raises(ValidationError, match="frozen"):
        made.priority = 1  # type: ignore[misc]
    made.metadata["mine"] = 1
    assert request().metadata == {}


@pytest.mark.parametrize(
    "same",
    [
        {"priority": 5},
        {"formats": ["txt", "txt"]},
        {"language": "en-US", "cleanup": False, "metadata": {}},
    ],
)
def test_requests_that_mean_the_same_have_the_same_canonical_form(same: dict[str, Any]) -> None:
    assert request(**same) == request()
    assert request(**same).canonical() == request().canonical() == json.dumps({"audio": AUDIO})


def test_the_order_of_fields_and_keys_does_not_count() -> None:
    one = {"name": "n", "tags": {"a": "1", "b": "2"}, "metadata": {"x": [1], "y": {"b": 1, "a": 2}}}
    other = {
        "metadata": {"y": {"a": 2, "b": 1}, "x": [1]},
        "tags": {"b": "2", "a": "1"},
        "name": "n",
    }

    assert request(**one).canonical() == request(**other).canonical()


@pytest.mark.parametrize(
    "other",
    [{"priority": 4}, {"metadata": {"a": 1}}, {"formats": ["srt"]}, {"language": "auto"}],
)
def test_requests_that_differ_have_other_canonical_forms(other: dict[str, Any]) -> None:
    assert request(**other).canonical() != request().canonical()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(metadata=st.dictionaries(st.text(max_size=8), JSON_VALUES, max_size=3))
def test_the_canonical_form_reads_back_as_the_same_request(metadata: dict[str, Any]) -> None:
    made = request(metadata=metadata)
    again = TranscriptionRequest.parse(json.loads(made.canonical()))

    assert again == made
    assert again.metadata == metadata
    assert again.canonical() == made.canonical()


LEGAL = set(string.ascii_letters + string.digits + "._-")


@given(stem=st.text(min_size=1, max_size=300))
@example("..")
@example("...")
@example("🎙️")
@example("Gespräch mit Zoë")
@example("line\nbreak\x1b[31m")
@example("x" * 4000)
@example("-rf")
@example(".hidden")
def test_a_new_job_id_is_legal_whatever_the_file_is_called(stem: str) -> None:
    stem = stem.replace("\0", "")
    # Not by `parse`: an id must be legal even for a name that is refused.
    made = TranscriptionRequest.model_construct(audio=f"/recordings/{stem}.wav", name=None)

    job_id = made.new_job_id()

    assert set(job_id) <= LEGAL
    assert job_id[0] not in "-."
    assert 10 < len(job_id) <= 190
    assert request(name=job_id).new_job_id() == job_id


@pytest.mark.parametrize(
    ("stem", "start"),
    [
        ("\u00e9t\u00e9 \u2013 na\u00efve \u65e5\u672c\u8a9e", "ete-naive-RiBenYu-"),
        ("\u0418\u043d\u0442\u0435\u0440\u0432\u044c\u044e", "Intervyu-"),
        ("!?", "audio-"),
    ],
)
def test_a_new_job_id_says_the_name_of_the_file_in_any_script(stem: str, start: str) -> None:
    assert request(audio=f"/r/{stem}.wav").new_job_id().startswith(start)


def test_a_new_job_id_contains_the_file_name_and_is_unique() -> None:
    ids = {request(audio="/r/My talk (final).wav").new_job_id() for _ in range(100)}

    assert len(ids) == 100
    assert all(job_id.startswith("My-talk-final-") for job_id in ids)
    assert request(audio="s3://bucket/a/talk.mp3").new_job_id().startswith("talk-")
    assert request(name="mine").new_job_id() == "mine"


def choices(name: str) -> set[str]:
    """What the service allows for a string by its name."""
    shape = SERVICE.shape_for(name)
    assert isinstance(shape, StringShape)
    return set(shape.enum)


def test_the_languages_are_those_of_the_service() -> None:
    assert choices("LanguageCode") == LANGUAGE_CODES


@pytest.mark.parametrize(
    ("ours", "theirs"), [(PiiEntityType, "PiiEntityType"), (MediaFormat, "MediaFormat")]
)
def test_the_choices_are_those_of_the_service(ours: Any, theirs: str) -> None:
    assert set(get_args(ours)) == choices(theirs)


@pytest.mark.parametrize(
    ("field", "theirs"),
    [
        ("output_encryption_kms_key_id", "KMSKeyId"),
        ("data_access_role_arn", "DataAccessRoleArn"),
        ("vocabulary_name", "VocabularyName"),
        ("vocabulary_filter_name", "VocabularyFilterName"),
        ("language_model_name", "ModelName"),
    ],
)
def test_patterns_and_lengths_are_those_of_the_service(field: str, theirs: str) -> None:
    ours = TranscriptionRequest.model_json_schema()["properties"][field]["anyOf"][0]
    limits = SERVICE.shape_for(theirs).metadata

    assert (ours["minLength"], ours["maxLength"]) == (limits["min"], limits["max"])
    # The service matches the whole value, whether or not the pattern is anchored at its end.
    assert ours["pattern"].removesuffix("$") == limits["pattern"].removesuffix("$")


def test_the_json_schema_accepts_good_requests_and_refuses_bad_ones() -> None:
    schema = json.loads(json.dumps(TranscriptionRequest.model_json_schema()))
    validator = jsonschema.Draft202012Validator(schema)
    jsonschema.Draft202012Validator.check_schema(schema)

    validator.validate({"audio": AUDIO})
    validator.validate(
        {
            "audio": AUDIO,
            "language": ["en-US", "de-DE"],
            "formats": ["srt"],
            "subtitles": {"formats": ["vtt"]},
            "metadata": {"a": [1, None]},
        }
    )
    for bad in (
        {},
        {"audio": ""},
        {"audio": AUDIO, "nonsense": 1},
        {"audio": AUDIO, "formats": ["pdf"]},
        {"audio": AUDIO, "priority": 10},
        {"audio": AUDIO, "subtitles": {"formats": ["txt"]}},
        {"audio": AUDIO, "content_redaction": {"pii_entity_types": ["SHOE_SIZE"]}},
    ):
        assert not validator.is_valid(bad), bad


def test_every_field_of_the_contract_is_described() -> None:
    own = TranscriptionRequest.__annotations__
    described = TranscriptionRequest.model_json_schema()["properties"]

    assert all(described[name].get("description") or name == "audio" for name in own)


def record(**fields: str) -> dict[str, str]:
    return {
        "state": "QUEUED",
        "request": request(name="mine").canonical(),
        "attempt": "1",
        "at.QUEUED": "1700000000.5",
        **fields,
    }


def test_a_job_is_read_from_its_record() -> None:
    job = Job.from_record(
        "mine",
        record(
            **{
                "state": "COMPLETED",
                "attempt": "2",
                "at.COMPLETED": "1700000060",
                "deadline_at": "1700009999",
                "media_uri": "s3://b/k",
                "result_uri": "",
                "files": '{"txt": "/results/mine/transcript.txt"}',
                "some_later_field": "of a newer version",
            }
        ),
    )

    assert (job.id, job.state, job.attempt, job.aws_name) == (
        "mine",
        JobState.COMPLETED,
        2,
        "mine--try-2",
    )
    assert job.created_at.isoformat() == "2023-11-14T22:13:20.500000+00:00"
    assert job.updated_at.isoformat() == "2023-11-14T22:14:20+00:00"
    assert job.deadline_at is not None
    assert job.deadline_at.timestamp() == 1700009999
    assert (job.media_uri, job.result_uri, job.error) == ("s3://b/k", None, None)
    assert str(job.files["txt"]) == "/results/mine/transcript.txt"
    assert job.request == request(name="mine")
    assert Job.from_record("mine", record()).aws_name == "mine"


def test_a_failed_job_says_why_and_where() -> None:
    error = {"error.code": "TooShort", "error.message": "It is.", "error.stage": "upload"}
    job = Job.from_record("mine", record(state="FAILED", **{"at.FAILED": "1700000001"}, **error))

    assert job.error is not None
    assert job.error.model_dump() == {"code": "TooShort", "message": "It is.", "stage": "upload"}


def test_a_refused_request_is_shown_as_it_came() -> None:
    refused = record(
        state="FAILED",
        request='{"name": "mine", "audio": "not absolute"}',
        **{"error.code": "InvalidRequest", "at.FAILED": "1700000001"},
    )

    assert Job.from_record("mine", refused).request.audio == "not absolute"


def test_a_request_with_fields_of_a_newer_producer_can_be_read() -> None:
    request = '{"audio": "/a.wav", "colour": "red", "subtitles": {"formats": ["srt"]}}'
    newer = Job.from_record("mine", record(request=request))
    assert newer.request.audio == "/a.wav"
    assert newer.request.language == "en-US"
    assert newer.request.subtitles == Subtitles(formats=("srt",))


def test_only_three_states_are_final() -> None:
    assert {state for state in JobState if state.is_terminal} == TERMINAL_STATES
    assert {"COMPLETED", "FAILED", "CANCELLED"} == TERMINAL_STATES


def test_a_job_is_retried_only_if_it_ended_badly_right_before() -> None:
    times = {"at.TRANSCRIBING": "1700000003", "at.COLLECTING": "1700000009"}

    def retried(**more: str) -> bool:
        fields = {"state": "COLLECTING", **times, **{f"at.{k}": v for k, v in more.items()}}
        return Job.from_record("mine", record(**fields)).is_retried

    assert not retried()
    assert retried(FAILED="1700000005")
    assert retried(CANCELLED="1700000005")
    assert not retried(FAILED="1700000002"), "of an earlier attempt"
    assert not retried(FAILED="1700000004", COMPLETED="1700000006"), "collected anew, as corrected"
    assert not Job.from_record("mine", record(**times, state="TRANSCRIBING")).is_retried
