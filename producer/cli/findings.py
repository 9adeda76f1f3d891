"""What a worker finds to be wrong while jobs wait for it to be mended."""

from __future__ import annotations

import time

from producer.cli import output
from producer.client import Client
from producer.errors import BrokerUnavailable

#: Seconds between two readings of the workers' findings.
_PAUSE = 2.0


class Findings:
    """Shows each finding of the workers once, to a person who has no other way to see it."""

    def __init__(self, client: Client) -> None:
        """Show those that come from now on."""
        self._client = client
        self._shown = self._problems()
        self._read_again_at = time.monotonic() + _PAUSE

    def show_new(self) -> None:
        """Show what has come since, if it is time to look; to be called often."""
        if time.monotonic() < self._read_again_at:
            return
        self._read_again_at = time.monotonic() + _PAUSE
        problems = self._problems()
        for problem in sorted(problems - self._shown):
            output.chatter(f"the jobs wait: {problem}")
        # What has been mended is shown again, should it come again.
        self._shown = problems

    def _problems(self) -> set[str]:
        try:
            workers = self._client.fleet.alive()
        except BrokerUnavailable:
            return set()
        return {check.message for each in workers for check in each.checks if not check.ok}
