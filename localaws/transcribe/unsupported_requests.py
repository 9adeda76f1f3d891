"""Requests that the recogniser does not support: the FailureReason of their jobs."""

from typing import Any

Json = dict[str, Any]

_ELSEWHERE = "use Amazon Transcribe itself for that."


def unsupported_options(request: Json) -> str | None:
    """The sentence for options that the recogniser does not support; None if it supports all."""
    settings = request.get("Settings", {})
    options = {
        "ContentRedaction": "ContentRedaction" in request,
        "ToxicityDetection": "ToxicityDetection" in request,
        "custom vocabularies (Settings.VocabularyName)": "VocabularyName" in settings,
        "vocabulary filters (Settings.VocabularyFilterName)": "VocabularyFilterName" in settings,
        "custom language models (ModelSettings)": "ModelSettings" in request,
        "LanguageIdSettings": "LanguageIdSettings" in request,
    }
    missing = [name for name, present in options.items() if present]
    if not missing:
        return None
    return f"localaws does not support {', '.join(missing)}: {_ELSEWHERE}"


def unsupported_language(request: Json) -> str | None:
    """The sentence for a language that the recogniser does not know; None if it knows it."""
    languages = request.get("LanguageOptions") or [request.get("LanguageCode", "en-US")]
    if any(code.startswith("en-") for code in languages):
        return None
    return f"localaws recognises English only, not {', '.join(languages)}: {_ELSEWHERE}"
