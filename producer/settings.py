"""Settings of a producer: environment variables or a `.env` file, prefix TRANSCRIBE_."""

from typing import Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from producer.errors import InvalidSettings


class ProducerSettings(BaseSettings):
    """What a producer needs to know; workers know it too."""

    model_config = SettingsConfigDict(
        env_prefix="TRANSCRIBE_",
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
    )

    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        repr=False,  # it may hold a password
        description="URL of Redis; `rediss://` for TLS, `unix:///PATH?db=0` for a socket.",
    )
    # Whole seconds, as Redis expires keys.
    retention: int = Field(
        default=7 * 86400,
        ge=1,
        description="Seconds for which Redis keeps the records and texts of ended jobs.",
    )
    deadline: float = Field(
        default=7 * 86400.0,
        gt=0,
        allow_inf_nan=False,
        description="Seconds from submission after which a job fails, unless its request says "
        "otherwise.",
    )
    lease: float = Field(
        default=10.0,
        ge=1,
        allow_inf_nan=False,
        description="Seconds after which the lease of a silent worker expires, and another worker "
        "continues its jobs.",
    )

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            InvalidSettings: with one sentence for each setting that is wrong.
        """
        try:
            return cls()
        except UnicodeDecodeError:
            raise InvalidSettings(".env in this folder is not text: mend or remove it.") from None
        except ValidationError as error:
            sentences = []
            for finding in error.errors(include_url=False, include_input=False):
                name = "_".join(["TRANSCRIBE", *(str(step).upper() for step in finding["loc"][:1])])
                what = finding["msg"].removeprefix("Value error, ")
                sentences.append(f"{name}: {what}." if finding["loc"] else f"{what}.")
            raise InvalidSettings(" ".join(sentences)) from None
