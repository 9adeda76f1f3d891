"""The stages of the pipeline: the names of their tasks and queues, and which follows a state.

Lua gets all of that from here; tests check that docs and compose have the same.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from producer.contract.job import JobState

#: Also the inbox for other languages, whose messages name the task `transcription.submit`.
CONTROL_QUEUE = "transcription.control"
#: The list of our own messages for that queue, apart from those of other languages.
CONTROL_LIST = f"{CONTROL_QUEUE}:ours"
#: The lists of others' messages: kombu has one for each step of priority.
#: Source: `priority_steps` and `sep` of kombu's Redis transport.
INBOX_LISTS = (CONTROL_QUEUE, *(f"{CONTROL_QUEUE}\x06\x16{step}" for step in (3, 6, 9)))
#: The id of entries that are the fleet's and no job's, such as the poll; no job can have this name.
FLEET = "*"


class Stage(StrEnum):
    """A stage of the pipeline: also the word for its task, its handler and `error.stage`."""

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

    @property
    def list(self) -> str:
        """The Redis list of our own messages for the stage."""
        return CONTROL_LIST if self.queue == CONTROL_QUEUE else self.queue

    @property
    def is_of_job(self) -> bool:
        """Whether its entries are jobs; else messages, or one for the whole fleet."""
        return self not in {Stage.SUBMIT, Stage.POLL, Stage.RECOVER}


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

#: How a job waits for a stage:
#:   "turn"     in the fair queue of its state, for its tenant's turn; "first" before all tenants
#:   "message"  for the worker that gets the message, which is sent at once
#:   "running"  among the running jobs, all of which the poll watches
#:   "none"     not at all: the caller goes on under its lease, or the stage is not wanted
#:   a number   as an entry that is due in so many seconds; after an end there is no other way
Wait = Literal["turn", "first", "message", "running", "none"] | float
Steps = Mapping[Stage, Wait]

#: Seconds from a job's completion to its cleanup. Redis writes to its disk every second or two:
#: should it lose what came after, the result must still be there to be fetched again.
CLEANUP_AFTER = 2.0
#: What follows as a job enters a state, by whatever way: the stages and how it waits for each. Who
#: moves the job may say otherwise of a stage.
FOLLOWS: Mapping[JobState, Steps] = MappingProxyType(
    {
        JobState.QUEUED: {Stage.UPLOAD: "turn"},
        JobState.UPLOADING: {Stage.UPLOAD: "none"},
        JobState.READY: {Stage.START: "turn"},
        JobState.STARTING: {Stage.START: "message"},
        JobState.TRANSCRIBING: {Stage.POLL: "running"},
        JobState.COLLECTING: {Stage.COLLECT: "message"},
        JobState.COMPLETED: {Stage.CLEANUP: CLEANUP_AFTER},
    }
)
#: The stage that a job waits for, or is at, in each state that is not terminal.
STAGE_OF: Mapping[JobState, Stage] = MappingProxyType(
    {state: next(iter(steps)) for state, steps in FOLLOWS.items() if not state.is_terminal}
)
