"""How long a job waits after a transient failure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.runtime.backoff import MAX_BACKOFF, backoff

#: seconds that a job has been in its state
WAITED = st.floats(0, 1e7)


@given(WAITED)
def test_it_grows_with_the_time_that_the_job_has_waited_up_to_a_bound(waited: float) -> None:
    middle = min(MAX_BACKOFF, max(1.0, waited / 2))
    assert 0.7 * middle <= backoff(waited) <= 1.3 * middle


def test_jobs_that_failed_together_do_not_come_back_together() -> None:
    assert len({backoff(10) for _ in range(20)}) > 10
