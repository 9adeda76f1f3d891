"""A checked result document -> the words, segments, other readings and languages in it."""

from producer.transcript.document import Item, Results
from producer.transcript.segments import AlternativeSegment, Segment, SegmentReading, cut, merge
from producer.transcript.spacing import plain
from producer.transcript.words import OPENING_MARKS, Alternative, Word, mean


class _Labels:
    """Who spoke an item, and on which channel, also where only the older lists say so."""

    def __init__(self, results: Results) -> None:
        self._speakers = {
            (item.start_time, item.end_time): item.speaker_label or turn.speaker_label
            for turn in results.speaker_labels.segments
            for item in turn.items
        }
        # Two channels may speak at the same time, so there the word is part of the key.
        self._channels = {
            (item.start_time, item.end_time, item.alternatives[0].content): channel.channel_label
            for channel in results.channel_labels.channels
            for item in channel.items
        }

    def of(self, item: Item, before: Word | None) -> tuple[str | None, str | None]:
        """Return the speaker and the channel of `item`, which follows the word `before`."""
        if item.type == "punctuation":
            speaker, channel = (before.speaker, before.channel) if before else (None, None)
        else:
            times = (item.start_time or 0.0, item.end_time or 0.0)
            speaker = self._speakers.get(times)
            channel = self._channels.get((*times, item.alternatives[0].content))
        return item.speaker_label or speaker, item.channel_label or channel


def words(results: Results) -> tuple[Word, ...]:
    """Return every item as a `Word`, in the document's order."""
    labels = _Labels(results)
    has_spaces = _has_spaces(results)
    found: list[Word] = []
    latest: dict[str | None, Word] = {}
    for item in results.items:
        speaker, channel = labels.of(item, found[-1] if found else None)
        before = latest.get(channel)
        best = item.alternatives[0]
        heard = item.type == "pronunciation"
        stands_at = before.end if before else 0.0
        start = stands_at if item.start_time is None else item.start_time
        word = Word(
            content=best.content,
            start=start,
            end=max(start, item.end_time or 0.0),
            confidence=best.confidence if heard else None,
            speaker=speaker,
            channel=channel,
            kind=item.type,
            alternatives=tuple(Alternative(a.content, a.confidence) for a in item.alternatives),
            spaced=has_spaces
            and (heard or best.content in OPENING_MARKS)
            and not (before and before.opens),
        )
        found.append(word)
        latest[channel] = word
    return tuple(found)


def _has_spaces(results: Results) -> bool:
    """Whether the transcript puts spaces between words: measured, for a code may be missing."""
    text = results.transcripts[0].transcript if results.transcripts else ""
    spoken = sum(item.type == "pronunciation" for item in results.items)
    return not text or 2 * len(text.split()) > spoken


def segments(results: Results, words: tuple[Word, ...]) -> tuple[Segment, ...]:
    """Return the service's own segments, or ours where its own do not have every word once."""
    by_id = {item.id: word for item, word in zip(results.items, words, strict=True)}
    named = [number for part in results.audio_segments for number in part.items]
    if not results.audio_segments or len(named) != len(words) or {*named} != {*by_id}:
        return cut(words)
    found: list[Segment] = []
    for part in results.audio_segments:
        own = tuple(by_id[number] for number in part.items)
        voices = {(word.speaker, word.channel) for word in own}
        if len(voices) > 1:
            return cut(words)
        speaker, channel = voices.pop() if voices else (None, None)
        found.append(
            Segment(
                part.start_time,
                max(part.start_time, part.end_time),
                part.transcript,
                part.speaker_label or speaker,
                part.channel_label or channel,
                own,
            )
        )
    return merge(segment for segment in found if segment.words or plain(segment.text))


def alternatives(results: Results) -> tuple[AlternativeSegment, ...]:
    """Return the readings of each segment, where they were asked for (`ShowAlternatives`)."""
    return tuple(
        AlternativeSegment(
            part.start_time,
            max(part.start_time, part.end_time),
            tuple(
                SegmentReading(
                    reading.transcript,
                    mean(item.confidence for item in reading.items if item.type != "punctuation"),
                )
                for reading in part.alternatives
            ),
        )
        for part in results.segments
    )


def languages(results: Results) -> tuple[str, ...]:
    """Return the codes of the languages heard, the one spoken longest first, each once."""
    shares = sorted(results.language_codes, key=lambda share: -share.duration_in_seconds)
    codes = [results.language_code, *(share.language_code for share in shares)]
    return tuple(dict.fromkeys(code for code in codes if code))
