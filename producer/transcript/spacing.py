"""Running text from words: spaces between them, but none before marks, nor in Chinese."""

from collections.abc import Iterable

from producer.transcript.words import Word


def plain(text: str) -> str:
    """Return `text` on one line, with single spaces: what a line-based format can carry."""
    return " ".join(text.replace("\0", "").split())


def join(pieces: Iterable[tuple[str, bool]]) -> str:
    """Return one line of (text, space before it?) pieces; blank pieces leave no trace."""
    line = ""
    for text, spaced in pieces:
        if text:
            line += f" {text}" if line and spaced else text
    return line


def running_text(words: Iterable[Word]) -> str:
    """Return words as one line of prose."""
    return join((plain(word.content), word.spaced) for word in words)
