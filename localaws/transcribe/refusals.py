"""What localaws cannot do, said in a job's FailureReason and never passed over in silence."""

from typing import Any

Json = dict[str, Any]

_ELSEWHERE = "use Amazon Transcribe itself for that."


def unsupported(request: Json) -> str | None:
    """The reason why no recogniser here can do what this StartTranscriptionJob asks."""
    settings = request.get("Settings", {})
    asked = {
        "ContentRedaction": "ContentRedaction" in request,
        "ToxicityDetection": "ToxicityDetection" in request,
        "custom vocabularies (Settings.VocabularyName)": "VocabularyName" in settings,
        "vocabulary filters (Settings.VocabularyFilterName)": "VocabularyFilterName" in settings,
        "custom language models (ModelSettings)": "ModelSettings" in request,
        "LanguageIdSettings": "LanguageIdSettings" in request,
    }
    missing = [name for name, present in asked.items() if present]
    if not missing:
        return None
    return f"localaws does not support {', '.join(missing)}: {_ELSEWHERE}"


def not_english(request: Json) -> str | None:
    """The reason why this request's language cannot be recognised."""
    languages = request.get("LanguageOptions") or [request.get("LanguageCode", "en-US")]
    if any(code.startswith("en-") for code in languages):
        return None
    return f"localaws recognises English only, not {', '.join(languages)}: {_ELSEWHERE}"
