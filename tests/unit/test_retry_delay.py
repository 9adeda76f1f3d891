"""How long a job waits after a transient failure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.runtime.retry_delay import MAX_RETRY_DELAY, retry_delay

#: seconds that a job has been in its state
WAITED = st.floats(0, 1e7)
#: At this time and later, delays are as long as they get.
LONG = 1e4


@given(WAITED)
def test_no_delay_is_over_the_maximum_or_so_short_that_it_is_a_loop(waited: float) -> None:
    assert 0.5 <= retry_delay(waited) <= MAX_RETRY_DELAY


@given(st.floats(0, 10))
def test_a_job_that_has_waited_for_longer_waits_for_longer(waited: float) -> None:
    assert retry_delay(waited) < retry_delay(3 * waited + 5)
    # But no longer than the maximum, which it comes near to.
    assert max(retry_delay(LONG) for _ in range(200)) > 0.9 * MAX_RETRY_DELAY


@given(WAITED)
def test_jobs_that_failed_together_do_not_come_back_together(waited: float) -> None:
    delays = [retry_delay(waited) for _ in range(50)]
    assert len(set(delays)) == len(delays)
    assert max(delays) > 1.2 * min(delays)
