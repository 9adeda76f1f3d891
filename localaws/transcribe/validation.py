"""Validation of requests: types and limits from botocore's model, and the rules between fields,
which only the text of the API reference states.

Requests that the text only advises against are valid, as they are for the service.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator

from localaws.errors import bad_request
from localaws.transcribe import media_uri

#: The service accepts files of up to 2 GB, written as 2048 MB in its quotas.
MAX_MEDIA_BYTES = 2048 * 1024 * 1024
MAX_TAGS = 50

Params = dict[str, Any]


@cache
def service_model() -> ServiceModel:
    """Amazon Transcribe's model as botocore ships it."""
    return botocore.session.get_session().get_service_model("transcribe")


def check_shape(operation: str, params: Params) -> None:
    """Check types, required fields, lengths, ranges, patterns and enums.

    Raises ServiceError (BadRequestException) naming every violation.
    """
    shape: Any = service_model().operation_model(operation).input_shape
    # botocore checks types, required fields and minima, and no enum, pattern or maximum.
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        raise bad_request("The request is not valid: " + report.generate_report())
    violations = list(_violations(shape, params, ""))
    if violations:
        raise bad_request("The request is not valid: " + "; ".join(violations) + ".")


def _violations(shape: Shape | None, value: Any, path: str) -> Iterator[str]:
    if shape is None:
        return
    if shape.type_name == "structure":
        for name, member in value.items():
            inner = shape.members[name]  # type: ignore[attr-defined]
            yield from _violations(inner, member, f"{path}.{name}" if path else name)
        return
    yield from _size_violations(shape, value, path)
    if shape.type_name == "list":
        for index, member in enumerate(value):
            yield from _violations(shape.member, member, f"{path}[{index}]")  # type: ignore[attr-defined]
    elif shape.type_name == "map":
        for key, member in value.items():
            yield from _violations(shape.key, key, f"{path} key {key!r}")  # type: ignore[attr-defined]
            yield from _violations(shape.value, member, f"{path}[{key!r}]")  # type: ignore[attr-defined]
    elif shape.type_name == "string":
        yield from _text_violations(shape, value, path)


def _size_violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    number = isinstance(value, int | float)
    if isinstance(value, bool):
        return
    size = value if number else len(value)
    what = path if number else f"the length of {path}"
    high = shape.metadata.get("max")
    if high is not None and size > high:
        yield f"{what} is {size} and must be at most {high}"


def _text_violations(shape: Shape, value: str, path: str) -> Iterator[str]:
    allowed = getattr(shape, "enum", None)
    if allowed and value not in allowed:
        yield f"{path} is {value!r} and must be one of {', '.join(allowed)}"
    pattern = shape.metadata.get("pattern")
    # The service matches the whole value, whether or not the pattern is anchored.
    if pattern and not re.fullmatch(pattern, value):
        yield f"{path} is {value!r} and must match {pattern}"


def check_start(params: Params) -> None:
    """Check the rules between the fields of StartTranscriptionJob.

    Raises ServiceError (BadRequestException) with the first rule broken.
    """
    for broken in _broken_rules(params):
        raise bad_request(broken)


def _broken_rules(params: Params) -> Iterator[str]:
    yield from _language_rules(params)
    yield from _settings_rules(params)
    yield from _output_rules(params)
    yield from _media_rules(params)
    yield from _tag_rules(params.get("Tags", []))


def _language_rules(params: Params) -> Iterator[str]:
    identify = params.get("IdentifyLanguage"), params.get("IdentifyMultipleLanguages")
    count = sum(map(bool, (params.get("LanguageCode"), *identify)))
    if count == 0:
        yield (
            "The language code is missing. Either add a language code or turn on language "
            "identification."
        )
    if count > 1:
        yield "Set exactly one of LanguageCode, IdentifyLanguage and IdentifyMultipleLanguages."
    options = params.get("LanguageOptions")
    if options is not None:
        if not any(identify):
            yield "LanguageOptions needs IdentifyLanguage or IdentifyMultipleLanguages."
        if len(options) < 2:
            yield "LanguageOptions must name at least two languages."
    models = [params.get("ModelSettings", {}), *params.get("LanguageIdSettings", {}).values()]
    if identify[1] and any("LanguageModelName" in each for each in models):
        yield "IdentifyMultipleLanguages does not work with custom language models."


def _settings_rules(params: Params) -> Iterator[str]:
    settings = params.get("Settings", {})
    for flag, maximum in (
        ("ShowSpeakerLabels", "MaxSpeakerLabels"),
        ("ShowAlternatives", "MaxAlternatives"),
    ):
        if bool(settings.get(flag)) != (maximum in settings):
            yield f"Settings.{flag} (true) and Settings.{maximum} must be set together."
    filters = [settings, *params.get("LanguageIdSettings", {}).values()]
    if "VocabularyFilterMethod" not in settings and any(
        "VocabularyFilterName" in each for each in filters
    ):
        yield "VocabularyFilterName needs Settings.VocabularyFilterMethod."
    if "ModelSettings" in params and "LanguageModelName" not in params["ModelSettings"]:
        yield "ModelSettings needs LanguageModelName."
    execution = params.get("JobExecutionSettings")
    if execution is not None and execution.keys() != {
        "AllowDeferredExecution",
        "DataAccessRoleArn",
    }:
        yield "JobExecutionSettings needs both AllowDeferredExecution and DataAccessRoleArn."


def _output_rules(params: Params) -> Iterator[str]:
    if "OutputKey" in params and "OutputBucketName" not in params:
        yield "OutputKey needs OutputBucketName."


def _media_rules(params: Params) -> Iterator[str]:
    media = params["Media"]
    if "MediaFileUri" not in media:
        yield "Media.MediaFileUri is missing."
        return
    if "RedactedMediaFileUri" in media:
        yield "Media.RedactedMediaFileUri belongs to Call Analytics jobs, not to these."
    address = media_uri.split(media["MediaFileUri"])
    if address is None or not all(address):
        yield "Media.MediaFileUri must name an object of S3: s3://bucket/key, or its https address."


def _tag_rules(tags: list[dict[str, str]]) -> Iterator[str]:
    keys = [tag["Key"] for tag in tags]
    if len(keys) != len(set(keys)):
        yield "A tag's key occurs more than once."
    if len(keys) > MAX_TAGS:
        yield f"A resource has at most {MAX_TAGS} tags."
    if any(key.lower().startswith("aws:") for key in keys):
        yield "Tag keys that begin with aws: are reserved."


def check_media(size: int | None) -> None:
    """Check the media object; `size` in bytes, None if there is no object.

    Raises ServiceError (BadRequestException).
    """
    if size is None:
        raise bad_request(
            "The S3 URI that you provided can't be accessed: there is no such object, or it "
            "cannot be read."
        )
    if size > MAX_MEDIA_BYTES:
        raise bad_request(
            f"Invalid file size: file size too large. The media has {size} bytes; the service "
            f"accepts at most {MAX_MEDIA_BYTES}."
        )
