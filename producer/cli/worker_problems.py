"""What keeps jobs waiting, as the workers say: a problem that one finds, or that there is none."""

import time

from producer.cli import output
from producer.client import Client
from producer.errors import BrokerUnavailable

#: Seconds between two reads of the workers' checks.
_INTERVAL = 2.0
#: Seconds before the first, in which jobs that have ended are found.
_AT_FIRST = 0.5


class WorkerProblems:
    """Shows each problem of the workers once, to a person who cannot see it otherwise."""

    def __init__(self, client: Client, *, known: bool = False) -> None:
        """Show the problems that are new from now on; with `known`, those of before, too."""
        self._client = client
        self._shown = set() if known else self._problems()
        self._next_read = time.monotonic() + _AT_FIRST

    def show_new(self) -> None:
        """Show the new problems, if the next read is due; call this often."""
        if time.monotonic() < self._next_read:
            return
        self._next_read = time.monotonic() + _INTERVAL
        problems = self._problems()
        for problem in sorted(problems - self._shown):
            output.chatter(f"the jobs wait: {problem}")
        # A problem that was fixed is shown again, should it return.
        self._shown = problems

    def _problems(self) -> set[str]:
        try:
            workers = self._client.fleet.alive()
        except BrokerUnavailable:
            return set()
        if not workers:
            return {"no worker is alive; start one with `celery -A worker worker`"}
        return {check.message for each in workers for check in each.checks if not check.ok}
