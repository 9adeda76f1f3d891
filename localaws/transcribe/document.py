"""The result document in the shape of Amazon Transcribe.

Times and confidences are strings, punctuation has no times (Transcribe developer guide, "Data
input and output"). Pauses end sentences here: each utterance gets a capital and a full stop.
There is no diarisation: with ShowSpeakerLabels every speaker is `spk_0`. No language is identified:
the document assumes one and gives it, like the other candidates, a score of 0. All toxicity is 0.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from localaws.s3.objects import ACCOUNT_ID
from localaws.transcribe import masking
from localaws.transcribe.speech import Recognition, Utterance, Word

Json = dict[str, Any]

#: The only speaker.
SPEAKER = "spk_0"
#: The score of an assumed language.
ASSUMED_SCORE = 0.0
#: The candidates where a request names none.
_CANDIDATES = ("en-US", "es-US", "fr-FR", "de-DE", "zh-CN")
_FULL_STOP = "."
_TOXIC_CATEGORIES = (
    "profanity",
    "hate_speech",
    "sexual",
    "insult",
    "violence_or_threat",
    "graphic",
    "harassment_or_abuse",
)


def assumed_language(request: Json) -> str:
    """The document's language: the request's, else the first English one of its options.

    `request` is StartTranscriptionJob's.
    """
    if "LanguageCode" in request:
        return str(request["LanguageCode"])
    options = request.get("LanguageOptions") or _CANDIDATES
    return next((str(code) for code in options if code.startswith("en-")), str(options[0]))


def build(
    job_name: str, request: Json, recognition: Recognition, *, redacted: bool = False
) -> Json:
    """The document of a finished job, or its redacted document."""
    settings = request.get("Settings", {})
    utterances = [
        masking.masked(each, request, redacted=redacted) for each in recognition.utterances
    ]
    items: list[Json] = []
    segments: list[Json] = []
    for utterance in utterances:
        labels = _labels(settings, utterance)
        own = [
            {**item, **labels, "id": number}
            for number, item in enumerate(_items(utterance, request), len(items))
        ]
        items += own
        segments.append(_audio_segment(len(segments), utterance, own, labels))

    results: Json = _language(request, recognition.duration)
    results["transcripts"] = [{"transcript": " ".join(each["transcript"] for each in segments)}]
    if settings.get("ChannelIdentification"):
        results["channel_labels"] = _channel_labels(items, recognition.channels)
    if settings.get("ShowSpeakerLabels"):
        results["speaker_labels"] = _speaker_labels(utterances, settings)
    results["items"] = items
    if settings.get("ShowAlternatives"):
        results["segments"] = [_alternatives(each, request) for each in utterances]
    results["audio_segments"] = segments
    if "ToxicityDetection" in request:
        results["toxicity_detection"] = [_toxicity(each) for each in utterances]
    return {
        "jobName": job_name,
        "accountId": ACCOUNT_ID,
        "status": "COMPLETED",
        **({"isRedacted": True} if redacted else {}),
        "results": results,
    }


def seconds(value: float) -> str:
    """Seconds as the service writes them: a string, to the millisecond."""
    return str(round(value, 3))


def _labels(settings: Json, utterance: Utterance) -> Json:
    """The speaker and channel labels that the request wants."""
    by_channel = settings.get("ChannelIdentification")
    return {
        **({"channel_label": f"ch_{utterance.channel}"} if by_channel else {}),
        **({"speaker_label": SPEAKER} if settings.get("ShowSpeakerLabels") else {}),
    }


def _items(utterance: Utterance, request: Json) -> list[Json]:
    items = [
        {
            "type": "pronunciation",
            "alternatives": [{**masking.confidence(word, request), "content": text}],
            "start_time": seconds(word.start),
            "end_time": seconds(word.end),
            **({"vocabularyFilterMatch": True} if word.filtered else {}),
        }
        for word, text in zip(utterance.words, _written(utterance), strict=True)
    ]
    if not utterance.verbatim:
        items.append(
            {
                "type": "punctuation",
                "alternatives": [{"confidence": "0.0", "content": _FULL_STOP}],
            }
        )
    return items


def _written(utterance: Utterance, words: Sequence[Word] | None = None) -> list[str]:
    """The words with the capitals of a sentence."""
    texts = [word.text for word in (utterance.words if words is None else words)]
    if utterance.verbatim or not texts:
        return texts
    texts = [text.capitalize() if text.split("'")[0] == "i" else text for text in texts]
    return [texts[0][:1].upper() + texts[0][1:], *texts[1:]]


def _sentence(texts: Iterable[str], utterance: Utterance) -> str:
    return " ".join(texts) + ("" if utterance.verbatim else _FULL_STOP)


def _audio_segment(number: int, utterance: Utterance, items: list[Json], labels: Json) -> Json:
    return {
        "id": number,
        "transcript": _sentence(_written(utterance), utterance),
        "start_time": seconds(utterance.start),
        "end_time": seconds(utterance.end),
        **labels,
        "items": [item["id"] for item in items],
    }


def _alternatives(utterance: Utterance, request: Json) -> Json:
    return {
        "start_time": seconds(utterance.start),
        "end_time": seconds(utterance.end),
        **_labels(request["Settings"], utterance),
        "alternatives": [
            _reading(utterance, words, request)
            for words in (utterance.words, *utterance.alternatives)
        ],
    }


def _toxicity(utterance: Utterance) -> Json:
    return {
        "text": _sentence(_written(utterance), utterance),
        "toxicity": 0.0,
        "categories": dict.fromkeys(_TOXIC_CATEGORIES, 0.0),
        "start_time": round(utterance.start, 3),
        "end_time": round(utterance.end, 3),
    }


def _reading(utterance: Utterance, words: Sequence[Word], request: Json) -> Json:
    texts = _written(utterance, words)
    items: list[Json] = [
        {
            "start_time": seconds(word.start),
            "end_time": seconds(word.end),
            **masking.confidence(word, request),
            "type": "pronunciation",
            "content": text,
        }
        for word, text in zip(words, texts, strict=True)
    ]
    if not utterance.verbatim:
        items.append({"confidence": "0.0", "type": "punctuation", "content": _FULL_STOP})
    return {"transcript": _sentence(texts, utterance), "items": items}


def _channel_labels(items: list[Json], channels: int) -> Json:
    return {
        "channels": [
            {
                "channel_label": f"ch_{channel}",
                "items": [item for item in items if item["channel_label"] == f"ch_{channel}"],
            }
            for channel in range(channels)
        ],
        "number_of_channels": channels,
    }


def _speaker_labels(utterances: Sequence[Utterance], settings: Json) -> Json:
    return {
        **({} if settings.get("ChannelIdentification") else {"channel_label": "ch_0"}),
        "speakers": 1 if utterances else 0,
        "segments": [
            {
                "start_time": seconds(each.start),
                "end_time": seconds(each.end),
                **_labels(settings, each),
                "items": [
                    {
                        "start_time": seconds(word.start),
                        "end_time": seconds(word.end),
                        **_labels(settings, each),
                    }
                    for word in each.words
                ],
            }
            for each in utterances
        ],
    }


def _language(request: Json, duration: float) -> Json:
    language = assumed_language(request)
    if request.get("IdentifyMultipleLanguages"):
        return {
            "language_codes": [
                {"language_code": language, "duration_in_seconds": round(duration, 3)}
            ]
        }
    if not request.get("IdentifyLanguage"):
        return {}
    options = [str(code) for code in request.get("LanguageOptions") or _CANDIDATES]
    candidates = dict.fromkeys([language, *options])
    scores = [{"score": str(ASSUMED_SCORE), "code": code} for code in candidates]
    return {"language_code": language, "language_identification": scores}
