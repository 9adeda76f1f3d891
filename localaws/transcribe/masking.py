"""Redaction and vocabulary filters: they hide or mark words of a document."""

from dataclasses import replace
from typing import Any

from localaws.transcribe.speech import Utterance, Word

Json = dict[str, Any]


def masked(utterance: Utterance, request: Json, *, redacted: bool) -> Utterance:
    """The utterance with its words removed, replaced or still marked, as the request says."""
    method = request.get("Settings", {}).get("VocabularyFilterMethod")
    words = []
    for word in utterance.words:
        if word.filtered and method == "remove":
            continue
        seen = word
        if word.filtered and method == "mask":
            seen = replace(seen, text="***", filtered=False)
        # In the open document it is a word like any other.
        seen = replace(seen, text="[PII]") if redacted and word.personal else seen
        words.append(replace(seen, personal=redacted and word.personal))
    return replace(utterance, words=tuple(words))


def confidence(word: Word, request: Json) -> Json:
    """The confidence fields of a word; those of a redacted word also say what kind it was."""
    value = str(round(word.confidence, 4))
    if not word.personal:
        return {"confidence": value}
    kinds = request.get("ContentRedaction", {}).get("PiiEntityTypes") or ["ALL"]
    kind = "NAME" if kinds[0] == "ALL" else kinds[0]
    return {"redactions": [{"confidence": value, "type": kind, "category": "PII"}]}
