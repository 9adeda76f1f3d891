"""What the fleet may use of the account, against a real Redis."""

from __future__ import annotations

import pytest

from producer.backend import keys
from producer.backend.capacity import Account, Capacity
from producer.backend.rate_limiter import Operation
from producer.backend.workers import Fleet
from tests.support.stack import LEASE, Stack

pytestmark = pytest.mark.redis

RATES: dict[Operation, str] = {
    "StartTranscriptionJob": "25",
    "GetTranscriptionJob": "30",
    "ListTranscriptionJobs": "5!",
    "DeleteTranscriptionJob": "5",
}


def capacity_of(stack: Stack, slots: str) -> Capacity:
    return Capacity(
        stack.broker, slots=slots, rates=RATES, weights={}, lease=LEASE, others_expire=60
    )


def report(stack: Stack, capacity: Capacity) -> tuple[list[str], Account]:
    """What may be used in full again, and the report."""
    recovered = capacity.report()
    found = Fleet(stack.broker).account()
    assert found is not None
    return recovered, found


def run(stack: Stack, number: int) -> None:
    """Have so many jobs at Transcribe."""
    for each in range(number):
        stack.broker.command("ZADD", str(keys.RUNNING), stack.now(), f"job-{each}")


@pytest.mark.command("record_refusal", "report_capacity")
def test_after_a_refused_start_the_fleet_uses_fewer_slots_until_it_has_recovered(
    stack: Stack,
) -> None:
    capacity = capacity_of(stack, "100")
    run(stack, 80)
    assert report(stack, capacity)[1].slots == 100
    assert capacity.record_full()
    assert not capacity.record_full(), "those that are refused together count as one"
    recovered, found = report(stack, capacity)
    assert (recovered, found.slots, found.quota, found.refused) == ([], 60, 100, 2)
    # Each second 2.5 % of all come back.
    for seconds, slots, again in ((12, 90, []), (60, 100, ["slots"])):
        refused_at = stack.now() - seconds
        stack.broker.command("HSET", keys.BACKOFF("slots"), "at", refused_at)
        recovered, found = report(stack, capacity)
        assert recovered == again
        assert found.slots == pytest.approx(slots, abs=6)
    assert capacity.record_full() is True, "it may be slowed again"


@pytest.mark.command("report_capacity")
def test_the_report_has_what_settings_service_quotas_and_others_leave(stack: Stack) -> None:
    capacity = capacity_of(stack, "100")
    capacity.learn({"slots": 250, "GetTranscriptionJob": 50, "ListTranscriptionJobs": 50})
    assert capacity.record_other_jobs(["theirs", "theirs-too"]) == (2, True)
    assert capacity.record_throttling("GetTranscriptionJob", 30)
    found = report(stack, capacity)[1]
    assert (found.slots, found.quota, found.others, found.measured) == (248, 250, 2, True)
    rates = {each.operation: each for each in found.rates}
    slowed = rates["GetTranscriptionJob"]
    assert (slowed.quota, slowed.tokens, slowed.backoff_factor, slowed.refused) == (50, 25, 0.5, 1)
    assert rates["ListTranscriptionJobs"].quota == 5, "an operator's setting wins"
    assert rates["DeleteTranscriptionJob"].backoff_factor == 1
    assert 0 < int(stack.broker.command("TTL", str(keys.CAPACITY))) <= 20
