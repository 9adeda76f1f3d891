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
from botocore.validate import ParamValidator, ValidationErrors

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
    validator = _Validator()
    report = validator.validate(params, shape)
    if report.has_errors():
        raise bad_request("The request is not valid: " + report.generate_report())
    if validator.violations:
        raise bad_request("The request is not valid: " + "; ".join(validator.violations) + ".")


class _Validator(ParamValidator):
    """botocore's, which checks types, required fields and minima; this one checks all."""

    def __init__(self) -> None:
        # For these it looks at each member of a list.
        self.VALIDATED_METADATA_ATTRS = {*self.VALIDATED_METADATA_ATTRS, "enum", "max", "pattern"}
        self.violations: list[str] = []

    def _validate(self, params: Any, shape: Shape, errors: ValidationErrors, name: str) -> None:
        super()._validate(params, shape, errors, name)  # type: ignore[misc]
        if not errors.has_errors():
            self.violations += _violations(shape, params, name.removeprefix("."))


def _violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    is_number = isinstance(value, int | float)
    size = value if is_number else len(value)
    high = shape.metadata.get("max")
    if high is not None and size > high:
        what = path if is_number else f"the length of {path}"
        yield f"{what} is {size} and must be at most {high}"
    allowed = shape.metadata.get("enum")
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
    yield from _address_rules(params)
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


def _address_rules(params: Params) -> Iterator[str]:
    if "OutputKey" in params and "OutputBucketName" not in params:
        yield "OutputKey needs OutputBucketName."
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
