"""A storm over a real fleet: jobs come in while workers, Redis and AWS are struck."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.stages import CONTROL_QUEUE, Stage
from producer.errors import BrokerUnavailable, WrongState
from tests.chaos.plan import WORKERS, Blow, Job, Kind, Plan, Step
from tests.support.messages import raw_message
from tests.support.stack import BUCKET, Stack
from tests.support.waiting import DEADLINE, until

#: Jobs at once, of an endpoint that would run more: else it would hide that workers start too many.
#: Less than run at once without it, by the rate of starts.
QUOTA = 12
MALFORMED = ("not JSON", '{"body": 7}', '"text"', '{"headers": {"task": "no.such"}}', "[" * 50_000)
_SETTINGS = {"max_running_jobs": str(QUOTA), "poll_interval": "0.5", "dispatch_interval": "0.2"}
#: Why the jobs of these kinds fail at Transcribe.
_REASONS = {Kind.UNLUCKY: "Internal error.", Kind.HOPELESS: "Failed to parse audio."}


class Storm:
    """Carries out a plan; reports what happened."""

    def __init__(
        self, stack: Stack, plan: Plan, lease: float, report: Callable[[str], None]
    ) -> None:
        self.stack = stack
        self.plan = plan
        self.lease = lease
        self.blows: Counter[str] = Counter()
        #: seconds from a worker's death until the last of what it was at had moved
        self.recoveries: list[float] = []
        self._report = report
        self._settings = _SETTINGS | {"lease": str(lease)}
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._started_at = time.monotonic()
        # Long enough to be seen at work, short enough for three hundred.
        stack.start_aws("--recogniser", "fixed:1", "--quota", "jobs=off,start=25")
        self._recording = stack.sample("silence.wav")
        (stack.audio / "text.wav").write_text("this is no recording")
        stack.aws("s3").put_object(
            Bucket=BUCKET, Key="elsewhere/talk.wav", Body=self._recording.read_bytes()
        )
        for name in WORKERS:
            self._start_worker(name)

    @property
    def seconds(self) -> float:
        """Since the storm started."""
        return time.monotonic() - self._started_at

    def blow(self) -> None:
        """Carry out the plan, and wait until all jobs have ended and nothing moves any more."""
        for step in self.plan.steps:
            self._weather(step.faults)
            for job in step.jobs:
                self._submit(job)
            self._strike(step)
            for job in step.jobs:
                if job.kind is Kind.CANCELLED:
                    self._patiently(partial(self._cancel, job.name))
            self._report(f"{self.seconds:5.0f} s  {step.blow.value:45} {self._summary()}")
        self._weather({})
        for entry in MALFORMED:
            self._patiently(partial(self.stack.broker.command, "LPUSH", CONTROL_QUEUE, entry))
        self._settle(120 + 4 * self.lease)
        self._report(f"{self.seconds:5.0f} s  {'calm':45} {self._summary()}")

    def _settle(self, seconds: float) -> None:
        left: list[str] = []

        def settled() -> bool:
            left[:] = self._unsettled()
            return not left

        try:
            until(settled, seconds)
        except AssertionError:
            raise AssertionError(f"not ended after {seconds:.0f} s: {left[:20]}") from None

    # -- jobs -----------------------------------------------------------------------------------

    def _submit(self, job: Job) -> None:
        request = self._request(job)
        if job.kind is Kind.RAW:
            message = raw_message(request)
            self._patiently(lambda: self.stack.broker.command("LPUSH", CONTROL_QUEUE, message))
            return
        for _ in range(2 if job.kind is Kind.TWICE else 1):
            self._patiently(lambda: self.stack.client.submit_many([request]))

    def _request(self, job: Job) -> dict[str, object]:
        audio = {
            Kind.ON_S3: f"s3://{BUCKET}/elsewhere/talk.wav",
            Kind.NOT_AUDIO: str(self.stack.audio / "text.wav"),
            Kind.MISSING: str(self.stack.audio / "nowhere.wav"),
        }.get(job.kind, str(self._recording))
        request: dict[str, object] = {
            "audio": audio,
            "name": job.name,
            "priority": job.priority,
            "formats": job.formats,
        }
        if job.kind is Kind.CLEANUP:
            request["cleanup"] = True
        if job.kind is Kind.KEY:
            request["key"] = f"calls/{job.name}.wav"
        if job.kind is Kind.OVERDUE:
            request["deadline"] = 2.0
        return request

    def _cancel(self, name: str) -> None:
        try:
            self.stack.client.cancel(name)
        except WrongState:
            return  # it was quicker

    def _patiently(self, action: Callable[[], object]) -> None:
        """As the guide says to producers: submit again, under the same name."""

        def done() -> bool:
            try:
                action()
            except BrokerUnavailable:
                return False
            return True

        until(done, 60, "Redis to be back")

    # -- blows ----------------------------------------------------------------------------------

    def _weather(self, faults: dict[str, float]) -> None:
        """What AWS does from now on: calls that fail now and then, and jobs that must fail."""
        of_calls = [
            {"kind": kind, "rate": rate, "seconds": 1.0} for kind, rate in faults.items() if rate
        ]
        of_jobs = [
            {"kind": "fail", "match": f"^{job.name}$", "reason": _REASONS[job.kind]}
            for job in self.plan.jobs
            if job.kind in _REASONS
        ]
        self.stack.replace_faults(*of_calls, *of_jobs)

    def _strike(self, step: Step) -> None:
        self.blows[step.blow.value] += 1
        before = self._ended()
        match step.blow:
            case Blow.KILL_WORKER:
                self._kill(step.worker)
            case Blow.STOP_WORKER:
                self._workers[step.worker].terminate()
                code = self._workers[step.worker].wait(timeout=DEADLINE)
                assert code == 0, f"{step.worker} ended with {code}"
                self._start_worker(step.worker)
            case Blow.FREEZE_WORKER:
                self._workers[step.worker].send_signal(signal.SIGSTOP)
                self._pause(self.lease + 1)
                self._workers[step.worker].send_signal(signal.SIGCONT)
            case Blow.KILL_REDIS | Blow.STOP_REDIS:
                by = signal.SIGKILL if step.blow is Blow.KILL_REDIS else signal.SIGTERM
                self.stack.stop_redis(by)
                self.stack.start_redis_again()
            case Blow.CUT_REDIS:
                self.stack.broker.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            case Blow.FREEZE_AWS:
                self.stack.sandbox.child("localaws").send_signal(signal.SIGSTOP)
                self._pause(3)
                self.stack.sandbox.child("localaws").send_signal(signal.SIGCONT)
        # The next blow falls on work that goes on again.
        until(
            lambda: self._ended() > before or not self._active(),
            60 + 2 * self.lease,
            f"a job to end after: {step.blow.value}",
        )

    def _kill(self, name: str) -> None:
        self._workers[name].kill()
        self._workers[name].wait()
        died = time.monotonic()
        # Leases of the others change too, for these extend them long before they lapse.
        leased = self._leased()
        until(
            lambda: not (leased.items() & self._leased().items()),
            self.lease + 20,
            f"what {name} was at when it was killed to move again",
        )
        self.recoveries.append(time.monotonic() - died)
        self._start_worker(name)

    def _start_worker(self, name: str) -> None:
        self._workers[name] = self.stack.start_worker(name, **self._settings)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        until(lambda: time.monotonic() >= end, seconds + 10)

    # -- watching -------------------------------------------------------------------------------

    def _leased(self) -> dict[tuple[Stage, str], tuple[str, str]]:
        """What workers are at, with the fencing token of each lease and when it lapses."""
        broker = self.stack.broker
        return {
            (stage, entry_id): (token, broker.command("ZSCORE", keys.SCHEDULE(stage), entry_id))
            for stage in Stage
            for entry_id, token in self.stack.broker.command("HGETALL", keys.LEASE(stage)).items()
            if token != "0"
        }

    def _ended(self) -> int:
        counts = self._counts()
        return sum(number for state, number in counts.items() if state.is_terminal)

    def _active(self) -> int:
        counts = self._counts()
        return sum(number for state, number in counts.items() if not state.is_terminal)

    def _counts(self) -> dict[JobState, int]:
        found: list[dict[JobState, int]] = []
        self._patiently(lambda: found.append(self.stack.client.counts()))
        return found[-1]

    def _summary(self) -> str:
        return ", ".join(f"{n} {state.value}" for state, n in self._counts().items() if n)

    def _unsettled(self) -> list[str]:
        """What has not ended yet: jobs, entries of the schedule, messages."""
        found: list[str] = []

        def read() -> None:
            known = self.stack.store.get_many([job.name for job in self.plan.jobs])
            found[:] = [
                f"{name} is {job.state if job else 'not there'}"
                for name, job in known.items()
                if job is None or not job.state.is_terminal
            ]
            for stage in Stage:
                entries = self.stack.broker.command("ZRANGE", keys.SCHEDULE(stage), 0, -1)
                found.extend(f"{stage} of {entry_id}" for entry_id in entries)
            lengths = self.stack.client.fleet.queue_lengths()
            found.extend(f"{number} in {queue}" for queue, number in lengths.items() if number)

        self._patiently(read)
        return found
