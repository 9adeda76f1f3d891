"""What protects each promise of reliability.md, and the test that goes red without it.

`python -m tests.protections`, or `make protections`, takes each protection out of a copy
of the project, in turn, and sees that its test fails.

An entry names the guard in its function, as `guards` finds it: moving lines and laying them out
anew breaks no entry. Name what makes it a guard, and write `...` for all else.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.protections.guards import remove_guard


@dataclass(frozen=True)
class Protection:
    """A piece of the product without which a promise is broken."""

    #: file beneath the project's folder
    file: str
    #: function of the file, as in `Class.method`, or empty for what is in none
    function: str
    #: the guard, which the function has exactly once
    guard: str
    #: what stands there when the protection is taken out
    instead: str
    #: the test that then fails
    test: str

    def guard_removed(self, code: str) -> str:
        """The code of its file without it. Raises GuardNotFound."""
        language = self.file.rpartition(".")[2]
        return remove_guard(code, language, self.function, self.guard, self.instead)


_RECOVERY = "tests/acceptance/test_recovery.py::"
_REDIS = "tests/acceptance/test_redis_faults.py::"
_PRODUCER = "tests/acceptance/test_producer_faults.py::"
_MISSING = "tests/integration/test_missing_jobs.py::"
_MISSING_RACES = "tests/integration/test_missing_job_races.py::"
_RECOVER = "tests/acceptance/test_recover.py::"
_AWS = "tests/acceptance/test_aws_faults.py::"
_STOPPING = "tests/acceptance/test_stopping.py::"
_STOPPED = "tests/acceptance/test_stopped_jobs.py::"
_RATES = "tests/acceptance/test_account_rates.py::"
_SHARED = "tests/acceptance/test_shared_account.py::"
_PROPERTIES = "tests/integration/test_schedule_properties.py::"
_RATE_LIMITED = "tests/integration/test_rate_limited_calls.py::"
_MESSAGES = "tests/acceptance/test_messages.py::"
_EVERY_CALL = "tests/acceptance/test_aws_every_call.py::"
_RESULTS = "tests/acceptance/test_lost_results.py::"
_FORGOTTEN = "tests/acceptance/test_forgotten_jobs.py::"
_RETRY = "tests/acceptance/test_retry.py::"
_BAD_DAYS = "tests/acceptance/test_redis_bad_days.py::"
_HOSTILE = "tests/acceptance/test_hostile_messages.py::"
_FENCING = "tests/integration/test_fencing_tokens.py::"
_JOB_STORE = "tests/integration/test_job_store.py::"
_LARGE = "tests/acceptance/test_large_work.py::"
_TRANSFER = "tests/integration/test_transfer.py::"
_LIMITS = "tests/integration/test_concurrency_limits.py::"
_FOREIGN = "tests/acceptance/test_foreign_objects.py::"
_FOREIGN_JOBS = "tests/acceptance/test_foreign_jobs.py::"
_OWNERSHIP = "tests/integration/test_ownership.py::"
_RESULT_OWNERSHIP = "tests/integration/test_result_ownership.py::"
_FOLDERS = "tests/acceptance/test_cli_folders.py::"
_STREAMS = "tests/acceptance/test_cli_streams.py::"
_LEFTOVERS = "tests/acceptance/test_local_leftovers.py::"
_CONCURRENCY = "tests/unit/test_concurrency.py::"
_DISPATCH = "tests/integration/test_dispatch.py::"
_FILES = "tests/acceptance/test_result_files.py::"
_NAMES = "tests/unit/test_result_files.py::"
_FETCHED = "tests/acceptance/test_fetched_objects.py::"
_EXTRA = "tests/integration/test_extra_files.py::"
_STALLED = "tests/integration/test_stalled_leases.py::"
_OPTIONS = "tests/acceptance/test_options.py::"

_REUSE = "tests/acceptance/test_reuse.py::"
_REUSED = "tests/acceptance/test_reused_results.py::"
_AT_ONCE = "tests/acceptance/test_reuse_at_once.py::"
_IDENTITIES = "tests/integration/test_identities.py::"
_RIGHTS = "tests/acceptance/test_redis_rights.py::"
_STRANGE = "tests/integration/test_strange_answers.py::"

WORKERS = (
    Protection(
        "producer/backend/lua/includes/leases.lua",
        "live_and_stalled",
        "if since[id] and since[id] > at then",
        "if since[id] then",
        _STALLED + "test_cleanups_go_on_after_their_worker_was_killed",
    ),
    Protection(
        "producer/backend/lua/commands/admit_jobs.lua",
        "",
        "redis.call('HLEN', KEY.lease .. stage)",
        "redis.call('ZCOUNT', KEY.schedule .. stage, decimal(at), '+inf')",
        _STALLED + "test_starts_of_a_worker_that_was_killed_go_before_new_ones",
    ),
    Protection(
        "producer/backend/workers.py",
        "Fleet.undispatched",
        "if seconds > UNDISPATCHED_AFTER:",
        "if False:",
        "tests/acceptance/test_cleanup_backlog.py::test_doctor_says_what_is_due_and_no_worker_does",
    ),
    Protection(
        "producer/backend/lua/commands/dispatch_due.lua",
        "",
        "dispatch_entry(stage, id) end room",
        "  if not token or token == '0' then dispatch_entry(stage, id) end\nend\nroom",
        _RECOVERY + "test_a_stage_that_was_cut_off_goes_on_at_another",
    ),
    Protection(
        "producer/backend/lua/commands/dispatch_due.lua",
        "",
        "dispatch_entry(stage, id) end room",
        "  if token ~= '0' then dispatch_entry(stage, id) end\nend\nroom",
        _RECOVERY + "test_a_message_lost_between_redis_and_a_worker_costs_seconds",
    ),
    Protection(
        "producer/backend/lua/commands/dispatch_due.lua",
        "",
        "in ipairs(due)",
        "in ipairs(each.inbox and {} or due)",
        _RECOVERY + "test_a_message_of_others_lost_on_its_way_to_a_worker_costs_seconds",
    ),
    Protection(
        "worker/account/calls.py",
        "_wait_for",
        "guard.fence()",
        "pass",
        "tests/integration/test_fencing_tokens.py::test_a_start_that_wakes_up_late_is_not_sent",
    ),
    Protection(
        "worker/leases.py",
        "LeaseGuard.fence",
        "if clock() >= self.expires_at:",
        "if False:",
        "tests/integration/test_fencing_tokens.py::test_a_cleanup_that_wakes_up_late_deletes_nothing",
    ),
    Protection(
        "producer/backend/lua/commands/acquire_lease.lua",
        "",
        "if not has_lease(...) and",
        "if false and",
        _JOB_STORE + "test_only_one_of_many_tasks_for_an_entry_gets_the_lease",
    ),
    Protection(
        "producer/backend/lua/commands/advance_job.lua",
        "",
        "not has_lease(...)",
        "has_lease(args.stage, args.entry, args.token) == 0",
        _JOB_STORE + "test_a_stalled_entry_goes_to_another_worker_which_fences_off_the_first",
    ),
    Protection(
        "worker/runtime/dispatcher.py",
        "Dispatcher.__init__",
        'Duty("extend_leases", ...)',
        "*()",
        _RECOVERY + "test_a_long_upload_keeps_its_lease_and_goes_to_no_other_worker",
    ),
    Protection(
        "worker/runtime/runner.py",
        "_run_stage",
        "if work.lease.stalled_count >= ISOLATE_AFTER and ...:",
        "if False:",
        _RECOVERY + "test_a_poison_pill_fails_and_kills_no_more_workers",
    ),
    Protection(
        "worker/runtime/runner.py",
        "_run_stage",
        "if work.lease.stalled_count >= ISOLATE_AFTER and ...: run_isolated(...)",
        "if work.lease.stalled_count >= 5:\n    handler.abandon(work, Permanent('WorkerLost', ''))",
        _RECOVERY + "test_workers_that_are_killed_by_others_cost_no_job",
    ),
    Protection(
        "producer/cli/commands/doctor.py",
        "_findings",
        "client.fleet.check_writes()",
        "pass",
        _REDIS + "test_doctor_says_that_redis_refuses_writes[full]",
    ),
    Protection(
        "worker/isolated.py",
        "_extended",
        "replace(...) if is_ours else None",
        "lease",
        _FENCING + "test_a_process_of_its_own_that_starts_slowly_does_its_work",
    ),
    Protection(
        "worker/runtime/shutdown.py",
        "Shutdown.run",
        "COLD_SHUTDOWN.wait(...)",
        "COLD_SHUTDOWN.wait()",
        _STOPPING + "test_what_outlasts_the_grace_is_handed_over",
    ),
    Protection(
        "worker/leases.py",
        "Leases.release_all",
        "self._schedule.release(...)",
        "pass",
        _STOPPING + "test_sigquit_does_not_wait_at_all",
    ),
    Protection(
        "worker/runtime/shutdown.py",
        "handle_signals.stop",
        "COLD_SHUTDOWN.set()",
        "pass",
        _STOPPING + "test_a_second_signal_does_not_wait_for_the_grace",
    ),
    Protection(
        "worker/runtime/early_stop.py",
        "",
        "STOP_SIGNALS = (...)",
        "STOP_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)",
        _STOPPING + "test_sighup_does_not_start_an_idle_worker_anew",
    ),
    Protection(
        "worker/runtime/shutdown.py",
        "handle_signals.stop",
        "WARM_SHUTDOWN.set()",
        "os._exit(0)",
        _STOPPING + "test_a_rolling_restart_under_load_costs_no_job_a_lease",
    ),
    Protection(
        "worker/celery.py",
        "",
        "answer_early(...)",
        "pass",
        "tests/acceptance/test_stopping_early.py::test_at_every_moment_it_ends_with_0"
        "[answers-SIGTERM]",
    ),
    Protection(
        "worker/runtime/program.py",
        "Worker.on_before_init",
        "_check_options(...)",
        "pass",
        "tests/acceptance/test_worker_options.py::"
        "test_what_cannot_work_is_refused_in_one_sentence[--autoscale=8,2-]",
    ),
)

REDIS = (
    Protection(
        "worker/runtime/dispatcher.py",
        "Dispatcher.run",
        "self._note_loss(error)",
        "raise",
        _REDIS + "test_workers_live_through_restarts_of_redis",
    ),
    Protection(
        "worker/runtime/runner.py",
        "run",
        "except BrokerUnavailable",
        "except ZeroDivisionError",
        _REDIS + "test_connections_that_are_cut_are_made_again",
    ),
    Protection(
        "worker/celery.py",
        "",
        "broker_channel_error_retry=True",
        "broker_channel_error_retry=False",
        _REDIS + "test_a_full_redis_refuses_producers_clearly_and_loses_nothing",
    ),
    Protection(
        "worker/runtime/memory.py",
        "Memory.check",
        "if self._epoch not in {...}:",
        "if False:",
        _REDIS + "test_a_redis_that_lost_everything_accepts_new_jobs",
    ),
    Protection(
        "producer/client.py",
        "Client._create",
        "none_recorded = not reached or (...)",
        "none_recorded = True",
        _PRODUCER + "test_a_lost_answer_is_unsure_and_submitting_again_is_safe",
    ),
    Protection(
        "producer/contract/submission.py",
        "Submission.of",
        "request = request.model_copy(...)",
        "pass",
        _PRODUCER + "test_many_with_a_lost_answer_can_be_submitted_again",
    ),
    Protection(
        "producer/cli/bulk.py",
        "_interrupts",
        "before = {...}",
        "before = {}",
        "tests/acceptance/test_cli_progress.py::"
        "test_a_command_that_was_interrupted_says_what_is_recorded_and_goes_on[SIGINT]",
    ),
    Protection(
        "producer/backend/lua/includes/fair_queue.lua",
        "enqueue",
        "local tenant = known[2] or ''",
        "local tenant = ''",
        "tests/integration/test_fair_queues.py::test_its_start_is_next_too",
    ),
    Protection(
        "producer/backend/lua/includes/fair_queue.lua",
        "",
        "local JUST_UNDER_ONE_JOB = 0.999",
        "local JUST_UNDER_ONE_JOB = 0",
        "tests/integration/test_fair_queues.py::test_no_number_of_new_tenants_delays_one_that_waits",
    ),
    Protection(
        "producer/backend/lua/includes/fair_queue.lua",
        "pop_next",
        "or removed_in_this_run == MAX_REMOVED",
        "",
        "tests/integration/test_fair_queues.py::test_many_tenants_without_jobs_delay_no_call",
    ),
    Protection(
        "producer/waiting.py",
        "as_they_end",
        "suspects = set(pending) continue",
        "raise",
        _PRODUCER + "test_a_wait_outlives_a_restart_of_redis",
    ),
    Protection(
        "worker/stages/start.py",
        "start_or_adopt",
        "if status is None:",
        "if True:",
        _BAD_DAYS + "test_what_redis_forgot_is_done_again_but_not_started_again",
    ),
    Protection(
        "worker/ingress/transport.py",
        "Connection.ensure_connection",
        "waits = {...}",
        "waits: dict[str, int] = {}",
        _BAD_DAYS + "test_a_worker_is_back_soon_however_long_redis_was_away",
    ),
    Protection(
        "worker/celery.py",
        "",
        '"health_check_interval": 2',
        '"health_check_interval": 30',
        _BAD_DAYS + "test_a_connection_that_died_without_a_word_is_replaced_in_time",
    ),
    Protection(
        "producer/backend/connection.py",
        "Broker.__init__",
        "timeout: float = 5.0",
        "timeout: float = 0.25",
        _BAD_DAYS + "test_slow_answers_double_nothing",
    ),
    Protection(
        "producer/backend/connection.py",
        "Broker.__init__",
        "health_check_interval=0",
        "health_check_interval=10",
        _BAD_DAYS + "test_a_worker_whose_redis_stalls_is_overtaken_and_doubles_nothing",
    ),
    Protection(
        "producer/waiting.py",
        "as_they_end",
        'last = ""',
        "last = store.last_event()",
        _PRODUCER + "test_a_wait_that_starts_while_redis_is_gone_is_as_patient",
    ),
    Protection(
        "worker/ingress/transport.py",
        "Channel",
        "QoS = UnackedInMemory",
        "pass",
        "tests/acceptance/test_remote_control.py::"
        "test_it_answers_also_after_redis_was_restarted_under_running_tasks",
    ),
    Protection(
        "worker/logs.py",
        "configure",
        "handler.addFilter(...)",
        "pass",
        "tests/unit/test_logs.py::test_a_librarys_complaint_is_not_repeated_all_the_time",
    ),
    Protection(
        "producer/backend/access.py",
        "check_access",
        'broker.command("EXISTS", ...)',
        "pass",
        _RIGHTS + "test_a_cluster_of_one_node_is_refused",
    ),
    Protection(
        "producer/backend/access.py",
        "check_access",
        "broker.judge(...)",
        "pass",
        _RIGHTS + "test_a_right_that_is_missing_is_named_before_anything_is_done[command]",
    ),
    Protection(
        "worker/runtime/health.py",
        "Health.__init__",
        '"redis": self._redis',
        "**{}",
        _RIGHTS + "test_a_right_that_is_revoked_while_a_worker_runs",
    ),
    Protection(
        "producer/backend/redis_errors.py",
        "",
        'r"\\bDB index is out of range|invalid DB index"',
        'r"nothing"',
        "tests/integration/test_redis_errors.py::test_settings_that_are_wrong",
    ),
)

LOSS = (
    Protection(
        "worker/stages/upload.py",
        "_put",
        "note = stored_request.encode(...)",
        'note = ""',
        _RECOVER + "test_what_was_paid_for_comes_back_whole",
    ),
    Protection(
        "producer/backend/lua/includes/states.lua",
        "wait_for",
        "enter_running(...)",
        "tostring(enter_running)",
        _RECOVER + "test_what_still_runs_is_awaited_and_not_started_again",
    ),
    Protection(
        "worker/recovery/artifacts.py",
        "Artifacts.match_media",
        "return media_uri == self.audio.uri",
        "return True",
        _RECOVER + "test_what_others_have_is_neither_touched_nor_recorded",
    ),
    Protection(
        "producer/backend/lua/commands/recover_job.lua",
        "",
        "not args.is_known and",
        "args.is_known == 0 and",
        "tests/integration/test_recoveries.py::test_what_was_recorded_meanwhile_is_left_alone",
    ),
    Protection(
        "producer/backend/lua/commands/submit_jobs.lua",
        "submit",
        "or (known.rebuilt and correct(...))",
        "",
        _RECOVER + "test_who_submits_again_knows_the_request_better_than_a_guess[True]",
    ),
    Protection(
        "producer/backend/lua/commands/submit_jobs.lua",
        "correct",
        "known.rebuilt ~= ANY_AUDIO and known.rebuilt ~= job.audio",
        "known.rebuilt == ANY_AUDIO and false",
        _RECOVER + "test_a_name_is_not_reused_for_other_audio",
    ),
    Protection(
        "producer/backend/lua/commands/dispatch_due.lua",
        "",
        "dispatch_entry(stage, id) end room",
        "  if not token or token == '0' then dispatch_entry(stage, id) end\nend\nroom",
        _RECOVER + "test_a_recovery_outlives_its_worker_and_is_joined",
    ),
    Protection(
        "worker/recovery/aws_calls.py",
        "RetriedCalls.call",
        "except Transient",
        "except ZeroDivisionError",
        _RECOVER + "test_an_answer_that_aws_owes_is_waited_for",
    ),
)

AWS = (
    Protection(
        "worker/aws/transcribe.py",
        "_as_s3_uri",
        "return S3Uri.parse(media)",
        "return media",
        _OPTIONS + "test_a_job_that_others_started_by_an_https_address_is_adopted",
    ),
    Protection(
        "worker/stages/adoption.py",
        "status_if_ours",
        "if status.created_at is not None and ...:",
        "if False:",
        "tests/integration/test_fencing_tokens.py::"
        "test_audio_that_is_put_again_by_a_late_upload_does_not_make_a_job_anothers",
    ),
    Protection(
        "worker/stages/upload.py",
        "advance_uploaded",
        "delete_audio(...)",
        "pass",
        "tests/integration/test_fencing_tokens.py::"
        "test_audio_that_is_put_after_the_job_was_cleaned_up_is_deleted",
    ),
    Protection(
        "worker/stages/cleanup.py",
        "discard_files",
        "discard_results(...)",
        "pass",
        "tests/integration/test_fencing_tokens.py::"
        "test_a_result_that_a_dead_worker_wrote_for_a_job_that_was_stopped_is_deleted",
    ),
    Protection(
        "producer/backend/lua/includes/states.lua",
        "",
        "redis.call('DEL', ...)",
        "redis.call('EXISTS', key)",
        _JOB_STORE + "test_of_a_stopped_job_no_result_is_kept[FAILED]",
    ),
    Protection(
        "producer/backend/lua/commands/keep_result.lua",
        "",
        "not has_lease(...)",
        "has_lease(args.stage, id, args.token) == 0",
        _JOB_STORE + "test_of_a_stopped_job_no_result_is_kept[FAILED]",
    ),
    Protection(
        "worker/stages/cleanup.py",
        "Cleanup.run",
        "if forgotten_job.record_leftovers(work):",
        "if False:",
        _FORGOTTEN + "test_what_a_forgotten_job_left_is_deleted",
    ),
    Protection(
        "worker/recovery/forgotten_job.py",
        "_media_uri",
        "return known.media_uri",
        "return job.request.audio",
        _FORGOTTEN + "test_what_lost_its_audio_is_deleted",
    ),
    Protection(
        "worker/recovery/forgotten_job.py",
        "_artifacts",
        "if job.request.is_on_s3:",
        "if False:",
        _FORGOTTEN + "test_what_others_have_under_the_name_stays",
    ),
    Protection(
        "worker/recovery/forgotten_job.py",
        "_artifacts",
        "head is None or head.owner != job.id",
        "head is None",
        _FORGOTTEN + "test_what_others_have_under_the_name_stays",
    ),
    Protection(
        "worker/stages/cleanup.py",
        "delete_audio",
        "or not _was_uploaded(job)",
        "",
        _FORGOTTEN + "test_thousands_of_unstarted_jobs_cost_transcribe_no_call",
    ),
    Protection(
        "worker/stages/collect.py",
        "discarded_if_stopped",
        "discard_results(...)",
        "pass",
        "tests/integration/test_fencing_tokens.py::"
        "test_a_result_written_for_a_job_that_was_stopped_is_deleted",
    ),
    Protection(
        "worker/stages/cleanup.py",
        "deletes_results",
        "return job.state is not JobState.FAILED",
        "return deletes_audio(job)",
        _RETRY + "test_a_job_that_was_late_to_be_collected_is_fetched[True]",
    ),
    Protection(
        "worker/stages/cleanup.py",
        "deletes_results",
        "return job.state is not JobState.FAILED",
        "return deletes_audio(job)",
        _RETRY + "test_a_job_that_was_late_to_be_transcribed_is_fetched[True]",
    ),
    Protection(
        "worker/stages/collect.py",
        "advance_without_result",
        "if isinstance(status, Running) ...:",
        "if False:",
        _RETRY + "test_a_job_whose_start_seemed_to_fail_is_awaited",
    ),
    Protection(
        "producer/backend/lua/commands/retry_job.lua",
        "",
        "not NOTHING_MADE[known[1] or '']",
        "not NOTHING_MADE[known[1] or ''] and known[1] ~= 'ResultMissing'",
        _RETRY + "test_a_result_that_turns_up_late_is_fetched",
    ),
    Protection(
        "worker/stages/collect.py",
        "Collect.run",
        "elif work.job.is_retried and ...:",
        "elif False:",
        _RETRY + "test_a_job_that_has_no_result_is_started_anew[not_json]",
    ),
    Protection(
        "producer/backend/lua/includes/states.lua",
        "check_move",
        "not MOVES[from][to]",
        "false",
        "tests/integration/test_transitions.py::test_a_move_is_made_if_and_only_if_the_table_has_it",
    ),
    Protection(
        "producer/backend/lua/commands/retry_job.lua",
        "",
        "if is_made then",
        "if false then",
        _AWS + "test_a_result_that_was_paid_for_is_fetched_by_a_retry",
    ),
    Protection(
        "worker/stages/start.py",
        "start_or_adopt",
        "if status is None:",
        "if True:",
        _AWS + "test_a_hiccup_costs_a_job_seconds_only[start-500-done-fields1]",
    ),
    Protection(
        "worker/aws/errors.py",
        "_transient",
        'Transient("AwsFailure",',
        'Permanent("AwsFailure",',
        _AWS + "test_a_hiccup_costs_a_job_seconds_only[start-500-fields0]",
    ),
    Protection(
        "worker/aws/errors.py",
        "",
        "_credentials_rejected:",
        "_permanent:",
        _AWS + "test_wrong_credentials_are_waited_out_and_doctor_says_so",
    ),
    Protection(
        "worker/stages/poll.py",
        "_failed",
        "if outcome.is_internal ...:",
        "if False:",
        _AWS + "test_an_internal_failure_of_the_service_is_tried_again_thrice",
    ),
    Protection(
        "worker/stages/collect.py",
        "fetch",
        "if work.job.gone and ...:",
        "if False:",
        _AWS + "test_a_job_that_somebody_deleted_is_failed_with_that_reason",
    ),
    Protection(
        "worker/stages/cleanup.py",
        "Cleanup.abandon",
        "work.complete(...)",
        "super().abandon(work, error)",
        _AWS + "test_cleanup_that_is_forbidden_does_not_uncomplete_a_job",
    ),
    Protection(
        "worker/aws/errors.py",
        "",
        "_upload_ended:",
        "_permanent:",
        "tests/integration/test_storage.py::"
        "test_an_upload_in_parts_that_somebody_ended_is_tried_again",
    ),
    Protection(
        "worker/stages/upload.py",
        "upload_audio",
        "abort_uploads(...)",
        "pass",
        _EVERY_CALL
        + "test_a_call_that_fails_costs_its_job_seconds_only"
        + "[CreateMultipartUpload-error500_after]",
    ),
    Protection(
        "worker/stages/collect.py",
        "fetch",
        "if work.job.is_retried or work.waited ...:",
        "if True:",
        _RESULTS + "test_a_broken_result_is_awaited_for_so_long_and_no_longer",
    ),
    Protection(
        "worker/stages/collect.py",
        "_read",
        "_check_result(work, found, uri, job_named_in(head))",
        "pass",
        _MISSING + "test_what_an_earlier_attempt_left_is_not_the_result",
    ),
    Protection(
        "worker/stages/poll.py",
        "_is_known_by_result",
        "return len(...) == 1",
        "return True",
        _MISSING + "test_one_of_several_objects_does_not_end_a_job",
    ),
    Protection(
        "producer/backend/lua/commands/collect_missing.lua",
        "",
        "to_ask[#to_ask + 1] = id",
        "tostring(to_ask)",
        _MISSING + "test_a_job_that_aws_failed_fails_as_the_second_list_lacks_it",
    ),
    Protection(
        "producer/backend/lua/commands/collect_missing.lua",
        "",
        "has_lease(stage, id, '0')",
        "false",
        _MISSING + "test_a_slot_does_not_wait_until_collecting_catches_up",
    ),
    Protection(
        "worker/stages/poll.py",
        "_is_known_by_result",
        "if job.state is not JobState.TRANSCRIBING or ...:",
        "if job.result_uri is None:",
        _MISSING_RACES
        + "test_a_job_that_is_stopped_during_the_search_of_its_result_keeps_its_slot",
    ),
    Protection(
        "worker/stages/collect.py",
        "Collect.run",
        "if work.job.state is JobState.TRANSCRIBING:",
        "if False:",
        _MISSING + "test_a_running_job_that_a_list_lacks_runs_on",
    ),
    Protection(
        "worker/stages/collect.py",
        "Collect.abandon",
        "if not work.worker.running.record_missed(work.lease):",
        "if True:",
        _MISSING_RACES + "test_a_collect_that_crashes_on_a_running_job_does_not_fail_it",
    ),
    Protection(
        "producer/backend/lua/commands/advance_job.lua",
        "",
        "remove(STAGE_OF.COLLECTING, id)",
        "tostring(remove)",
        _MISSING_RACES + "test_no_result_is_searched_of_a_job_that_aws_has_failed_meanwhile",
    ),
    Protection(
        "worker/stages/poll.py",
        "advance_ended",
        "work.advance_other(job, JobState.COLLECTING, ...)",
        'work.fail(job, "JobGone", "")',
        _RESULTS + "test_the_result_of_a_job_that_somebody_deleted_is_fetched[1]",
    ),
    Protection(
        "worker/stages/poll.py",
        "advance_ended",
        "work.advance_other(job, JobState.COLLECTING, ...)",
        'work.fail(job, "JobGone", "")',
        _RESULTS + "test_a_deleted_jobs_result_that_may_not_be_read_is_not_paid_for_again",
    ),
    Protection(
        "worker/aws/transfer.py",
        "Sender.send",
        "awaits_bucket=True",
        "awaits_bucket=False",
        _RESULTS + "test_a_bucket_that_is_gone_is_waited_for_and_doctor_says_so",
    ),
    Protection(
        "producer/backend/lua/commands/admit_jobs.lua",
        "",
        "- redis.call('ZCARD', KEY.running) - redis.call('ZCARD', KEY.schedule .. stage)",
        "and 1000",
        _RECOVERY + "test_200_at_once_within_the_quota_each_started_once",
    ),
    Protection(
        "producer/backend/lua/commands/acquire_token.lua",
        "",
        "if missing > 0 then",
        "if false then",
        _RATE_LIMITED + "test_there_are_as_many_tokens_as_calls_a_second_and_no_more",
    ),
    Protection(
        "producer/backend/lua/includes/limiter.lua",
        "tokens",
        "COOLING * math.max(...)",
        "0.5",
        _PROPERTIES + "test_no_second_ever_has_more_calls_than_the_rate",
    ),
    Protection(
        "worker/aws/transcribe.py",
        "Transcribe._pass_gate",
        "self._call.passed.enter_context(gate())",
        "with gate():\n    pass",
        _RATE_LIMITED + "test_a_call_keeps_its_token_until_its_answer_has_come",
    ),
    Protection(
        "producer/backend/lua/commands/admit_jobs.lua",
        "",
        "math.min(free, most)",
        "free",
        _RATES + "test_starts_that_piled_up_do_not_come_at_once",
    ),
    Protection(
        "producer/backend/lua/includes/capacity.lua",
        "slots",
        "all - others",
        "all",
        _SHARED + "test_slots_that_others_have_are_left_to_them_until_they_are_gone",
    ),
    Protection(
        "producer/backend/lua/commands/record_refusal.lua",
        "",
        "pause(...)",
        "tostring(pause, args.operation, args.seconds)",
        _SHARED + "test_a_full_account_is_not_run_into_all_the_time",
    ),
    Protection(
        "producer/backend/lua/includes/capacity.lua",
        "backoff_factor",
        "not kept[1]",
        "true",
        _SHARED + "test_a_throttled_fleet_calls_less_often_and_recovers",
    ),
    Protection(
        "producer/backend/lua/includes/capacity.lua",
        "quota",
        "if fixed == '' then",
        "if true then",
        _SHARED + "test_doctor_says_what_of_the_account_we_may_use",
    ),
    Protection(
        "worker/account/quotas.py",
        "QuotaReader._read",
        "except StageError",
        "except ZeroDivisionError",
        _SHARED + "test_without_service_quotas_the_settings_apply[access_denied]",
    ),
    Protection(
        "producer/backend/lua/commands/extend_tokens.lua",
        "",
        "redis.call('ZADD',",
        "tostring('ZADD',",
        _RATE_LIMITED + "test_tokens_of_a_dead_worker_come_back_and_those_of_a_slow_one_do_not",
    ),
    Protection(
        "worker/stages/adoption.py",
        "status_if_ours",
        "transcribe.status(job.aws_name, gate)",
        "transcribe.status(job.aws_name, lambda: work.worker.leases.keep(work.lease))",
        _RATE_LIMITED + "test_no_job_is_asked_for_before_a_token_is_free",
    ),
    Protection(
        "worker/account/calls.py",
        "rate_limited",
        "used=True",
        "used=False",
        _RATES + "test_four_workers_keep_to_the_rates_of_one_account",
    ),
    Protection(
        "producer/backend/lua/commands/dispatch_due.lua",
        "what_is_due",
        "(not calls or calling < most)",
        "true",
        _RATES + "test_a_backlog_of_cleanups_does_each_once_and_the_oldest_first",
    ),
    Protection(
        "producer/backend/lua/commands/dispatch_due.lua",
        "what_is_due",
        "was_at_transcribe(id)",
        "was_at_transcribe(id) or true",
        _JOB_STORE + "test_a_cleanup_that_calls_only_s3_overtakes_those_that_call_transcribe",
    ),
    Protection(
        "worker/stages/poll.py",
        "",
        "_AT_ONCE = 16",
        "_AT_ONCE = 1",
        _MISSING_RACES + "test_a_job_that_aws_does_not_answer_for_delays_no_other",
    ),
    Protection(
        "worker/stages/poll.py",
        "_asked",
        "except Unreachable:",
        "except ZeroDivisionError:",
        _RATE_LIMITED + "test_the_poll_goes_to_another_when_aws_is_out_of_reach",
    ),
    Protection(
        "worker/runtime/unwritable.py",
        "_problem",
        "file.write(...)",
        "pass",
        "tests/integration/test_health.py::test_a_disk_without_room_is_a_problem",
    ),
    Protection(
        "worker/aws/answers.py",
        "AnswerParsers.create_parser.parse_or_refuse",
        "except Exception",
        "except ZeroDivisionError",
        _STRANGE + "test_a_strange_answer_of_transcribe_is_waited_out[garbage]",
    ),
    Protection(
        "worker/runtime/health.py",
        "Health._findings",
        "except Exception",
        "except ZeroDivisionError",
        _STRANGE + "test_an_unexpected_error_of_one_check_is_a_finding_and_the_others_are_there",
    ),
)

RECORDINGS = (
    Protection(
        "worker/stages/upload.py",
        "_wait_until_quiet",
        "if seconds > 0:",
        "if False:",
        "tests/integration/test_quiet_period.py::"
        "test_a_recording_that_grows_is_uploaded_once_it_stops_growing",
    ),
    Protection(
        "worker/stamp.py",
        "Stamp.quiet_in",
        "max(0.0, age, seen_for)",
        "max(0.0, age)",
        "tests/unit/test_stamp.py::test_it_is_waited_for_until_it_stood_still",
    ),
    Protection(
        "worker/stages/upload.py",
        "upload_audio",
        "audio.check_unchanged()",
        "pass",
        "tests/integration/test_quiet_period.py::test_what_changes_once_it_is_read_is_uploaded_again",
    ),
    Protection(
        "worker/stages/lengths.py",
        "wav_seconds",
        "if at in {...}:",
        "if sound is not None:",
        "tests/unit/test_lengths.py::test_a_length_that_is_not_certain_refuses_nothing",
    ),
    Protection(
        "producer/contract/containers.py",
        "detect_container",
        'stream == "aac"',
        "False",
        "tests/unit/test_audio.py::"
        "test_a_container_that_transcribe_does_not_accept_is_refused_by_its_name",
    ),
    Protection(
        "producer/contract/containers.py",
        "detect_container",
        "offset += skipped",
        "break",
        "tests/unit/test_containers.py::test_what_is_behind_a_tag_counts_and_not_the_tag",
    ),
    Protection(
        "worker/stages/audio.py",
        "_format",
        "if requested is not None:",
        "if False:",
        "tests/unit/test_audio.py::test_what_the_user_says_wins",
    ),
)

LARGE = (
    Protection(
        "worker/runtime/concurrency.py",
        "ConcurrencyLimit.acquired",
        "acquire(blocking=False)",
        "acquire(blocking=True)",
        _LARGE + "test_small_recordings_pass_large_ones_that_are_stuck",
    ),
    Protection(
        "worker/aws/transfer.py",
        "Sender.__init__",
        "self._whole = Budget(_WHOLE_BYTES)",
        "self._whole = self._parts",
        _TRANSFER + "test_parts_of_all_large_files_are_bounded_and_shared_and_the_small_pass_them",
    ),
    Protection(
        "worker/runtime/concurrency.py",
        "NextTries.add",
        "return waiting[who] - now",
        "return 3000.0",
        _LIMITS + "test_large_work_beyond_the_limit_is_due_by_itself_before_long",
    ),
    Protection(
        "worker/runtime/runner.py",
        "handle_error",
        "has_started = not isinstance(error, LimitReached)",
        "has_started = True",
        _LIMITS + "test_stalls_and_failures_still_count_for_large_work_beyond_the_limit",
    ),
    Protection(
        "worker/runtime/concurrency.py",
        "NextTries.add",
        "who = (tenant, priority)",
        "who = ('', priority)",
        _CONCURRENCY + "test_one_tries_soon_and_as_often_as_all_of_another_tenant[1000]",
    ),
    Protection(
        "worker/runtime/concurrency.py",
        "NextTries.add",
        "who = (tenant, priority)",
        "who = (tenant, 5)",
        _CONCURRENCY + "test_an_urgent_one_tries_as_often_as_all_others_of_its_tenant",
    ),
    Protection(
        "worker/runtime/concurrency.py",
        "NextTries.add",
        "every = ... / weight",
        "every = _TRY_EVERY * len(tenants)",
        _CONCURRENCY + "test_tenants_try_as_often_as_their_weights_say",
    ),
    Protection(
        "producer/backend/lua/commands/dispatch_due.lua",
        "",
        "new and math.floor(...) or room",
        "room",
        _DISPATCH + "test_large_work_that_tries_again_leaves_room_for_new_jobs",
    ),
    Protection(
        "producer/backend/lua/commands/dispatch_due.lua",
        "",
        "local chance = math.floor(...) % 2",
        "local chance = 1",
        _DISPATCH + "test_new_jobs_get_some_of_the_room_that_comes_one_at_a_time",
    ),
    Protection(
        "worker/aws/payload.py",
        "Reading.check_unchanged",
        "if Stamp.of(...) != self._before:",
        "if False:",
        _TRANSFER + "test_a_file_that_changes_meanwhile_is_refused[1000]",
    ),
    Protection(
        "worker/stages/document_size.py",
        "limit_document",
        "if size >= HUGE_DOCUMENT ...:",
        "if False:",
        _LARGE + "test_a_huge_result_is_written_and_costs_the_worker_no_memory",
    ),
)

JOBS = (
    Protection(
        "producer/backend/job_store.py",
        "JobStore._move",
        "JobState.UPLOADING: self._lease,",
        "",
        _STOPPED + "test_an_upload_in_parts_is_aborted_even_if_its_worker_was_killed",
    ),
    Protection(
        "producer/backend/job_store.py",
        "",
        "_SETTLED_AFTER = CLEANUP_AFTER + 1",
        "_SETTLED_AFTER = 0",
        _JOB_STORE + "test_a_stopped_jobs_cleanup_waits_for_a_result_that_comes_late",
    ),
    Protection(
        "worker/stages/start.py",
        "settle",
        '"running", adopted(work, status)',
        '"ended"',
        _STOPPED + "test_a_cancelled_job_leaves_nothing[STARTING]",
    ),
    Protection(
        "worker/runtime/dispatcher.py",
        "Dispatcher.__init__",
        'Duty("fail_overdue", ...)',
        "*()",
        _STOPPED + "test_a_job_past_its_deadline_fails_wherever_it_is[TRANSCRIBING]",
    ),
    Protection(
        "worker/stages/upload.py",
        "upload_audio",
        "abort_uploads(...)",
        "pass",
        _STOPPED + "test_an_upload_in_parts_that_was_killed_is_aborted_by_the_next[None]",
    ),
    Protection(
        "worker/stages/upload.py",
        "_put.started",
        "if not key_is_ours and ...:",
        "if False:",
        _STOPPED + "test_an_upload_in_parts_that_was_killed_is_aborted_by_the_next[calls/a]",
    ),
    Protection(
        "worker/aws/s3.py",
        "Storage.abort_uploads",
        'if only is None or upload["UploadId"] in only',
        "",
        _FOREIGN + "test_uploads_in_parts_of_others_at_the_very_key_go_on",
    ),
    Protection(
        "worker/stages/ownership.py",
        "reserve_key",
        "if other:",
        "if False:",
        _STOPPED + "test_two_jobs_with_one_key_wait_for_each_other",
    ),
)

MESSAGES = (
    Protection(
        "worker/ingress/transport.py",
        "_received",
        "except NotForUs",
        "except ZeroDivisionError",
        _MESSAGES + "test_what_is_no_message_neither_ends_the_worker_nor_vanishes",
    ),
    Protection(
        "worker/ingress/envelope.py",
        "parse_json",
        "except RecursionError",
        "except ZeroDivisionError",
        _MESSAGES + "test_what_is_no_message_neither_ends_the_worker_nor_vanishes",
    ),
    Protection(
        "worker/ingress/accept.py",
        "accept_request",
        "checked.new_job_id(message_id)",
        "checked.new_job_id()",
        _MESSAGES + "test_a_message_without_a_name_that_comes_twice_is_one_job",
    ),
    Protection(
        "worker/ingress/accept.py",
        "_refuse_request",
        "worker.dead_letters.add(...)",
        "pass",
        _MESSAGES + "test_bad_requests_are_kept_with_their_reason",
    ),
    Protection(
        "producer/backend/lua/commands/dispatch_due.lua",
        "",
        "while room > 0 do",
        "while true do",
        _MESSAGES + "test_a_flood_of_requests_does_not_delay_running_jobs",
    ),
    Protection(
        "worker/ingress/transport.py",
        "Channel._receive_one",
        "except _NOT_A_COMMAND",
        "except ZeroDivisionError",
        "tests/acceptance/test_remote_control.py::test_what_is_no_command_is_refused",
    ),
    Protection(
        "worker/ingress/envelope.py",
        "Envelope.parse",
        "except ValidationError",
        "except ZeroDivisionError",
        _HOSTILE + "test_every_bad_entry_of_a_queue_becomes_a_dead_letter_and_good_jobs_go_on",
    ),
    Protection(
        "worker/ingress/accept.py",
        "_parse",
        "if length > len(message)",
        "if False",
        _HOSTILE + "test_a_message_of_100_mb_delays_no_job",
    ),
    Protection(
        "producer/backend/dead_letters.py",
        "DeadLetters.add",
        '("LTRIM", ...)',
        "*()",
        _HOSTILE + "test_dead_letters_use_bounded_memory",
    ),
)

COMMAND_LINE = (
    Protection(
        "producer/cli/sandbox/left_at_aws.py",
        "LeftAtAws.listed_on_failure",
        "except BaseException",
        "except TimeoutError",
        _LEFTOVERS + "test_whatever_ends_it_early_lists_what_runs_and_what_lies_there[ctrl-c]",
    ),
    Protection(
        "producer/cli/commands/local.py",
        "_transcribe.watch",
        "left.keep_up()",
        "pass",
        _LEFTOVERS + "test_whatever_ends_it_early_lists_what_runs_and_what_lies_there[redis]",
    ),
    Protection(
        "producer/cli/commands/local.py",
        "_transcribe.watch",
        "sandbox.check()",
        "pass",
        _LEFTOVERS + "test_whatever_ends_it_early_lists_what_runs_and_what_lies_there[worker]",
    ),
    Protection(
        "producer/cli/sandbox/left_at_aws.py",
        "LeftAtAws._lines_of",
        "is_clean = job.cleaned_at is not None",
        "is_clean = False",
        _LEFTOVERS + "test_what_was_cleaned_up_is_not_listed",
    ),
    Protection(
        "producer/cli/inputs/selection.py",
        "Named.selection",
        "except _NotTranscribable",
        "except KeyError",
        _FOLDERS + "test_one_bad_name_stops_no_other[notes.txt]",
    ),
    Protection(
        "producer/cli/inputs/folders.py",
        "files_beneath",
        "else: yield",
        "elif entry.name.endswith('.wav'):\n    yield",
        _FOLDERS + "test_every_recording_is_found_whatever_its_suffix",
    ),
    Protection(
        "producer/cli/inputs/selection.py",
        "_request",
        "found.audio.encode()",
        "found.audio.encode(errors='surrogateescape')",
        _FOLDERS + "test_names_that_are_not_utf_8_do_not_stop_a_folder",
    ),
    Protection(
        "producer/cli/inputs/folders.py",
        "files_beneath",
        "if (status.st_dev, status.st_ino) in seen:",
        "if False:",
        _FOLDERS + "test_symlinked_folders_are_followed_and_loops_end",
    ),
    Protection(
        "producer/cli/inputs/selection.py",
        "Named.selection",
        "if audio in seen:",
        "if False:",
        _FOLDERS + "test_a_recording_that_is_named_in_several_ways_is_transcribed_once",
    ),
    Protection(
        "producer/cli/main.py",
        "main",
        "end_like_ctrl_c()",
        "pass",
        _STREAMS + "test_each_signal_ends_a_command_as_ctrl_c_does[SIGTERM]",
    ),
    Protection(
        "producer/cli/commands/local.py",
        "_transcribe.watch",
        "problems.show_new()",
        "pass",
        "tests/acceptance/test_local.py::test_what_its_jobs_wait_for_is_said",
    ),
    Protection(
        "producer/cli/streams.py",
        "_system_errors",
        "except BrokenPipeError",
        "except KeyError",
        _STREAMS + "test_an_output_that_nobody_reads_is_no_failed_job[list]",
    ),
    Protection(
        "producer/cli/streams.py",
        "_system_errors",
        "except OSError",
        "except KeyError",
        _STREAMS + "test_an_output_without_room_is_one_sentence[schema]",
    ),
    Protection(
        "producer/cli/main.py",
        "main",
        "except KeyboardInterrupt",
        "except ZeroDivisionError",
        _STREAMS + "test_ctrl_c_ends_a_command_that_still_loads",
    ),
    Protection(
        "producer/cli/program.py",
        "run",
        "open_closed_streams()",
        "pass",
        _STREAMS + "test_a_closed_stream_is_an_empty_one[stdout]",
    ),
)

REUSE = (
    Protection(
        "producer/backend/lua/includes/twins.lua",
        "find_twin",
        "if other and other ~= id and is_living(other) ...",
        "if false and redis.call('HGET', KEY.job .. other, 'fingerprint')",
        _AT_ONCE + "test_two_producers_submit_the_same_at_once_under_other_names",
    ),
    Protection(
        "producer/backend/lua/includes/states.lua",
        "enter_state",
        "leave_twins(id, at)",
        "",
        _REUSE + "test_if_the_twin_is_stopped_one_of_those_that_wait_is_started[cancelled]",
    ),
    Protection(
        "producer/backend/lua/commands/identify_job.lua",
        "",
        "if awaited and not is_living(awaited) then",
        "if false then",
        _IDENTITIES + "test_however_many_wait_all_are_woken_by_and_by",
    ),
    Protection(
        "producer/backend/lua/commands/identify_job.lua",
        "",
        "if answer ~= 'original' and not fleet_reuses(...) then",
        "if false and not fleet_reuses(at, args.silence) then",
        _IDENTITIES + "test_beside_a_worker_that_knows_no_twins_every_job_is_an_original",
    ),
    Protection(
        "worker/stages/reuse.py",
        "advance_without_twin",
        "work.worker.identities.forget(...)",
        "pass",
        _REUSED + "test_a_result_that_is_nowhere_any_more_is_made_once_more",
    ),
    Protection(
        "worker/stages/reuse.py",
        "find_result",
        "if document is None or ...:",
        "if document is None:",
        _REUSED + "test_another_jobs_files_in_the_twins_folder_are_not_its_result",
    ),
    Protection(
        "worker/stages/identity.py",
        "offer",
        "if job.reused_from is None and ...:",
        "if False:",
        _REUSED + "test_what_was_overwritten_before_transcribe_read_it_serves_nobody",
    ),
    Protection(
        "worker/stages/identity.py",
        "offer",
        "if job.adopted or ...:",
        "if False:",
        _AT_ONCE + "test_a_result_of_an_earlier_life_of_a_job_serves_no_other",
    ),
    Protection(
        "worker/stages/identity.py",
        "resources_changed_at",
        "changed[...] = moment.isoformat()",
        "pass",
        _REUSE + "test_a_vocabulary_that_was_changed_means_a_new_start",
    ),
    Protection(
        "worker/stages/identity.py",
        "fingerprint_of",
        "tenant = request.tenant if ... else None",
        "tenant = None",
        _REUSE + "test_another_tenants_result_is_not_reused",
    ),
    Protection(
        "worker/aws/objects.py",
        "_sha256",
        'if answer.get("ChecksumType") != "FULL_OBJECT":',
        "if False:",
        "tests/unit/test_identity.py::test_any_other_checksum_is_no_identity_across_objects",
    ),
    Protection(
        "worker/stages/identity.py",
        "is_identified",
        "and work.job.request.key is None",
        "",
        _REUSE + "test_a_request_that_names_a_key_gets_its_objects_there",
    ),
)

SECURITY = (
    Protection(
        "worker/stages/upload.py",
        "_upload",
        "there.owner != work.job.id and not may_replace(...)",
        "False",
        "tests/acceptance/test_script_guide.py::"
        "test_of_workers_of_others_nobody_can_ask_to_replace",
    ),
    Protection(
        "worker/ingress/accept.py",
        "_refuse_request",
        "request = _unsigned(...)",
        "pass",
        _OPTIONS + "test_the_signature_of_a_presigned_address_in_a_message_is_not_kept",
    ),
    Protection(
        "worker/stages/ownership.py",
        "check_free",
        "if not mine and not may_replace(...):",
        "if False:",
        _FOREIGN + "test_nothing_of_others_beside_a_key_is_overwritten_or_deleted[bytes-document]",
    ),
    Protection(
        "worker/stages/ownership.py",
        "ours",
        "if present.get(uri) or uri.startswith(folder)",
        "",
        _OWNERSHIP + "test_a_document_of_others_that_has_come_since_is_not_deleted[bytes]",
    ),
    Protection(
        "worker/stages/ownership.py",
        "_is_written_with",
        "return any(...)",
        "return True",
        _OWNERSHIP + "test_subtitles_of_others_that_have_come_since_are_not_deleted",
    ),
    Protection(
        "worker/stages/ownership.py",
        "_is_written_with",
        "and not job.keeps_write_check",
        "",
        _FOREIGN + "test_a_write_check_file_that_was_there_before_stays",
    ),
    Protection(
        "worker/stages/upload.py",
        "advance_uploaded",
        "delete_audio(...)",
        "work.worker.storage.delete(media_uri)",
        _OWNERSHIP + "test_audio_of_others_at_the_key_is_not_deleted",
    ),
    Protection(
        "worker/stages/upload.py",
        "upload_audio",
        "if request.is_on_s3: reserve_key(work)",
        "reserve_key(work)\nif request.is_on_s3:",
        _OWNERSHIP + "test_a_job_whose_recording_is_still_written_keeps_no_key_from_others",
    ),
    Protection(
        "worker/stages/ownership.py",
        "reserve_key",
        "s3_keys.reserved_with(key)",
        "key",
        _FOREIGN + "test_keys_whose_objects_would_overwrite_each_other_wait_for_each_other",
    ),
    Protection(
        "worker/stages/upload.py",
        "upload_audio",
        "reserve_key(work) sha256 = _upload(",
        "sha256 = _upload(",
        _FOREIGN + "test_a_job_that_waits_for_a_key_aborts_no_upload_there",
    ),
    Protection(
        "worker/stages/cleanup.py",
        "Cleanup.run",
        "ownership.reserve_key(...)",
        "pass",
        _OWNERSHIP + "test_audio_that_another_job_uses_by_now_is_not_deleted",
    ),
    Protection(
        "worker/stages/start.py",
        "start_or_adopt",
        "if (status := status_if_ours(...)) is not None: return adopted(...)",
        "pass",
        _OWNERSHIP + "test_a_start_whose_answer_was_lost_finds_its_own_objects",
    ),
    Protection(
        "worker/stages/cleanup.py",
        "delete_job",
        "if is_last and job.adopted:",
        "if False:",
        _FOREIGN_JOBS + "test_a_transcribe_job_that_is_too_young_is_not_deleted",
    ),
    Protection(
        "worker/stages/adoption.py",
        "_sent_since",
        "return status.seen_at - ago - _SLACK",
        "return since - _CLOCKS",
        _FOREIGN_JOBS + "test_a_transcribe_job_that_writes_where_a_key_says_is_not_deleted",
    ),
    Protection(
        "worker/stages/cleanup.py",
        "delete_job",
        "or is_foreign(...)",
        "",
        _FOREIGN_JOBS + "test_one_whose_name_a_job_bears_that_was_never_started_stays",
    ),
    Protection(
        "worker/stages/cleanup.py",
        "delete_job",
        "number not in job.own_attempts and",
        "False and",
        _FOREIGN_JOBS + "test_one_that_had_the_name_of_an_earlier_attempt_stays",
    ),
    Protection(
        "worker/stages/ownership.py",
        "_present",
        "mine = attempt_of(...) is not None",
        "mine = False",
        _FOREIGN + "test_a_second_run_under_the_same_key_and_name_works",
    ),
    Protection(
        "producer/contract/s3_uri.py",
        "parse",
        'if "?" in address and uri != address:',
        "if False:",
        _OPTIONS + "test_a_presigned_address_is_refused_in_a_sentence_that_does_not_repeat_it",
    ),
    Protection(
        "worker/s3_keys.py",
        "requested_key",
        "if key is not None and is_beneath(...):",
        "if False:",
        _FOREIGN + "test_no_key_reaches_beneath_our_own_prefix[transcribe-queue/victim/victim]",
    ),
    Protection(
        "worker/stages/ownership.py",
        "is_result",
        "job_name == job.aws_name and",
        "",
        _FOREIGN + "test_a_planted_document_is_not_the_result_of_a_job_that_fails[0]",
    ),
    Protection(
        "worker/stages/ownership.py",
        "is_result",
        "and is_since_start(...)",
        "",
        _FOREIGN + "test_a_document_of_an_earlier_job_of_the_name_is_not_the_result",
    ),
    Protection(
        "worker/stages/collect.py",
        "_check_result",
        "if not is_result(...):",
        "if False:",
        _RESULT_OWNERSHIP + "test_another_jobs_document_is_not_collected[evil]",
    ),
    Protection(
        "worker/recovery/assess.py",
        "Assessor._is_result",
        "return job_named_in(head) == name",
        "return True",
        _RESULT_OWNERSHIP + "test_a_job_that_redis_forgot_does_not_get_a_planted_document",
    ),
    Protection(
        "worker/s3_keys.py",
        "check_audio",
        "if uri.bucket not in allowed:",
        "if False:",
        _FOREIGN
        + "test_audio_in_a_bucket_that_is_not_allowed_is_not_read[s3://elsewhere/theirs/talk.wav]",
    ),
    Protection(
        "worker/s3_keys.py",
        "check_audio",
        "if uri.bucket == settings.bucket and is_beneath(...):",
        "if False:",
        _FOREIGN + "test_no_job_gets_the_audio_of_another",
    ),
    Protection(
        "worker/aws/s3.py",
        "Storage.abort_uploads",
        'if beneath or upload["Key"] == uri.key',
        "",
        "tests/integration/test_storage.py::test_uploads_of_other_keys_are_not_aborted",
    ),
    Protection(
        "producer/cli/sandbox/redis_server.py",
        "configuration",
        "if not admin_commands:",
        "if False:",
        "tests/acceptance/test_local.py::test_nobody_else_reaches_the_sandbox",
    ),
    Protection(
        "localaws/http/routing.py",
        "Router.__call__",
        "if self.authenticator is not None:",
        "if False:",
        "tests/acceptance/test_local.py::test_nobody_else_reaches_the_sandbox",
    ),
    Protection(
        "localaws/http/signatures.py",
        "Authenticator._wrong",
        '"" if _same(...) else "signature"',
        '""',
        "tests/integration/test_localaws_signatures.py::"
        "test_another_pair_is_refused_in_the_words_of_each_service",
    ),
    Protection(
        "worker/ingress/envelope.py",
        "Envelope",
        'content_type: Literal["application/json"]',
        "content_type: str",
        _HOSTILE + "test_nothing_is_unpickled",
    ),
    Protection(
        "producer/settings.py",
        "ProducerSettings",
        "repr=False,",
        "",
        "tests/acceptance/test_secrets.py::test_no_secret_is_ever_shown",
    ),
    Protection(
        "producer/cli/output.py",
        "one_line",
        ".replace(...)",
        "",
        "tests/acceptance/test_hostile_names.py::test_no_line_is_forged",
    ),
    Protection(
        "worker/stages/audio.py",
        "_open",
        "if not _beneath(...):",
        "if False:",
        "tests/unit/test_audio.py::test_the_answer_does_not_show_what_exists_elsewhere",
    ),
    Protection(
        "worker/stages/audio.py",
        "_format",
        "if is_text(...):",
        "if False:",
        "tests/unit/test_audio.py::test_text_is_no_recording_whatever_a_message_says[settings]",
    ),
    Protection(
        "worker/stages/audio.py",
        "_open",
        "if opened.exists() and not _beneath(...):",
        "if False:",
        "tests/unit/test_audio.py::test_a_symlink_swapped_between_check_and_open_is_seen",
    ),
    Protection(
        "worker/stages/audio.py",
        "_stamp",
        "if not stat.S_ISREG(...):",
        "if False:",
        "tests/unit/test_audio.py::test_a_device_is_no_recording",
    ),
    Protection(
        "producer/contract/output.py",
        "_folder",
        "if seen.endswith(_ENDINGS)",
        "if False",
        _FILES + "test_no_message_occupies_a_path_that_another_job_needs[folder]",
    ),
    Protection(
        "worker/stages/result_paths.py",
        "_reserve",
        "if {folded(name) for name in (*names, sidecar.name)} & there:",
        "if False:",
        _NAMES + "test_what_is_there_stays_and_the_files_get_a_suffix_that_is_always_the_same",
    ),
    Protection(
        "worker/stages/result_paths.py",
        "ResultPaths.write",
        "if path.name in self.listed:",
        "if True:",
        _NAMES + "test_what_appears_meanwhile_is_not_replaced",
    ),
    Protection(
        "worker/stages/result_paths.py",
        "ResultPaths.describe",
        "only_new=not self._is_reserved()",
        "only_new=False",
        _NAMES + "test_a_worker_that_does_not_know_that_its_job_was_stopped_harms_no_other",
    ),
    Protection(
        "worker/stages/sidecar.py",
        "listed_in",
        "if (known.get(...), known.get(...)) != (job.id, job.request.audio):",
        "if False:",
        _NAMES + "test_two_jobs_of_one_path_replace_nothing_of_each_other",
    ),
    Protection(
        "worker/stages/sidecar.py",
        "listed_in",
        'and name.startswith(f"{stem}.") and "/" not in name',
        "",
        _NAMES + "test_a_sidecar_lets_no_job_replace_or_delete_what_is_not_its_own",
    ),
    Protection(
        "worker/stages/result_paths.py",
        "results_path",
        "if _is_too_long(...):",
        "if False:",
        _FILES + "test_a_path_that_is_too_long_costs_nothing",
    ),
    Protection(
        "worker/stages/result_files.py",
        "disk_error",
        "error.errno in _PERMANENT_ERRNOS and",
        "False and",
        _FILES + "test_what_is_in_the_way_ends_the_job_and_a_retry_fetches_what_was_paid_for",
    ),
    Protection(
        "worker/stages/result_files.py",
        "reported_if_unwritable",
        "if error.code == _NOT_WRITTEN:",
        "if False:",
        _FILES + "test_a_folder_that_cannot_be_written_to_is_waited_for_and_doctor_says_so",
    ),
    Protection(
        "worker/stages/extra_files.py",
        "fetch_extra_files",
        "s3_keys.written_objects(...)[1:]",
        "()",
        _FETCHED + "test_everything_that_was_asked_for_is_fetched_before_anything_is_deleted[True]",
    ),
    Protection(
        "worker/stages/cleanup.py",
        "delete_results",
        "if not is_result or each.kind in job.files",
        "",
        _FETCHED + "test_a_document_that_aws_did_not_write_is_awaited_and_then_said_to_be_missing",
    ),
    Protection(
        "worker/stages/extra_files.py",
        "fetch_extra_files",
        "UNREDACTED in absent and",
        "True and",
        _FETCHED + "test_where_nothing_was_said_there_are_no_subtitles_and_nobody_waits_for_them",
    ),
    Protection(
        "worker/stages/extra_files.py",
        "fetch_extra_files",
        "_check_ended(work)",
        "pass",
        _EXTRA + "test_what_is_missing_while_the_job_runs_is_awaited",
    ),
    Protection(
        "worker/stages/extra_files.py",
        "_pieces",
        "not is_known and",
        "False and",
        _EXTRA + "test_an_unredacted_document_of_another_job_is_not_fetched",
    ),
    Protection(
        "worker/stages/extra_files.py",
        "_fetch",
        "if not is_since_start(...):",
        "if False:",
        _EXTRA + "test_what_lay_there_before_the_job_was_started_is_not_fetched",
    ),
    Protection(
        "worker/aws/s3.py",
        "Storage.open",
        "body.iter_chunks(...)",
        "iter([body.read()])",
        _FETCHED + "test_a_huge_unredacted_document_costs_the_worker_no_memory",
    ),
    Protection(
        "producer/contract/formats.py",
        "is_private",
        'return kind.startswith("unredacted.")',
        "return False",
        _FETCHED + "test_what_was_to_be_redacted_is_in_one_file_and_is_asked_for_by_name",
    ),
    Protection(
        "worker/stages/result_paths.py",
        "results_path",
        "if not folder.is_relative_to(root):",
        "if False:",
        "tests/unit/test_result_files.py::test_no_output_leaves_the_results_root",
    ),
    Protection(
        "worker/stages/result_paths.py",
        "ResultPaths.write",
        "temporary.chmod(...)",
        "pass",
        "tests/unit/test_result_files.py::test_modes_do_not_depend_on_the_umask",
    ),
    Protection(
        "worker/logs.py",
        "configure",
        "[_show_controls] if to_terminal else []",
        "[]",
        "tests/unit/test_logs.py::test_on_a_terminal_no_value_can_forge_a_line_either",
    ),
    Protection(
        "producer/cli/output.py",
        "printable",
        "_CONTROL.sub(...)",
        "text",
        "tests/acceptance/test_cli.py::test_file_names_cannot_play_with_the_terminal",
    ),
)

PROTECTIONS = (
    *WORKERS,
    *REDIS,
    *LOSS,
    *AWS,
    *RECORDINGS,
    *LARGE,
    *JOBS,
    *REUSE,
    *MESSAGES,
    *COMMAND_LINE,
    *SECURITY,
)
