"""What redaction and vocabulary filters do to the words of a document."""

from dataclasses import replace
from typing import Any

from localaws.transcribe.speech import Utterance, Word

Json = dict[str, Any]


def cut(utterance: Utterance, request: Json, *, redacted: bool) -> Utterance:
    """The utterance as its readers may see it. What is left marked in it is marked for them."""
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


def certainty(word: Word, request: Json) -> Json:
    """How sure a word is: what is hidden says instead what it was."""
    confidence = str(round(word.confidence, 4))
    if not word.personal:
        return {"confidence": confidence}
    kinds = request.get("ContentRedaction", {}).get("PiiEntityTypes") or ["ALL"]
    kind = "NAME" if kinds[0] == "ALL" else kinds[0]
    return {"redactions": [{"confidence": confidence, "type": kind, "category": "PII"}]}
