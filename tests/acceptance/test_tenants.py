"""Tenants share a real fleet: real workers, a small quota of the account, the command line."""

from __future__ import annotations

import pytest

from producer.contract.job import Job, JobState
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE

pytestmark = pytest.mark.long


def started(jobs: list[Job]) -> list[Job]:
    """In the order in which they were given a slot."""
    return sorted(jobs, key=lambda job: job.times[JobState.STARTING])


def test_a_tenants_one_file_does_not_wait_for_anothers_hundred(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.3", "--quota", "jobs=2")
    path = str(stack.sample("silence.wav"))
    bulk = stack.client.submit_many(
        {"audio": path, "name": f"bulk-{number}", "metadata": {"tenant": "bulk"}}
        for number in range(40)
    )
    ran = stack.transcribe("submit", path, "--tenant", "clinic", "--set", "priority=9")
    assert ran.returncode == 0, ran
    clinic = ran.stdout.strip()
    assert stack.client.get(clinic).request.metadata == {"tenant": "clinic"}
    stack.start_worker("one", max_running_jobs="2", tenant_weights="bulk=3,clinic=1")
    done = stack.client.wait([*bulk, clinic], timeout=DEADLINE)
    assert {job.state for job in done.values()} == {JobState.COMPLETED}
    # By priority and age it would be the last.
    order = [job.id for job in started(list(done.values()))]
    assert order.index(clinic) < 20, order


def test_shares_of_starts_are_as_the_workers_setting_says(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2", "--quota", "jobs=4")
    path = str(stack.sample("silence.wav"))
    ids = {
        tenant: stack.client.submit_many(
            {"audio": path, "name": f"{tenant}-{number}", "metadata": {"tenant": tenant}}
            for number in range(48)
        )
        for tenant in ("bronze", "gold")
    }
    for name in ("one", "two"):
        stack.start_worker(name, max_running_jobs="4", tenant_weights="gold=3")
    stack.client.wait(ids["gold"], timeout=DEADLINE)
    everything = ids["gold"] + ids["bronze"]
    done = stack.client.wait(everything, timeout=DEADLINE)
    first = started(list(done.values()))[:40]
    gold = sum(job.id.startswith("gold") for job in first)
    assert 26 <= gold <= 34, [job.id for job in first]
