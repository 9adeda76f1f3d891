"""Amazon Transcribe's options for one job, under their own names in snake_case.

Choices, limits and patterns are those of botocore's service model (transcribe-2017-10-26), pairs
those of the API reference. botocore checks neither patterns nor choices on the client, so they are
checked here, before any upload. Everything else goes to AWS, and its answer is the job's error.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

MediaFormat = Literal["mp3", "mp4", "wav", "flac", "ogg", "amr", "webm", "m4a"]
ResourceName = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[0-9a-zA-Z._-]+$")
]
KmsKeyId = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=2048, pattern=r"^[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,2048}$"
    ),
]
RoleArn = Annotated[
    str,
    StringConstraints(
        min_length=20,
        max_length=2048,
        pattern=r"^arn:(aws|aws-cn|aws-us-gov|aws-iso-{0,1}[a-z]{0,1}):iam::[0-9]{0,63}:role/"
        r"[A-Za-z0-9:_/+=,@.-]{0,1024}$",
    ),
]
TagKey = Annotated[str, StringConstraints(min_length=1, max_length=128)]
TagValue = Annotated[str, StringConstraints(max_length=256)]
PiiEntityType = Literal[
    "ADDRESS",
    "AGE",
    "ALL",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "BANK_ACCOUNT_NUMBER",
    "BANK_ROUTING",
    "CA_HEALTH_NUMBER",
    "CA_SOCIAL_INSURANCE_NUMBER",
    "CREDIT_DEBIT_CVV",
    "CREDIT_DEBIT_EXPIRY",
    "CREDIT_DEBIT_NUMBER",
    "DATE_TIME",
    "DRIVER_ID",
    "EMAIL",
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER",
    "IP_ADDRESS",
    "LICENSE_PLATE",
    "MAC_ADDRESS",
    "NAME",
    "PASSPORT_NUMBER",
    "PASSWORD",
    "PHONE",
    "PIN",
    "SSN",
    "SWIFT_CODE",
    "URL",
    "USERNAME",
    "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER",
    "VEHICLE_IDENTIFICATION_NUMBER",
]


class Frozen(BaseModel, frozen=True, extra="forbid"):
    """A value that refuses unknown fields and never changes."""


class ContentRedaction(Frozen):
    """Which personal data Transcribe hides, and whether it also writes the open transcript."""

    redaction_type: Literal["PII"] = "PII"
    redaction_output: Literal["redacted", "redacted_and_unredacted"] = "redacted"
    pii_entity_types: tuple[PiiEntityType, ...] = Field(default=(), max_length=29)


class Subtitles(Frozen):
    """Subtitle objects that Transcribe itself writes beside its result in S3.

    Not needed for `formats`, which the worker writes itself.
    """

    formats: tuple[Literal["vtt", "srt"], ...]
    output_start_index: Literal[0, 1] = 1


class LanguageIdSettings(Frozen):
    """What Transcribe uses if it identifies this language."""

    vocabulary_name: ResourceName | None = None
    vocabulary_filter_name: ResourceName | None = None
    language_model_name: ResourceName | None = None


class TranscribeOptions(Frozen):
    """The options of StartTranscriptionJob other than name, media, language and output."""

    media_format: MediaFormat | None = None
    media_sample_rate_hertz: int | None = Field(default=None, ge=8000, le=48000)
    show_speaker_labels: bool = False
    max_speaker_labels: int | None = Field(default=None, ge=2, le=30)
    channel_identification: bool = False
    show_alternatives: bool = False
    max_alternatives: int | None = Field(default=None, ge=2, le=10)
    vocabulary_name: ResourceName | None = None
    vocabulary_filter_name: ResourceName | None = None
    vocabulary_filter_method: Literal["remove", "mask", "tag"] | None = None
    language_model_name: ResourceName | None = None
    language_id_settings: dict[str, LanguageIdSettings] = Field(default={}, max_length=5)
    identify_multiple_languages: bool = False
    content_redaction: ContentRedaction | None = None
    subtitles: Subtitles | None = None
    toxicity_detection: bool = False
    output_encryption_kms_key_id: KmsKeyId | None = None
    kms_encryption_context: dict[str, str] = Field(default={}, max_length=10)
    allow_deferred_execution: bool = False
    data_access_role_arn: RoleArn | None = None
    tags: dict[TagKey, TagValue] = Field(default={}, max_length=50)

    @field_validator("tags")
    @classmethod
    def _keys_are_free(cls, tags: dict[TagKey, TagValue]) -> dict[TagKey, TagValue]:
        if any(key.startswith("aws:") for key in tags):
            raise ValueError("a key cannot begin with aws:, which AWS reserves")
        return tags

    @model_validator(mode="after")
    def _pairs_belong_together(self) -> Self:
        if self.show_speaker_labels != (self.max_speaker_labels is not None):
            raise ValueError("show_speaker_labels and max_speaker_labels (2-30) go together")
        if self.show_alternatives != (self.max_alternatives is not None):
            raise ValueError("show_alternatives and max_alternatives (2-10) go together")
        if self.vocabulary_filter_name is not None and self.vocabulary_filter_method is None:
            raise ValueError("vocabulary_filter_name needs vocabulary_filter_method")
        if self.allow_deferred_execution and self.data_access_role_arn is None:
            raise ValueError("allow_deferred_execution needs data_access_role_arn")
        return self
