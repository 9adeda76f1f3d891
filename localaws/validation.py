"""What the service refuses at once: types and limits from botocore's model, and the rules
between fields, which the model does not carry.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator

from localaws.errors import bad_request

#: The service takes files of up to 2 GB, written as 2048 MB in its quotas.
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
    # botocore knows types and required fields, and no enum, pattern or maximum.
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
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"{what} is {size} and must be at least {low}"
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
    yield from _by_language_rules(params)
    yield from _settings_rules(params)
    yield from _output_rules(params)
    yield from _media_rules(params)
    yield from tag_rules(params.get("Tags", []))


def _language_rules(params: Params) -> Iterator[str]:
    identify = params.get("IdentifyLanguage"), params.get("IdentifyMultipleLanguages")
    if sum(map(bool, (params.get("LanguageCode"), *identify))) != 1:
        yield ("Give exactly one of LanguageCode, IdentifyLanguage and IdentifyMultipleLanguages.")
    options = params.get("LanguageOptions")
    if options is not None:
        if not any(identify):
            yield "LanguageOptions needs IdentifyLanguage or IdentifyMultipleLanguages."
        if len(set(options)) < 2:
            yield "LanguageOptions must name at least two different languages."


def _by_language_rules(params: Params) -> Iterator[str]:
    identify = params.get("IdentifyLanguage"), params.get("IdentifyMultipleLanguages")
    by_language = params.get("LanguageIdSettings")
    if by_language is not None:
        if not any(identify):
            yield "LanguageIdSettings needs IdentifyLanguage or IdentifyMultipleLanguages."
        if not set(by_language) <= set(params.get("LanguageOptions", ())):
            yield "Every language in LanguageIdSettings must also be in LanguageOptions."
        if identify[1] and any("LanguageModelName" in each for each in by_language.values()):
            yield "IdentifyMultipleLanguages does not work with custom language models."
    if any(identify):
        settings = params.get("Settings", {})
        if params.get("ModelSettings") or settings.keys() & {
            "VocabularyName",
            "VocabularyFilterName",
        }:
            yield (
                "When languages are identified, vocabularies and models belong in "
                "LanguageIdSettings."
            )


def _settings_rules(params: Params) -> Iterator[str]:
    settings = params.get("Settings", {})
    for flag, maximum in (
        ("ShowSpeakerLabels", "MaxSpeakerLabels"),
        ("ShowAlternatives", "MaxAlternatives"),
    ):
        if bool(settings.get(flag)) != (maximum in settings):
            yield f"Settings.{flag} (true) and Settings.{maximum} must be given together."
    if ("VocabularyFilterName" in settings) != ("VocabularyFilterMethod" in settings):
        yield (
            "Settings.VocabularyFilterName and Settings.VocabularyFilterMethod must be given "
            "together."
        )
    if "ModelSettings" in params and "LanguageModelName" not in params["ModelSettings"]:
        yield "ModelSettings needs LanguageModelName."
    execution = params.get("JobExecutionSettings", {})
    if ("AllowDeferredExecution" in execution) != ("DataAccessRoleArn" in execution):
        yield (
            "JobExecutionSettings needs both AllowDeferredExecution and DataAccessRoleArn, "
            "or neither."
        )


def _output_rules(params: Params) -> Iterator[str]:
    for name in ("OutputKey", "OutputEncryptionKMSKeyId"):
        if name in params and "OutputBucketName" not in params:
            yield f"{name} needs OutputBucketName."
    if "KMSEncryptionContext" in params and "OutputEncryptionKMSKeyId" not in params:
        yield "KMSEncryptionContext needs OutputEncryptionKMSKeyId."


def _media_rules(params: Params) -> Iterator[str]:
    media = params["Media"]
    if "MediaFileUri" not in media:
        yield "Media.MediaFileUri is missing."
        return
    if "RedactedMediaFileUri" in media:
        yield "Media.RedactedMediaFileUri belongs to Call Analytics jobs, not to these."
    if not media["MediaFileUri"].startswith("s3://"):
        yield "localaws reads media from s3://bucket/key only."
    elif not all(split_s3_uri(media["MediaFileUri"])):
        yield "Media.MediaFileUri must name a bucket and an object: s3://bucket/key."


def split_s3_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/a/key` as (`bucket`, `a/key`); a missing part is empty."""
    # Only the first two slashes mean anything: `?` and `#` are legal in a key.
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def tag_rules(tags: list[dict[str, str]]) -> Iterator[str]:
    """The sentences for what is wrong with these tags."""
    keys = [tag["Key"] for tag in tags]
    if len(keys) != len(set(keys)):
        yield "A tag's key is given more than once."
    if len(keys) > MAX_TAGS:
        yield f"A resource has at most {MAX_TAGS} tags."
    if any(key.lower().startswith("aws:") for key in keys):
        yield "Tag keys that begin with aws: are reserved."


def check_media(size: int | None) -> None:
    """Check the object that the media URI names; `size` in bytes, None where there is none.

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
            f"takes at most {MAX_MEDIA_BYTES}."
        )
