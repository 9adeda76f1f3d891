"""The command line as a person and a script use it: real processes, real Redis, a real worker."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from producer.contract.job import JobState
from tests.support.stack import SAMPLES, Stack
from tests.support.waiting import DEADLINE, until


def refused(
    ran: subprocess.CompletedProcess[str], code: int, *parts: str
) -> subprocess.CompletedProcess[str]:
    """One clear sentence on stderr, the right exit code, nothing on stdout."""
    assert ran.returncode == code, ran
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    lines = ran.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("transcribe: ")
    for part in parts:
        assert part in lines[0]
    return ran


def everything(stack: Stack) -> tuple[object, ...]:
    """All that a request could leave behind."""
    return (
        sorted(stack.objects()),
        {str(state): count for state, count in stack.client.counts().items()},
        sorted(str(path) for path in stack.results.rglob("*")),
        stack.account()["accepted"],
    )


def bad_inputs(folder: Path) -> dict[str, tuple[list[str], str]]:
    """Arguments of `submit` that can never work, and what the sentence must speak of."""
    text = folder / "notes.wav"
    text.write_text("This is no recording.\n" * 20)
    empty = folder / "empty.wav"
    empty.touch()
    large = folder / "large.wav"
    with large.open("wb") as file:
        file.write(b"RIFF\0\0\0\0WAVEfmt ")
        file.truncate(2049 * 1024 * 1024)
    good = str(folder / "good.wav")
    Path(good).write_bytes((SAMPLES / "silence.wav").read_bytes())
    os.mkfifo(folder / "pipe.wav")
    return {
        "missing": ([str(folder / "none.wav")], "does not exist"),
        "directory": ([str(folder)], "--recursive"),
        "text": ([str(text)], "not a recording"),
        "empty": ([str(empty)], "empty"),
        "large": ([str(large)], "2 GB"),
        "pipe": ([str(folder / "pipe.wav")], "pipe"),
        "option": ([good, "--colour", "red"], "--colour"),
        "field": ([good, "--set", "colour=red"], "colour"),
        "no value": ([good, "--set", "colour"], "FIELD=VALUE"),
        "language": ([good, "--language", "xx-YY"], "xx-YY"),
        "slash": ([good, "--name", "a/b"], "name"),
        "dots": ([good, "--name", ".."], "name"),
        "format": ([good, "--format", "doc"], "format"),
        "two names": ([good, "s3://bucket/b.wav", "--name", "one"], "one recording"),
        "uri": (["s3://bucket"], "s3://bucket/key"),
        "http": (["https://example.com/a.wav"], "s3://bucket/key"),
        "nothing": ([], "name a FILE"),
        "both": (["-", good], "stdin"),
        "env file": (["--env-file", str(folder / "none.env")], "none.env"),
        "not utf-8": ([os.fsdecode(bytes(folder) + b"/\xff.wav")], ""),
    }


def test_bad_input_gets_one_sentence_and_leaves_nothing(served: Stack) -> None:
    folder = served.audio / "bad"
    folder.mkdir()
    before = everything(served)
    for what, (arguments, part) in bad_inputs(folder).items():
        ran = served.transcribe("submit", *arguments)
        assert ran.returncode == 2, (what, ran)
        refused(ran, 2, part)
    assert everything(served) == before


def test_what_only_a_worker_can_refuse_fails_before_anything_is_uploaded(served: Stack) -> None:
    outside = served.folder / "outside.wav"
    outside.write_bytes((SAMPLES / "silence.wav").read_bytes())
    link = served.audio / "link.wav"
    link.symlink_to(outside)
    objects = served.objects()
    for path in (outside, link, Path(f"{served.audio}/../outside.wav")):
        ran = served.transcribe("submit", str(path), "--wait")
        assert ran.returncode == 1
        assert "audio roots" in ran.stderr
        assert len(ran.stderr.strip().splitlines()) == 1
        assert len(ran.stdout.splitlines()) == 1
    assert served.objects() == objects


def test_a_name_of_another_request_is_refused(served: Stack) -> None:
    one, two = served.sample("silence.wav", "one.wav"), served.sample("silence.wav", "two.wav")
    first = served.transcribe("submit", str(one), "--name", "mine")
    assert first.stdout == "mine\n"
    again = served.transcribe("submit", str(one), "--name", "mine")
    assert (again.returncode, again.stdout) == (0, "mine\n")
    refused(served.transcribe("submit", str(two), "--name", "mine"), 2, "mine", "different")


def test_submit_prints_ids_and_wait_prints_what_became_of_them(served: Stack) -> None:
    paths = [served.sample("silence.wav", f"wait-{number}.wav") for number in range(3)]
    submitted = served.transcribe("submit", *map(str, paths))
    ids = submitted.stdout.split()
    assert (submitted.returncode, len(ids), submitted.stderr) == (0, 3, "")
    waited = served.transcribe("wait", *ids, "--timeout", "30")
    assert waited.returncode == 0
    assert sorted(waited.stdout.splitlines()) == sorted(f"{each}\tCOMPLETED" for each in ids)
    as_json = served.transcribe("status", ids[0], "--json")
    assert json.loads(as_json.stdout)["state"] == "COMPLETED"
    assert ids[0] in served.transcribe("list", "--state", "completed").stdout
    assert ids[0] in served.transcribe("result", ids[0]).stdout
    assert served.transcribe("result", ids[0], "--format", "vtt").stdout.startswith("WEBVTT")
    document = json.loads(served.transcribe("result", ids[0], "--format", "json").stdout)
    assert document["jobName"] == ids[0]


def test_status_shows_every_field_of_the_request(stack: Stack) -> None:
    recording = stack.sample("silence.wav")
    options: dict[str, object] = {
        "priority": 3,
        "formats": ["srt", "txt"],
        "metadata": {"order": "ü7"},
        "tags": {"team": "north"},
    }
    stack.client.submit(recording, name="mine", **options)
    shown = {
        name: value.strip()
        for name, _, value in (
            line.strip().partition(" ")
            for line in stack.transcribe("status", "mine").stdout.splitlines()
        )
    }
    assert shown["audio"] == str(recording)
    assert {name: json.loads(shown[name]) for name in options} == options
    request = json.loads(stack.transcribe("status", "mine", "--json").stdout)["request"]
    assert {name: request[name] for name in options} == options


def test_a_folder_is_submitted_with_all_beneath_it(served: Stack) -> None:
    for name in ("deep/a.wav", "deep/er/b.wav", "deep/.hidden/c.wav"):
        served.sample("silence.wav", name)
    (served.audio / "deep" / "readme.txt").write_text("not audio")
    ran = served.transcribe("submit", str(served.audio / "deep"), "--recursive", "--json")
    audio = [json.loads(line)["audio"] for line in ran.stdout.splitlines()]
    assert [Path(path).name for path in audio] == ["a.wav", "b.wav"]


def test_requests_come_by_stdin_one_a_line(served: Stack) -> None:
    path = served.sample("silence.wav", "stdin.wav")
    lines = [{"audio": str(path), "name": "line-1"}, {"audio": str(path), "name": "line-2"}]
    text = "\n".join(json.dumps(line) for line in lines)
    assert served.transcribe("submit", "-", stdin=text).stdout.split() == ["line-1", "line-2"]
    served.client.wait(["line-1", "line-2"], timeout=DEADLINE)
    before = everything(served)[1]
    wrong = text.replace("line-", "new-") + "\n{broken"
    refused(served.transcribe("submit", "-", stdin=wrong), 2, "Line 3")
    deep = "[" * 100_000
    refused(served.transcribe("submit", "-", stdin=deep), 2, "Line 1")
    refused(served.transcribe("submit", "-", stdin=""), 2, "no request")
    assert everything(served)[1] == before


def test_a_failed_job_makes_exit_code_1_and_can_be_retried(served: Stack) -> None:
    path = served.sample("silence.wav", "gone.wav")
    job = served.client.submit(path.with_name("never-there.wav"), name="to-retry")
    served.job_in(job.id, JobState.FAILED)
    waited = served.transcribe("wait", job.id)
    assert waited.returncode == 1
    assert "never-there.wav (to-retry): failed: The worker finds no file" in waited.stderr
    refused(served.transcribe("result", job.id), 1, "failed")
    path.rename(path.with_name("never-there.wav"))
    retried = served.transcribe("retry", "--failed")
    # A quick worker has begun its upload already.
    assert re.search(r"^to-retry\t(?!FAILED$)[A-Z]+$", retried.stdout, re.MULTILINE)
    assert served.transcribe("wait", job.id).returncode == 0
    refused(served.transcribe("retry", job.id), 2, "COMPLETED")
    refused(served.transcribe("cancel", job.id), 2, "COMPLETED")


def test_unknown_jobs_and_timeouts_have_their_exit_codes(served: Stack, stack: Stack) -> None:
    for command in ("status", "wait", "result", "cancel", "retry"):
        refused(served.transcribe(command, "nobody"), 2, "nobody")
    # No worker is there to end it.
    job = stack.client.submit(stack.sample("silence.wav"))
    refused(stack.transcribe("wait", job.id, "--timeout", "0.3"), 3, "0.3 s")


def test_without_redis_every_command_says_so_in_time(served: Stack) -> None:
    nowhere = {"TRANSCRIBE_REDIS_URL": "redis://user:secret@127.0.0.1:1/0"}
    path = str(served.sample("silence.wav"))
    for arguments in (["list"], ["submit", path], ["doctor"], ["status", "x"], ["wait", "x"]):
        ran = refused(served.transcribe(*arguments, **nowhere), 4, "127.0.0.1:1")
        assert "secret" not in ran.stderr
    wrong = {"TRANSCRIBE_REDIS_URL": "http://example.com"}
    refused(served.transcribe("list", **wrong), 2, "TRANSCRIBE_REDIS_URL")
    refused(served.transcribe("list", TRANSCRIBE_LEASE="soon"), 2, "TRANSCRIBE_LEASE")


def test_doctor_finds_what_is_there_and_what_is_missing(served: Stack, stack: Stack) -> None:
    def checks() -> dict[str, bool]:
        lines = served.transcribe("doctor", "--json").stdout.splitlines()
        return {each["check"]: each["ok"] for each in map(json.loads, lines)}

    until(lambda: any(check.endswith(": bucket") for check in checks()))
    assert all(checks().values())
    assert served.transcribe("doctor").returncode == 0
    ran = stack.transcribe("doctor")
    assert ran.returncode == 1
    assert "celery -A worker worker" in ran.stdout


def test_file_names_cannot_play_with_the_terminal(served: Stack) -> None:
    ran = served.transcribe("submit", str(served.audio / "\x1b]0;owned\x07\nfake.wav"))
    refused(ran, 2, "does not exist")
    assert "\x1b" not in ran.stderr


def test_the_scripts_own_settings_file_is_understood(served: Stack) -> None:
    served.sample("hello-world.m4a")
    (served.folder / "hello-world.m4a").symlink_to(served.audio / "hello-world.m4a")
    secret = "wJalr-secret"
    settings = {
        "AWS_ACCESS_KEY": "AKIASCRIPT",
        "AWS_SECRET_KEY": secret,
        "AWS_REGION": "us-east-1",
        "LOCAL_AUDIO": "hello-world.m4a",
        "S3_BUCKET": "test-bucket",
        "S3_OBJECT": "path/in/bucket",
        "SLEEP_TIME": "5",
        "TRANSCRIPTION_JOB": "hello-world",
    }
    env_file = served.folder / "transcribe.env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    ran = served.transcribe("submit", "--env-file", "transcribe.env", "--cleanup", "--wait")
    assert ran.returncode == 0, ran
    assert ran.stdout.splitlines()[0] == "hello-world"
    assert "hello-world" in ran.stdout.splitlines()[-1]
    job = served.client.get("hello-world")
    assert job.media_uri == "s3://test-bucket/path/in/bucket"
    assert job.result_uri == "s3://test-bucket/path/in/bucket.json"
    assert job.cleaned_at is not None
    assert not [key for key in served.objects() if key.startswith("path/")]
    everywhere = served.sandbox.log("worker").read_text() + ran.stdout + ran.stderr
    keys = served.broker.command("KEYS", "*")
    dump = "".join(
        str(served.broker.command("HGETALL", key))
        for key in keys
        if served.broker.command("TYPE", key) == "hash"
    )
    assert secret not in everywhere + dump
    assert "AKIASCRIPT" not in everywhere + dump


def test_schema_and_policy_are_json(served: Stack) -> None:
    schema = json.loads(served.transcribe("schema").stdout)
    assert "audio" in schema["required"]
    policy = json.loads(served.transcribe("policy", "--bucket", "my-bucket").stdout)
    assert "arn:aws:s3:::my-bucket/*" in json.dumps(policy)
    refused(served.transcribe("policy", "--bucket", "My Bucket"), 2, "bucket")


def test_every_command_has_help_with_examples(served: Stack) -> None:
    top = served.transcribe("--help").stdout
    assert "Exit codes" in top
    listed = top.split("Commands:")[1].split("Exit codes")[0].splitlines()
    commands = [line.split()[0] for line in listed if re.match(r"  [a-z]", line)]
    assert {"submit", "local", "doctor"} <= set(commands)
    for command in commands:
        assert "Examples:" in served.transcribe(command, "--help").stdout, command
