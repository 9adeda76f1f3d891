"""Records and schedule against a real Redis: one truth, fenced, nothing lost, nothing doubled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from producer.backend import keys
from producer.backend.job_store import SUBMIT_ROOM
from producer.backend.kept_results import KeptResults
from producer.backend.schedule import Lease, Schedule
from producer.contract.job import JobState
from producer.contract.request import TranscriptionRequest
from producer.contract.stages import FLEET, Stage
from producer.contract.submission import Submission
from producer.errors import JobExists, JobNotFound, WaitTimeout, WrongState
from tests.support.redis_keys import present
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until

pytestmark = pytest.mark.redis

#: Longer than any test may take, however busy the machine is.
LEASE = 600.0
#: For tests of stalled entries.
SHORT = 1.0


@pytest.fixture
def schedule(stack: Stack) -> Schedule:
    return Schedule(stack.broker, LEASE)


@pytest.fixture
def brief(stack: Stack) -> Schedule:
    """The schedule, with short leases."""
    return Schedule(stack.broker, SHORT)


def queue(stack: Stack, *names: str, priority: int = 5) -> None:
    """Record jobs, without messages."""
    submissions = [
        Submission.of(
            TranscriptionRequest(audio=f"/audio/{name}.wav", name=name, priority=priority)
        )
        for name in names
    ]
    list(stack.store.record(submissions, deadline=3600, at_once=False))


def acquire(schedule: Schedule, stage: Stage, name: str) -> Lease:
    """Dispatch an entry and acquire its lease, as a dispatcher and a task do."""
    assert (stage, name) in schedule.dispatch(room=10)
    lease = schedule.acquire(stage, name)
    assert lease is not None
    return lease


def bring_to(stack: Stack, schedule: Schedule, name: str, state: JobState) -> Lease:
    """Bring a job to a state; returns the lease of the stage that it is in."""
    queue(stack, name)
    lease = acquire(schedule, Stage.UPLOAD, name)
    if state is JobState.UPLOADING:
        return lease
    assert stack.store.advance(lease, name, [JobState.UPLOADING], JobState.READY)
    if state is JobState.READY:
        return lease
    assert stack.broker.run(
        "admit_jobs", slots="10", start_rate="100", lease=LEASE, weights={}
    ) == [name]
    start = schedule.acquire(Stage.START, name)
    assert start is not None
    if state is JobState.STARTING:
        return start
    assert stack.store.advance(
        start,
        name,
        [JobState.STARTING],
        JobState.TRANSCRIBING,
        fields={"result_uri": "s3://b/k"},
    )
    poll = acquire(schedule, Stage.POLL, FLEET)
    if state is JobState.TRANSCRIBING:
        return poll
    assert stack.store.advance(poll, name, [JobState.TRANSCRIBING], JobState.COLLECTING)
    collect = schedule.acquire(Stage.COLLECT, name)
    assert collect is not None
    return collect


def test_the_same_name_and_request_is_the_same_job(stack: Stack) -> None:
    first = stack.client.submit("/audio/a.wav", name="one", language="en-GB")
    again = stack.client.submit("/audio/a.wav", language="en-GB", name="one")
    assert again == first
    assert stack.client.counts()[JobState.QUEUED] == 1


@pytest.mark.command("submit_jobs")
def test_the_same_name_for_another_request_is_refused_and_changes_nothing(stack: Stack) -> None:
    first = stack.client.submit("/audio/a.wav", name="one")
    with pytest.raises(JobExists, match="one"):
        stack.client.submit("/audio/b.wav", name="one")
    assert stack.client.get("one") == first


def test_many_at_once_submitting_one_name_make_one_job(stack: Stack) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda _: stack.client.submit("/audio/a.wav", name="one"), range(40)))
    assert len({job.created_at for job in jobs}) == 1
    assert stack.client.counts()[JobState.QUEUED] == 1


def test_submit_many_checks_all_before_it_records_one(stack: Stack) -> None:
    with pytest.raises(Exception, match="language"):
        stack.client.submit_many([{"audio": "/a.wav"}, {"audio": "/b.wav", "language": "xx"}])
    assert sum(stack.client.counts().values()) == 0


@pytest.mark.command("acquire_lease")
def test_only_one_of_many_tasks_for_an_entry_gets_the_lease(
    stack: Stack, schedule: Schedule
) -> None:
    queue(stack, "one")
    schedule.dispatch(room=10)
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda _: schedule.acquire(Stage.UPLOAD, "one"), range(16)))
    assert len([lease for lease in leases if lease]) == 1
    assert stack.client.get("one").state is JobState.UPLOADING


def test_a_message_without_an_entry_gets_no_lease(schedule: Schedule) -> None:
    assert schedule.acquire(Stage.UPLOAD, "never-submitted") is None


@pytest.mark.command("extend_leases", "advance_job")
def test_a_stalled_entry_goes_to_another_worker_which_fences_off_the_first(
    stack: Stack, brief: Schedule, schedule: Schedule
) -> None:
    queue(stack, "one")
    lost = acquire(brief, Stage.UPLOAD, "one")
    until(
        lambda: (Stage.UPLOAD, "one") in schedule.dispatch(room=10), what="the entry to be stalled"
    )
    current = schedule.acquire(Stage.UPLOAD, "one")
    assert current is not None
    assert current.stalled_count == 1
    # The first one wakes up late: nothing it does has an effect.
    assert schedule.extend([lost, current]) == [False, True]
    assert not stack.store.advance(lost, "one", [JobState.UPLOADING], JobState.READY)
    assert not schedule.release(lost, 0)
    assert stack.client.get("one").state is JobState.UPLOADING
    assert stack.store.advance(current, "one", [JobState.UPLOADING], JobState.READY)


def test_an_entry_whose_lease_is_extended_is_not_dispatched(
    stack: Stack, brief: Schedule, schedule: Schedule
) -> None:
    queue(stack, "one")
    lease = acquire(brief, Stage.UPLOAD, "one")
    expired_at = stack.now() + 1 + SHORT
    # For longer than it had.
    assert schedule.extend([lease]) == [True]
    until(lambda: stack.now() > expired_at)
    assert schedule.dispatch(room=10) == []
    assert schedule.acquire(Stage.UPLOAD, "one") is None


def test_fencing_tokens_grow_even_if_redis_forgot_the_last_one(
    stack: Stack, brief: Schedule, schedule: Schedule
) -> None:
    queue(stack, "one")
    before = acquire(brief, Stage.UPLOAD, "one")
    stack.broker.command("DEL", str(keys.FENCING_TOKEN))
    until(lambda: schedule.dispatch(room=10))
    after = schedule.acquire(Stage.UPLOAD, "one")
    assert after is not None
    assert int(after.token) > int(before.token)


@pytest.mark.command("dispatch_due")
def test_dispatch_leaves_a_backlog_queued_and_sends_the_urgent_first(
    stack: Stack, schedule: Schedule
) -> None:
    queue(stack, *(f"plain-{number}" for number in range(50)))
    queue(stack, "urgent", priority=0)
    dispatched = schedule.dispatch(room=10)
    assert len(dispatched) == 10
    assert dispatched[0] == (Stage.UPLOAD, "urgent")
    assert dispatched[1] == (Stage.UPLOAD, "plain-0")


def test_dispatch_stops_while_a_queue_is_full(stack: Stack, schedule: Schedule) -> None:
    queue(stack, "one")
    for number in range(10):
        stack.broker.command("LPUSH", Stage.UPLOAD.queue, f"message {number}")
    assert schedule.dispatch(room=10) == []
    stack.broker.command("DEL", Stage.UPLOAD.queue)
    assert schedule.dispatch(room=10) == [(Stage.UPLOAD, "one")]


@pytest.mark.command("release_lease")
def test_released_work_is_due_after_its_delay_and_not_before(
    stack: Stack, schedule: Schedule
) -> None:
    queue(stack, "one")
    lease = acquire(schedule, Stage.UPLOAD, "one")
    assert schedule.release(lease, LEASE)
    assert schedule.acquire(Stage.UPLOAD, "one") is None
    assert schedule.dispatch(room=10) == []
    queue(stack, "two")
    lease = acquire(schedule, Stage.UPLOAD, "two")
    assert schedule.release(lease, 0.5)
    until(lambda: schedule.dispatch(room=10) == [(Stage.UPLOAD, "two")])


@pytest.mark.command("complete_lease")
def test_the_poll_is_one_entry_and_stays_while_something_runs(
    stack: Stack, schedule: Schedule
) -> None:
    poll = bring_to(stack, schedule, "one", JobState.TRANSCRIBING)
    assert schedule.acquire(Stage.POLL, FLEET) is None
    # It believes that nothing runs any more, but something was started meanwhile.
    assert schedule.complete(poll)
    again = acquire(schedule, Stage.POLL, FLEET)
    assert stack.store.advance(again, "one", [JobState.TRANSCRIBING], JobState.COLLECTING)
    assert schedule.complete(again)
    assert schedule.dispatch(room=10) == []


@pytest.mark.command("move_job")
@pytest.mark.parametrize("state", [JobState.UPLOADING, JobState.STARTING, JobState.COLLECTING])
def test_a_cancelled_job_is_lost_to_its_worker(
    stack: Stack, schedule: Schedule, state: JobState
) -> None:
    lease = bring_to(stack, schedule, "one", state)
    assert stack.client.cancel("one").state is JobState.CANCELLED
    assert not stack.store.advance(lease, "one", [state], JobState.COMPLETED)
    assert stack.client.get("one").state is JobState.CANCELLED
    assert stack.client.cancel("one").state is JobState.CANCELLED


def test_a_move_that_a_job_may_not_make_is_an_error_and_changes_nothing(
    stack: Stack, schedule: Schedule
) -> None:
    """The owner learns of it, whatever the states: a command copied from `cancel`, too."""
    lease = bring_to(stack, schedule, "one", JobState.COLLECTING)
    with pytest.raises(WrongState, match="'one' is COLLECTING, so it cannot become STARTING"):
        stack.store._move("one", JobState.STARTING, {})
    assert stack.store.advance(lease, "one", [JobState.COLLECTING], JobState.COMPLETED)
    record = stack.broker.command("HGETALL", keys.JOB("one"))
    with pytest.raises(WrongState, match="'one' is COMPLETED, so it cannot become CANCELLED"):
        stack.client.cancel("one")
    assert stack.broker.command("HGETALL", keys.JOB("one")) == record
    with pytest.raises(JobNotFound, match="no job 'two'"):
        stack.client.cancel("two")


@pytest.mark.command("settle_stopped", "complete_lease")
def test_a_job_stopped_while_aws_had_it_keeps_its_slot_until_it_ended(
    stack: Stack, schedule: Schedule
) -> None:
    poll = bring_to(stack, schedule, "one", JobState.TRANSCRIBING)
    stack.client.cancel("one")
    assert stack.running_ids() == ["one"]
    with pytest.raises(WrongState, match="still being stopped"):
        stack.client.retry("one")
    assert stack.store.settle(poll, "one", "ended")
    assert stack.running_ids() == []
    until(lambda: (Stage.CLEANUP, "one") in schedule.dispatch(room=10))
    cleanup = schedule.acquire(Stage.CLEANUP, "one")
    assert cleanup is not None
    assert schedule.complete(cleanup, {"cleaned_at": stack.now()})
    assert stack.client.get("one").cleaned_at is not None
    again = stack.client.retry("one")
    assert (again.state, again.attempt, again.cleaned_at) == (JobState.COLLECTING, 1, None)


@pytest.mark.command("start_attempt")
def test_a_retried_job_that_has_nothing_to_fetch_is_a_new_attempt(
    stack: Stack, schedule: Schedule
) -> None:
    bring_to(stack, schedule, "one", JobState.COLLECTING)
    stack.client.cancel("one")
    schedule.complete(acquire(schedule, Stage.CLEANUP, "one"), {"cleaned_at": stack.now()})
    stack.client.retry("one")
    lost = acquire(schedule, Stage.COLLECT, "one")
    schedule.release(lost, 0)
    lease = acquire(schedule, Stage.COLLECT, "one")
    assert not stack.store.start_new_attempt(lost)
    assert stack.store.start_new_attempt(lease)
    again = stack.client.get("one")
    assert (again.state, again.attempt, again.result_uri) == (JobState.QUEUED, 2, None)
    assert schedule.acquire(Stage.COLLECT, "one") is None
    acquire(schedule, Stage.UPLOAD, "one")


def test_a_stopped_jobs_cleanup_waits_for_a_result_that_comes_late(
    stack: Stack, schedule: Schedule
) -> None:
    poll = bring_to(stack, schedule, "one", JobState.TRANSCRIBING)
    stack.client.cancel("one")
    ended_at = float(stack.broker.command("TIME")[0])
    assert stack.store.settle(poll, "one", "ended")
    # AWS writes it up to two seconds after the job counts as ended.
    assert float(stack.broker.command("ZSCORE", keys.SCHEDULE("cleanup"), "one")) > ended_at + 2


def test_a_cleanup_that_calls_only_s3_overtakes_those_that_call_transcribe(
    stack: Stack, schedule: Schedule
) -> None:
    for name in ("one", "two"):
        start = bring_to(stack, schedule, name, JobState.STARTING)
        stack.client.cancel(name)
        assert stack.store.settle(start, name, "ended")
    until(lambda: schedule.dispatch(room=10, delete_rate="1!") == [(Stage.CLEANUP, "one")])
    two_is_due = float(stack.broker.command("ZSCORE", keys.SCHEDULE("cleanup"), "two"))
    until(lambda: stack.now() > two_is_due)
    assert schedule.dispatch(room=10, delete_rate="1!") == []
    bring_to(stack, schedule, "quick", JobState.READY)
    stack.client.cancel("quick")
    assert (Stage.CLEANUP, "quick") in schedule.dispatch(room=10, delete_rate="1!")


@pytest.mark.command("retry_job")
@pytest.mark.parametrize("state", [JobState.UPLOADING, JobState.TRANSCRIBING, JobState.COLLECTING])
def test_a_job_at_work_is_not_retried_and_stays_as_it_is(
    stack: Stack, schedule: Schedule, state: JobState
) -> None:
    bring_to(stack, schedule, "one", state)
    before = stack.broker.command("HGETALL", keys.JOB("one"))
    with pytest.raises(WrongState, match=state):
        stack.client.retry("one")
    assert stack.broker.command("HGETALL", keys.JOB("one")) == before


@pytest.mark.command("retry_job")
def test_retry_is_a_new_attempt_of_what_ended_badly_only(stack: Stack, schedule: Schedule) -> None:
    queue(stack, "one")
    with pytest.raises(WrongState, match="QUEUED"):
        stack.client.retry("one")
    with pytest.raises(JobNotFound):
        stack.client.retry("other")
    lease = acquire(schedule, Stage.UPLOAD, "one")
    fields = {"error.code": "Empty", "error.message": "It is empty.", "error.stage": "upload"}
    assert stack.store.advance(lease, "one", [JobState.UPLOADING], JobState.FAILED, fields=fields)
    failed = stack.client.get("one")
    assert failed.error is not None
    assert failed.error.message == "It is empty."
    again = stack.client.retry("one")
    assert (again.state, again.attempt, again.error) == (JobState.QUEUED, 2, None)
    assert again.aws_name == "one--try-2"
    assert stack.broker.command("TTL", keys.JOB("one")) == -1


def test_overdue_jobs_fail_while_they_are_queued(stack: Stack, schedule: Schedule) -> None:
    stack.client.submit("/audio/a.wav", name="late", deadline=0.2)
    assert until(stack.store.fail_overdue) == ["late"]
    job = stack.client.get("late")
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == "DeadlineExceeded"
    assert schedule.acquire(Stage.UPLOAD, "late") is None


def test_ended_records_expire_and_leave_the_lists(stack: Stack) -> None:
    stack.client.submit("/audio/a.wav", name="one")
    assert stack.broker.command("TTL", keys.JOB("one")) == -1
    stack.client.cancel("one")
    assert stack.broker.command("TTL", keys.JOB("one")) > 0
    stack.broker.command("ZADD", keys.STATE("CANCELLED"), 1, "one")
    stack.store.prune()
    assert stack.client.counts()[JobState.CANCELLED] == 0


def test_a_text_is_kept_as_long_as_the_record(stack: Stack, schedule: Schedule) -> None:
    collect = bring_to(stack, schedule, "one", JobState.COLLECTING)
    assert KeptResults(stack.broker, retention=60).keep(collect, "hello", b"{}", most=1000)
    assert stack.store.advance(collect, "one", [JobState.COLLECTING], JobState.COMPLETED)
    kinds = (keys.JOB, keys.RESULT_TEXT, keys.RESULT_DOCUMENT)
    left = [stack.broker.command("TTL", kind("one")) for kind in kinds]
    assert min(left) > 60


@pytest.mark.command("complete_lease")
def test_work_on_a_job_whose_record_expired_makes_none(stack: Stack, schedule: Schedule) -> None:
    lease = bring_to(stack, schedule, "one", JobState.UPLOADING)
    stack.broker.command("DEL", keys.JOB("one"))
    assert schedule.complete(lease, {"cleaned_at": 1})
    assert stack.broker.command("EXISTS", keys.JOB("one")) == 0


def test_waiting_is_pushed_and_sees_what_ended_before(stack: Stack) -> None:
    ids = [stack.client.submit(f"/audio/{n}.wav", name=f"job-{n}").id for n in range(3)]
    stack.client.cancel(ids[0])
    seen = stack.client.as_completed(ids, timeout=DEADLINE)
    assert next(seen).id == ids[0]
    with ThreadPoolExecutor(1) as pool:
        cancelling = pool.submit(stack.client.cancel, ids[2])
        assert next(seen).id == ids[2]
        cancelling.result()
        pool.submit(stack.client.cancel, ids[1]).result()
    assert [job.id for job in seen] == [ids[1]]


def test_waiting_ends_by_its_timeout_and_for_unknown_jobs(stack: Stack) -> None:
    stack.client.submit("/audio/a.wav", name="one")
    with pytest.raises(WaitTimeout, match="one"):
        stack.client.wait("one", timeout=0.2)
    with pytest.raises(JobNotFound, match="nobody"):
        stack.client.wait("nobody", timeout=5)


def test_lists_are_newest_first_and_by_state(stack: Stack) -> None:
    for name in ("one", "two", "three"):
        stack.client.submit("/audio/a.wav", name=name)
    stack.client.cancel("one")
    assert [job.id for job in stack.client.list()] == ["one", "three", "two"]
    assert [job.id for job in stack.client.list([JobState.QUEUED], 1)] == ["three"]


def test_a_kept_result_is_bounded(stack: Stack, schedule: Schedule) -> None:
    kept = KeptResults(stack.broker, retention=60)
    one = bring_to(stack, schedule, "one", JobState.COLLECTING)
    assert kept.keep(one, "hello", b"{}" * 10, most=1000)
    assert kept.get("one", "text") == b"hello"
    assert 0 < stack.broker.command("TTL", keys.RESULT_TEXT("one")) <= 60
    incompressible = bytes(number * 7919 % 251 for number in range(5000))
    assert kept.keep(one, "goodbye", incompressible * 3, most=100)
    assert kept.get("one", "text") == b"goodbye"
    assert kept.get("one", "document") is None


@pytest.mark.command("keep_result")
@pytest.mark.parametrize("to", [JobState.CANCELLED, JobState.FAILED])
def test_of_a_stopped_job_no_result_is_kept(stack: Stack, schedule: Schedule, to: JobState) -> None:
    kept = KeptResults(stack.broker, retention=60)
    lease = bring_to(stack, schedule, "one", JobState.COLLECTING)
    assert kept.keep(lease, "hello", b"{}", most=1000)
    if to is JobState.CANCELLED:
        stack.client.cancel("one")
    else:
        stack.broker.command("ZADD", str(keys.DEADLINES), stack.now() - 1, "one")
        assert stack.store.fail_overdue() == ["one"]
    for _ in range(2):
        assert present(stack.broker, keys.RESULT_TEXT, keys.RESULT_DOCUMENT) == []
        # The worker that collects it does not know yet.
        assert not kept.keep(lease, "hello", b"{}", most=1000)


def test_an_entry_without_a_record_is_forgotten(stack: Stack, schedule: Schedule) -> None:
    queue(stack, "one")
    schedule.dispatch(room=10)
    stack.broker.command("DEL", keys.JOB("one"))
    assert schedule.acquire(Stage.UPLOAD, "one") is None
    assert stack.broker.command("ZCARD", keys.SCHEDULE("upload")) == 0
    stack.broker.command("ZADD", str(keys.DEADLINES), 1, "one")
    assert stack.store.fail_overdue() == []
    assert stack.broker.command("ZCARD", str(keys.DEADLINES)) == 0


def test_a_request_of_a_newer_producer_can_be_read(stack: Stack) -> None:
    queue(stack, "one")
    newer = '{"audio": "/audio/a.wav", "colour": "red", "cleanup": true}'
    stack.broker.command("HSET", keys.JOB("one"), "request", newer)
    job = stack.client.get("one")
    assert job.request.cleanup
    assert job.request.formats == ("txt",)


def test_messages_are_sent_from_many_threads_at_once(stack: Stack) -> None:
    with ThreadPoolExecutor(16) as pool:
        jobs = list(pool.map(lambda n: stack.client.submit(f"/audio/{n}.wav"), range(64)))
    assert len({job.id for job in jobs}) == 64
    messages = stack.broker.command("LRANGE", Stage.UPLOAD.queue, 0, -1)
    assert len(messages) == len(set(messages)) == SUBMIT_ROOM


@pytest.mark.command("record_refused")
def test_a_refused_request_cannot_be_retried(stack: Stack) -> None:
    stack.store.refuse("bad", '{"name": "bad", "audio": "relative.wav"}', "It is relative.")
    with pytest.raises(WrongState, match="submit it anew"):
        stack.client.retry("bad")
    assert stack.client.get("bad").state is JobState.FAILED


@pytest.mark.command("reserve_key")
def test_a_key_is_reserved_until_its_job_can_write_there_no_more(
    stack: Stack, schedule: Schedule
) -> None:
    upload = bring_to(stack, schedule, "one", JobState.UPLOADING)
    assert stack.store.reserve_key("talk", "one") == ""
    assert stack.store.reserve_key("talk", "one") == ""
    assert stack.store.reserve_key("other", "two") == ""
    assert stack.store.reserve_key("talk", "two") == "one"
    assert stack.store.advance(upload, "one", [JobState.UPLOADING], JobState.READY)
    stack.client.cancel("one")
    assert stack.store.reserve_key("talk", "two") == "one", "its cleanup may delete there"
    schedule.complete(acquire(schedule, Stage.CLEANUP, "one"), {"cleaned_at": stack.now()})
    assert stack.store.reserve_key("talk", "two") == ""
    assert stack.store.reserve_key("talk", "one") == "", "nobody knows a job two"


@pytest.mark.command("record_upload")
def test_uploads_in_parts_are_recorded_by_the_worker_with_the_lease_only(
    stack: Stack, schedule: Schedule
) -> None:
    first = bring_to(stack, schedule, "one", JobState.UPLOADING)
    assert stack.store.record_upload(first, "part-1")
    assert stack.store.record_upload(first, "part-1")
    assert schedule.release(first, 0)
    second = acquire(schedule, Stage.UPLOAD, "one")
    assert not stack.store.record_upload(first, "late")
    assert stack.store.record_upload(second, "part-2")
    assert stack.store.uploads("one") == {"part-1", "part-2"}


@pytest.mark.command("record_failure")
def test_failures_are_counted_until_work_is_released_and_the_last_one_keeps_the_lease(
    stack: Stack, schedule: Schedule
) -> None:
    queue(stack, "one")
    for failures in (1, 2):
        lease = acquire(schedule, Stage.UPLOAD, "one")
        assert schedule.record_failure(lease, 3, 0) == failures
        assert schedule.record_failure(lease, 3, 0) == 0, "it has released the entry"
    last = acquire(schedule, Stage.UPLOAD, "one")
    assert schedule.record_failure(last, 3, 0) == 3
    assert schedule.extend([last]) == [True]
    assert schedule.release(last, 0)
    assert schedule.record_failure(acquire(schedule, Stage.UPLOAD, "one"), 3, 0) == 1
