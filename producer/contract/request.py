"""A request: which recording to transcribe, how, and where its results go."""

import json
import re
import secrets
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Annotated, Self

from anyascii import anyascii
from pydantic import (
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from producer.contract.attempts import MAX_NAME, attempt_name, is_further_attempt
from producer.contract.formats import Format
from producer.contract.languages import LANGUAGE_CODES
from producer.contract.options import TranscribeOptions
from producer.contract.output import problem as output_problem
from producer.contract.s3_uri import S3Uri
from producer.errors import InvalidRequest

#: 0 is served first
DEFAULT_PRIORITY = 5
_NAME = re.compile(rf"(?!\.+$)[0-9a-zA-Z._-]{{1,{MAX_NAME}}}")
MAX_METADATA_BYTES = 8192
MAX_TENANT_CHARACTERS = 100
TENANT = re.compile(rf"[^\x00-\x1f\x7f]{{1,{MAX_TENANT_CHARACTERS}}}")
#: 32 characters, without those that people confuse.
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


class TranscriptionRequest(TranscribeOptions):
    """One recording to transcribe and how. Unknown fields are refused."""

    audio: Annotated[str, StringConstraints(min_length=1, max_length=4096)] = Field(
        description="An absolute path that workers can read, s3://bucket/key, or the https:// "
        "address of that object, without a query."
    )
    name: str | None = Field(
        default=None,
        description="The job's id; chosen for you when omitted. The same name with the same "
        "request is the same job.",
    )
    key: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = Field(
        default=None,
        description="The S3 key for the audio, in the workers' bucket; the result goes to "
        "<key>.json. Chosen for you when omitted.",
    )
    language: str | tuple[str, ...] = Field(
        default="en-US",
        description="A language code, 'auto' to let the service identify it, or two or more "
        "codes to choose from.",
    )
    formats: tuple[Format, ...] = Field(
        default=("txt",),
        description="Files to write beside Transcribe's document, which is `json`.",
    )
    output: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = Field(
        default=None,
        description="A folder beneath the workers' results root, or a template of the files' path "
        "there without their ending, with {id} {stem} {name} {folder} {tenant} {date} and braces "
        "doubled otherwise. Default: {id}/{stem}.",
    )
    cleanup: bool = Field(
        default=False,
        description="Once the result is safe, delete the audio we uploaded, the result objects "
        "and the Transcribe job.",
    )
    priority: int = Field(default=DEFAULT_PRIORITY, ge=0, le=9, description="0 is served first.")
    deadline: float | None = Field(
        default=None, gt=0, le=90 * 86400, description="Seconds from submission to give up after."
    )
    fresh: bool = Field(
        default=False,
        description="Transcribe it anew, also where the result of another job with the same audio "
        "and options could be reused.",
    )
    metadata: dict[str, JsonValue] = Field(
        default={},
        description="The caller's own, returned untouched; 8 KiB of JSON at most. Jobs of "
        "different `tenant`s (a text of up to 100 characters; of another type it names none) take "
        "turns.",
    )

    @field_validator("name")
    @classmethod
    def _name_suits_transcribe(cls, name: str | None) -> str | None:
        if name is not None and not is_name(name):
            raise ValueError(
                f"a name has 1 to {MAX_NAME} letters, digits and . _ - and is not dots alone, nor "
                f"does it end like that of a further attempt (as {attempt_name('talk', 2)} does)"
            )
        return name

    @field_validator("audio")
    @classmethod
    def _audio_can_be_found(cls, audio: str) -> str:
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", audio):
            # From here on it is an s3:// URI; the address may have encoded a NUL.
            audio = str(S3Uri.parse(audio))
        if "\0" in audio:
            raise ValueError("a path cannot contain a NUL character")
        if not audio.startswith("s3://") and not PurePosixPath(audio).is_absolute():
            raise ValueError("a path must be absolute: workers have another working directory")
        return audio

    @field_validator("key")
    @classmethod
    def _key_suits_transcribe(cls, key: str | None) -> str | None:
        if key is not None and not re.fullmatch(r"[a-zA-Z0-9\-_.!*'()/]+", key):
            raise ValueError("an S3 key may use letters, digits and - _ . ! * ' ( ) /")
        if key is not None and is_further_attempt(key):
            raise ValueError(
                "an S3 key does not end like that of a further attempt, whose result goes there "
                f"(as {attempt_name('talk', 2)} does)"
            )
        if key is not None and key.endswith("/"):
            raise ValueError("it names an object, not a folder, so it does not end in /")
        return key

    @field_validator("language")
    @classmethod
    def _language_is_known(cls, language: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if language == "auto":
            return language
        codes = (language,) if isinstance(language, str) else language
        if not isinstance(language, str) and len(codes) < 2:
            raise ValueError("a list of languages to choose from needs two or more")
        for code in codes:
            if code not in LANGUAGE_CODES:
                raise ValueError(
                    f"'{_shown(code)}' is not a language code of Amazon Transcribe (as en-US is)"
                )
        return language

    @field_validator("formats")
    @classmethod
    def _formats_once_each(cls, formats: tuple[Format, ...]) -> tuple[Format, ...]:
        return tuple(dict.fromkeys(formats))

    @field_validator("output")
    @classmethod
    def _output_is_a_path(cls, output: str | None) -> str | None:
        if output is not None and "\0" in output:
            raise ValueError("a path cannot contain a NUL character")
        wrong = output_problem(output) if output is not None else None
        if wrong is not None:
            raise ValueError(wrong)
        return output

    @field_validator("metadata")
    @classmethod
    def _metadata_is_bounded(cls, metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
        try:
            size = len(json.dumps(metadata, allow_nan=False))
            # Half a character, which JSON can escape, but UTF-8 cannot encode.
            json.dumps(metadata, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise ValueError("metadata must be plain JSON, without NaN") from None
        if size > MAX_METADATA_BYTES:
            raise ValueError(f"metadata is over {MAX_METADATA_BYTES} bytes of JSON")
        return metadata

    @field_validator("metadata")
    @classmethod
    def _tenant_is_a_name(cls, metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
        # Only a string names a tenant: callers may use `tenant` for something else.
        tenant = metadata.get("tenant")
        if isinstance(tenant, str) and not TENANT.fullmatch(tenant):
            raise ValueError(
                f"tenant must be a text of 1 to {MAX_TENANT_CHARACTERS} printable characters"
            )
        return metadata

    @model_validator(mode="after")
    def _language_options_agree(self) -> Self:
        if self.identify_multiple_languages and self.one_language is not None:
            raise ValueError("identify_multiple_languages needs language 'auto' or a list of codes")
        if not LANGUAGE_CODES.issuperset(self.language_id_settings):
            raise ValueError("language_id_settings has a key that is not a language code")
        models = [self.language_model_name] + [
            settings.language_model_name for settings in self.language_id_settings.values()
        ]
        if self.identify_multiple_languages and any(models):
            raise ValueError("identify_multiple_languages takes no language_model_name")
        return self

    @property
    def tenant(self) -> str:
        """Whose job it is, among those who share the queue; '' if no string says so."""
        tenant = self.metadata.get("tenant")
        return tenant if isinstance(tenant, str) else ""

    @property
    def one_language(self) -> str | None:
        """The code of the requested language; None if Transcribe identifies it."""
        return self.language if isinstance(self.language, str) and self.language != "auto" else None

    @property
    def is_on_s3(self) -> bool:
        """Whether the audio is an S3 object already, to be used in place."""
        return self.audio.startswith("s3://")

    @classmethod
    def parse(cls, fields: object) -> Self:
        """Validate a mapping of fields.

        Raises:
            InvalidRequest: with one sentence that names each wrong field.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise InvalidRequest(_sentence(error)) from None

    def canonical(self) -> str:
        """The request as JSON that is equal whenever the request is equal."""
        return json.dumps(
            self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, ensure_ascii=False
        )

    def new_job_id(self, seed: str | None = None) -> str:
        """The id for a new job: the name, or the file's stem in ASCII plus 50 random bits.

        Args:
            seed: with it, the bits are the same each time.
        """
        if self.name is not None:
            return self.name
        stem = PurePosixPath(self.audio).stem
        ascii_stem = anyascii(stem).replace("'", "")
        slug = re.sub(r"[^0-9A-Za-z._]+", "-", ascii_stem).strip("-._")[:80] or "audio"
        bits = secrets.token_bytes(10) if seed is None else sha256(seed.encode()).digest()
        unique = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in bits[:10])
        return f"{slug}-{unique}"


def is_name(text: str) -> bool:
    """Whether a job may have this name: Transcribe accepts it, and nothing else can have it."""
    return _NAME.fullmatch(text) is not None and not is_further_attempt(text)


#: Instead of pydantic's words, which speak of Python.
_IN_OUR_WORDS = {
    "extra_forbidden": "there is no such field; `transcribe schema` lists those there are",
    "missing": "it is missing",
    "tuple_type": "give a list",
}


def _sentence(error: ValidationError) -> str:
    """Pydantic's errors as one line, without the input's values or links to its manual."""
    parts = []
    for finding in error.errors(include_url=False, include_input=False)[:5]:
        # A field's name is the sender's, and may be anything.
        where = ".".join(
            _shown(str(step))
            for step in finding["loc"]
            if not str(step).startswith(("tuple", "str"))
        )
        what = _IN_OUR_WORDS.get(finding["type"]) or finding["msg"].removeprefix("Value error, ")
        parts.append(f"{where}: {what}" if where else what)
    return "Invalid request: " + "; ".join(dict.fromkeys(parts)) + "."


def _shown(text: str, limit: int = 60) -> str:
    """A piece of foreign text, fit for a sentence and a log line."""
    escaped = text.encode("unicode_escape", "replace").decode()
    return escaped if len(escaped) <= limit else f"{escaped[:limit]}…"
