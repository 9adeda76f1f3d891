"""What follows a move of a job: a stage, the turn of a fair queue, or the poll."""

from typing import Literal

from producer.contract.job import JobState
from producer.contract.stages import Stage

Follows = Literal["", "ready", "ready-first", "running", "stays"] | Stage
#: Seconds from a job's completion to its cleanup. Redis writes to its disk every second or two:
#: should it lose what came after, the result must still be there to be fetched again.
CLEANUP_AFTER = 2


def next_step(follows: Follows) -> dict[str, object]:
    """What follows a move, as scripts have it."""
    match follows:
        case "":
            return {}
        case "ready":
            return {"queue": JobState.READY}
        case "ready-first":
            return {"queue": JobState.READY, "first": True}
        case "running" | "stays":
            return {follows: True}
        case Stage.CLEANUP:
            return {"stage": follows, "delay": CLEANUP_AFTER}
        case stage:
            return {"stage": stage}
