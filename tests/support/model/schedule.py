"""What the schedule promises: a job is in one state, and the one entry or queue of that state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from producer.contract.job import JobState
from producer.contract.stages import FLEET, STAGE_OF, Stage, Steps
from tests.support.model.entries import SENT, WAITS, Entries
from tests.support.model.fair_queue import FairQueue

#: Seconds after which a result may still come, and after which a job is polled first.
RESULT_LASTS, FIRST_POLL = 2.0, 1.0
#: Seconds by which a cleanup that does not call Transcribe goes before those that do.
AHEAD = 1e8
#: Seconds after which a job that waits for its twin asks by itself.
TWIN_AWAITED = 300.0


@dataclass
class ModelJob:
    """A job: its request is its tenant, priority and audio."""

    request: tuple[str, int, str]
    state: JobState = JobState.QUEUED
    attempt: int = 1
    #: whether any attempt, and whether this one, may have been started at Transcribe
    was_at_aws: bool = False
    was_started: bool = False
    #: of its audio, once an upload has said so; and the job whose result it waits for
    fingerprint: str = ""
    waits_for: str = ""


@dataclass
class ScheduleModel:
    """Each public method is a command."""

    weights: Mapping[str, float]
    lease: float
    jobs: dict[str, ModelJob] = field(default_factory=dict)
    #: jobs that Transcribe has, the latest last; and those that AWS refused to start
    running: list[str] = field(default_factory=list)
    #: those of them whose results workers have looked for in vain
    missed: set[str] = field(default_factory=set)
    first: list[str] = field(default_factory=list)
    #: by fingerprint: the job on its way to its result, and the one that has it
    originals: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    #: the jobs that wait for one
    twins: dict[str, set[str]] = field(default_factory=dict)
    #: the events of the latest step
    events: list[tuple[str, JobState]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.entries = Entries(self.lease)
        self.queued, self.ready = FairQueue(self.weights), FairQueue(self.weights)

    def submit(self, name: str, request: tuple[str, int, str], *, at_once: bool) -> str:
        if name in self.jobs:
            return "same" if self.jobs[name].request == request else "different"
        self.jobs[name] = ModelJob(request)
        self._enter(name, JobState.QUEUED)
        if at_once and not self.queued.turns:
            self.entries.send(Stage.UPLOAD, name)
        else:
            self.queued.add(*request[:2], name)
        return "created"

    def dispatch(self, room: int) -> list[str]:
        """Send all that is due, and new uploads while there is room; returns those."""
        self.entries.send_due()
        room -= sum(stage is Stage.UPLOAD for stage, _ in self.entries.sent)
        new: list[str] = []
        while len(new) < room and (name := self.queued.next()):
            self.entries.send(Stage.UPLOAD, name)
            new.append(name)
        return new

    def admit(self, slots: int) -> list[str]:
        admitted: list[str] = []
        while len(admitted) < slots and (name := self._next_ready()):
            self._enter(name, JobState.STARTING)
            self.jobs[name].was_at_aws = self.jobs[name].was_started = True
            self.entries.send(Stage.START, name)
            admitted.append(name)
        return admitted

    def acquire(self, stage: Stage, entry_id: str, token: str) -> None:
        self.entries.acquire(stage, entry_id, token)
        if stage is Stage.UPLOAD and self.jobs[entry_id].state is JobState.QUEUED:
            self._enter(entry_id, JobState.UPLOADING)

    def complete_poll(self) -> None:
        self.entries.forget(Stage.POLL, FLEET)
        if self.running:
            self.entries.wait(Stage.POLL, FLEET, 0)

    def advance(self, stage: Stage, name: str, to: JobState, steps: Steps) -> None:
        goes_on = stage in steps and steps[stage] == "none"
        goes_on = goes_on or (stage is Stage.POLL and to is JobState.COLLECTING)
        self._leave(stage, name, stays=goes_on)
        self._enter(name, to)
        if to is JobState.READY and Stage.START in steps:
            self.first.append(name)
        elif to is JobState.READY:
            self.ready.add(*self.jobs[name].request[:2], name)
        elif to is JobState.TRANSCRIBING:
            self._enter_running(name)
        elif to is JobState.COLLECTING and Stage.COLLECT not in steps:
            self.entries.send(Stage.COLLECT, name)
        elif to is JobState.COMPLETED and Stage.CLEANUP not in steps:
            self.entries.wait(Stage.CLEANUP, name, RESULT_LASTS)
        elif to is JobState.UPLOADING:
            self.entries.send(Stage.UPLOAD, name)

    def identify(self, name: str, fingerprint: str) -> tuple[str, str]:
        """By what is known of the audio of a job that was uploaded: what becomes of it."""
        job, awaited = self.jobs[name], self.jobs[name].waits_for
        answer, twin = self._find_twin(name, fingerprint)
        job.fingerprint = fingerprint
        if answer == "wait":
            job.waits_for = twin
            self.twins.setdefault(twin, set()).add(name)
            self.entries.release(Stage.UPLOAD, name, TWIN_AWAITED)
        else:
            job.waits_for = ""
            self.entries.forget(Stage.UPLOAD, name)
            self._enter(name, JobState.READY if answer == "original" else JobState.COLLECTING)
        if answer == "original":
            self.originals[fingerprint] = name
            self.ready.add(*job.request[:2], name)
        elif answer == "reuse":
            self.entries.send(Stage.COLLECT, name)
        if awaited and not self._is_living(awaited):
            self._wake_twins(awaited)
        return answer, twin

    def _find_twin(self, name: str, fingerprint: str) -> tuple[str, str]:
        if fingerprint in self.known:
            return "reuse", self.known[fingerprint]
        other = self.originals.get(fingerprint, name)
        is_other = other != name and self._is_living(other)
        if is_other and self.jobs[other].fingerprint == fingerprint:
            return "wait", other
        return "original", ""

    def forget(self, fingerprint: str, name: str) -> bool:
        is_theirs = self.known.get(fingerprint) == name
        if is_theirs:
            del self.known[fingerprint]
        return is_theirs

    def offer(self, name: str) -> None:
        self.known[self.jobs[name].fingerprint] = name

    def collect_missing(self, names: list[str]) -> list[str]:
        """Returns those to ask AWS for."""
        in_vain = [name for name in names if name in self.missed]
        entries = [self.entries.by_key.get((Stage.COLLECT, name)) for name in names]
        sent = [n for n, each in zip(names, entries, strict=True) if each and each.token == SENT]
        to_ask = [name for name in names if name in {*in_vain, *sent}]
        self.missed = set(in_vain)
        for name in names:
            runs = self.jobs[name].state is JobState.TRANSCRIBING
            if runs and name not in to_ask and not self._has(Stage.COLLECT, name):
                self.entries.send(Stage.COLLECT, name)
        return to_ask

    def record_missed(self, name: str) -> None:
        self.entries.forget(Stage.COLLECT, name)
        self.missed.add(name)
        self._expedite_poll()

    def settle(self, stage: Stage, name: str, *, runs: bool) -> None:
        self._leave(stage, name)
        if runs:
            self._enter_running(name)
        else:
            self.entries.wait(Stage.CLEANUP, name, RESULT_LASTS + 1)

    def stop(self, name: str, to: JobState) -> JobState:
        """Cancel, or fail at the deadline; returns the state before."""
        job, before = self.jobs[name], self.jobs[name].state
        if before.is_terminal:
            return before
        self.queued.remove(name)
        self.ready.remove(name)
        self.first = [each for each in self.first if each != name]
        # The start and the poll keep their entries, and its slot, until they know how it ended.
        self.entries.forget(Stage.UPLOAD, name)
        self.entries.forget(Stage.COLLECT, name)
        self._enter(name, to)
        if before is JobState.UPLOADING:
            self.entries.wait(Stage.CLEANUP, name, self.lease)  # its worker has to notice first
        elif before in {JobState.READY, JobState.COLLECTING} or (
            before is JobState.QUEUED and to is JobState.CANCELLED
        ):
            self.entries.wait(Stage.CLEANUP, name, 0 if job.was_at_aws else -AHEAD)
        return before

    def retry(self, name: str) -> str:
        job = self.jobs[name]
        if job.state not in {JobState.FAILED, JobState.CANCELLED}:
            return job.state
        if name in self.running or self._has(Stage.START, name) or self._has(Stage.CLEANUP, name):
            return "busy"
        if job.was_started:
            self._enter(name, JobState.COLLECTING)
            self.entries.wait(Stage.COLLECT, name, 0)
        else:
            self.start_attempt(name)
        return "ok"

    def start_attempt(self, name: str) -> None:
        job = self.jobs[name]
        job.attempt, job.was_at_aws, job.was_started = job.attempt + 1, True, False
        job.fingerprint = job.waits_for = ""
        self.entries.forget(Stage.COLLECT, name)
        self._enter(name, JobState.QUEUED)
        self.queued.add(*job.request[:2], name)

    def record_cleanup(self, name: str) -> None:
        self.entries.forget(Stage.CLEANUP, name)
        self.events.append((name, self.jobs[name].state))

    def _has(self, stage: Stage, name: str) -> bool:
        return (stage, name) in self.entries.by_key

    def _next_ready(self) -> str | None:
        return self.first.pop(0) if self.first else self.ready.next()

    def _enter(self, name: str, to: JobState) -> None:
        self.jobs[name].state = to
        self.events.append((name, to))
        if to.is_terminal:
            self._leave_twins(name)

    def _is_living(self, name: str) -> bool:
        return name in self.jobs and not self.jobs[name].state.is_terminal

    def _leave_twins(self, name: str) -> None:
        job = self.jobs[name]
        if self.originals.get(job.fingerprint) == name:
            del self.originals[job.fingerprint]
        if job.waits_for:
            self.twins.get(job.waits_for, set()).discard(name)
            job.waits_for = ""
        self._wake_twins(name)

    def _wake_twins(self, name: str) -> None:
        for twin in self.twins.pop(name, set()):
            job = self.jobs.get(twin)
            stage = STAGE_OF.get(job.state) if job else None
            if job is None or stage is None or job.waits_for != name:
                continue
            entry = self.entries.by_key.get((stage, twin))
            if entry is not None and entry.token == WAITS:
                self.entries.wait(stage, twin, 0)

    def _leave(self, stage: Stage, name: str, *, stays: bool = False) -> None:
        if stage is Stage.POLL or stays:
            self.running = [each for each in self.running if each != name]
            self.missed.discard(name)
        if not stays:
            self.entries.forget(Stage.COLLECT if stage is Stage.POLL else stage, name)

    def _enter_running(self, name: str) -> None:
        self.running = [each for each in self.running if each != name] + [name]
        if not self._has(Stage.POLL, FLEET):
            self.entries.wait(Stage.POLL, FLEET, 0)
        self._expedite_poll()

    def _expedite_poll(self) -> None:
        poll = self.entries.by_key[Stage.POLL, FLEET]
        if poll.token == WAITS and not poll.is_due:
            self.entries.wait(Stage.POLL, FLEET, FIRST_POLL)
