"""Amazon Transcribe's options for one job, under their own names in snake_case.

Limits and pairs follow botocore's service model (transcribe-2017-10-26) and the developer guide.
botocore checks neither patterns nor enumerations on the client, so they are checked here, before
anything is uploaded.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

MediaFormat = Literal["mp3", "mp4", "wav", "flac", "ogg", "amr", "webm", "m4a"]
ResourceName = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[0-9a-zA-Z._-]+$")
]
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


class Frozen(BaseModel):
    """A value: unknown fields are refused, known ones never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ContentRedaction(Frozen):
    """Which personal data Transcribe hides, and whether it also writes the open transcript."""

    redaction_type: Literal["PII"] = "PII"
    redaction_output: Literal["redacted", "redacted_and_unredacted"] = "redacted"
    pii_entity_types: tuple[PiiEntityType, ...] = Field(default=(), max_length=29)


class Subtitles(Frozen):
    """Subtitle objects that Transcribe itself writes beside its result in S3.

    Not needed for `formats`, which the worker renders from the result document.
    """

    formats: tuple[Literal["vtt", "srt"], ...] = Field(min_length=1, max_length=2)
    output_start_index: Literal[0, 1] = 1


class LanguageIdSettings(Frozen):
    """What to use when language identification settles on one language."""

    vocabulary_name: ResourceName | None = None
    vocabulary_filter_name: ResourceName | None = None
    language_model_name: ResourceName | None = None


class TranscribeOptions(Frozen):
    """The options that StartTranscriptionJob takes beside name, media, language and output."""

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
    output_encryption_kms_key_id: str | None = Field(default=None, min_length=1, max_length=2048)
    kms_encryption_context: dict[str, str] = Field(default={}, max_length=10)
    allow_deferred_execution: bool = False
    data_access_role_arn: str | None = Field(default=None, pattern=r"^arn:aws[a-z-]*:iam::")
    tags: dict[str, str] = Field(default={}, max_length=50)

    @model_validator(mode="after")
    def _pairs_belong_together(self) -> Self:
        if self.show_speaker_labels != (self.max_speaker_labels is not None):
            raise ValueError("show_speaker_labels and max_speaker_labels (2-30) go together")
        if self.show_alternatives != (self.max_alternatives is not None):
            raise ValueError("show_alternatives and max_alternatives (2-10) go together")
        if self.show_speaker_labels and self.channel_identification:
            raise ValueError("choose show_speaker_labels or channel_identification, not both")
        if (self.vocabulary_filter_name is None) != (self.vocabulary_filter_method is None):
            raise ValueError("vocabulary_filter_name and vocabulary_filter_method go together")
        if self.allow_deferred_execution != (self.data_access_role_arn is not None):
            raise ValueError("allow_deferred_execution and data_access_role_arn go together")
        if self.kms_encryption_context and self.output_encryption_kms_key_id is None:
            raise ValueError("kms_encryption_context needs output_encryption_kms_key_id")
        return self
