"""The problems that a worker finds while jobs wait for somebody to fix them."""

import time

from producer.cli import output
from producer.client import Client
from producer.errors import BrokerUnavailable

#: Seconds between two reads of the workers' checks.
_INTERVAL = 2.0


class WorkerProblems:
    """Shows each problem of the workers once, to a person who cannot see it otherwise."""

    def __init__(self, client: Client) -> None:
        """Show the problems that are new from now on."""
        self._client = client
        self._shown = self._problems()
        self._next_read = time.monotonic() + _INTERVAL

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
        return {check.message for each in workers for check in each.checks if not check.ok}
