"""The recogniser `fixed`: it ends a job after some time and recognises nothing.

Thousands of jobs cost one thread and no process, for tests of everything around recognition.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable

from localaws.errors import UsageError
from localaws.transcribe.jobs import Job
from localaws.transcribe.lifecycle import OnEnd
from localaws.transcribe.speech import Recognition, Utterance, Word

#: A word that redaction hides, and one that a vocabulary filter finds.
PERSONAL_WORD, FILTERED_WORD = "[personal]", "[filtered]"

#: Seconds that the job of this name runs.
Delay = Callable[[str], float]


def fixed(text: str) -> Delay:
    """Read `fixed:SECONDS`. Raises UsageError."""
    kind, _, number = text.partition(":")
    try:
        seconds = float(number)
    except ValueError:
        seconds = -1.0
    if kind != "fixed" or not 0 <= seconds < threading.TIMEOUT_MAX:
        raise UsageError(
            f"The recogniser {text!r} is unknown: use pocketsphinx or fixed:SECONDS, as in "
            "fixed:2.5."
        )
    return lambda _name: seconds


class FixedRecogniser:
    """Ends jobs by the clock. Their text says that no speech was recognised."""

    def __init__(self, delay: Delay, end: OnEnd) -> None:
        self._delay = delay
        self._end = end
        self._due: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="localaws-fixed", daemon=True)
        self._thread.start()

    def unsupported(self, job: Job) -> str | None:  # noqa: ARG002 - as Recogniser has it
        """None: it supports every option."""
        return None

    def submit(self, job: Job) -> None:
        """End this job when its time has passed."""
        with self._changed:
            due = job.clock + self._delay(job.name)
            heapq.heappush(self._due, (due, next(self._order), job))
            self._changed.notify()

    def close(self) -> None:
        """Stop; jobs that have not ended stay as they are."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (wait := self._wait()) != 0:
                    self._changed.wait(wait)
                if self._closed:
                    return
                _, _, job = heapq.heappop(self._due)
            self._end(job, self._recognition(job))

    def _wait(self) -> float | None:
        """Seconds until the next job is due; None where there is none."""
        if not self._due:
            return None
        return max(0.0, self._due[0][0] - time.monotonic())

    def _recognition(self, job: Job) -> Recognition:
        seconds = self._delay(job.name)
        both = job.request.get("Settings", {}).get("ChannelIdentification", False)
        words = _words(job, seconds)
        return Recognition(
            duration=seconds,
            utterances=(Utterance(0.0, seconds, words, verbatim=True),),
            media_format=job.request.get("MediaFormat"),
            sample_rate=job.request.get("MediaSampleRateHertz"),
            channels=2 if both else 1,
        )


def _words(job: Job, seconds: float) -> tuple[Word, ...]:
    """The text, and one word each for redaction and for a vocabulary filter."""
    text = f"[localaws fixed recogniser: no speech was recognised; job {job.name}]"
    # One item, so that no word of it can pass for one that was heard.
    words = [Word(text, 0.0, seconds, 0.0)]
    if "ContentRedaction" in job.request:
        words.append(Word(PERSONAL_WORD, seconds, seconds, 0.0, personal=True))
    settings = job.request.get("Settings", {})
    by_language = job.request.get("LanguageIdSettings", {}).values()
    if any("VocabularyFilterName" in each for each in (settings, *by_language)):
        words.append(Word(FILTERED_WORD, seconds, seconds, 0.0, filtered=True))
    return tuple(words)
