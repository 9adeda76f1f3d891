"""The stages of the pipeline: the names of their Celery tasks and of the queues in Redis.

The one address of these names. Lua gets them from here; docs and compose are held against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from producer.contract.job import JobState

#: Also the inbox for other languages, whose messages name the task `transcription.submit`.
CONTROL_QUEUE = "transcription.control"
#: The list of our own messages for that queue, apart from those of other languages.
CONTROL_LIST = f"{CONTROL_QUEUE}:ours"


class Stage(StrEnum):
    """A stage of the pipeline: also the word for its task, its file and `error.stage`."""

    SUBMIT = "submit"
    UPLOAD = "upload"
    START = "start"
    POLL = "poll"
    COLLECT = "collect"
    CLEANUP = "cleanup"
    #: for all jobs at once: writes records anew after a loss of Redis
    RECOVER = "recover"

    @property
    def task(self) -> str:
        """The name of the stage's Celery task."""
        return f"transcription.{self.value}"

    @property
    def queue(self) -> str:
        """The queue of the stage's messages."""
        return _QUEUE_OF[self]


_QUEUE_OF: Mapping[Stage, str] = MappingProxyType(
    {
        Stage.SUBMIT: CONTROL_QUEUE,
        Stage.UPLOAD: "transcription.upload",
        Stage.START: CONTROL_QUEUE,
        Stage.POLL: CONTROL_QUEUE,
        Stage.COLLECT: "transcription.collect",
        Stage.CLEANUP: "transcription.cleanup",
        Stage.RECOVER: CONTROL_QUEUE,
    }
)
#: Each queue once, the control queue first.
QUEUES = tuple(dict.fromkeys(_QUEUE_OF.values()))

#: The stage that a job waits for, or is at, in each state that is not terminal.
STAGE_OF: Mapping[JobState, Stage] = MappingProxyType(
    {
        JobState.QUEUED: Stage.UPLOAD,
        JobState.UPLOADING: Stage.UPLOAD,
        JobState.READY: Stage.START,
        JobState.STARTING: Stage.START,
        JobState.TRANSCRIBING: Stage.POLL,
        JobState.COLLECTING: Stage.COLLECT,
    }
)
