"""`transcribe local`: the whole pipeline for the time of one command, and nothing of it after."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
import redis

from tests.support.local_command import (
    TRANSCRIBE,
    descendants,
    local,
    running,
    temporary,
    up,
    variables,
)
from tests.support.stack import BUCKET, SAMPLES, Stack
from tests.support.waiting import DEADLINE, until


def test_it_transcribes_prints_and_leaves_only_the_results(tmp_path: Path) -> None:
    audio = [str(SAMPLES / "hello-world.m4a"), str(SAMPLES / "silence.wav")]
    with local(tmp_path, *audio, "--format", "srt") as process:
        until(lambda: len(descendants(process.pid)) >= 3)
        children = descendants(process.pid)
        assert process.wait(timeout=DEADLINE) == 0
    assert running(children) == set()
    assert temporary(tmp_path) == []
    printed = (tmp_path / "stdout").read_text()
    assert "hello world" in printed.lower()
    results = sorted((tmp_path / "transcripts").rglob("*.*"))
    assert [path.name for path in results] == [
        f"{stem}.{kind}"
        for stem in ("hello-world", "silence")
        for kind in ("job.json", "json", "srt")
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_without_files_it_is_a_sandbox_until_it_is_stopped(
    tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "hello.m4a").write_bytes((SAMPLES / "hello-world.m4a").read_bytes())
    with local(tmp_path) as process:
        children = up(tmp_path, process)
        printed = variables(tmp_path)
        assert {"TRANSCRIBE_REDIS_URL", "AWS_ENDPOINT_URL", "TRANSCRIBE_BUCKET"} <= set(printed)
        if number is signal.SIGINT:
            ran = subprocess.run(
                [TRANSCRIBE, "submit", "hello.m4a", "--wait"],
                cwd=tmp_path,
                env={**os.environ, **printed},
                capture_output=True,
                text=True,
                timeout=DEADLINE,
                check=False,
            )
            assert ran.returncode == 0, ran
            assert "hello world" in ran.stdout.lower()
        process.send_signal(number)
        process.wait(timeout=DEADLINE)
    until(lambda: running(children) == set(), what="all children to end")
    if number is not signal.SIGKILL:
        assert process.returncode == 130
        assert temporary(tmp_path) == []
        assert "Traceback" not in (tmp_path / "stderr").read_text()


def test_a_redis_that_others_use_is_left_alone(stack: Stack) -> None:
    stack.client.submit("/audio/theirs.wav", name="theirs")
    ran = stack.transcribe("local", str(SAMPLES / "silence.wav"))
    assert ran.returncode == 2
    assert "TRANSCRIBE_REDIS_URL" in ran.stderr
    stack.client.cancel("theirs")
    ran = stack.transcribe("local", str(SAMPLES / "silence.wav"))
    assert ran.returncode == 0, ran
    # We did not start it, so it still runs.
    assert stack.broker.command("PING")


def test_with_aws_it_does_what_the_script_did(stack: Stack) -> None:
    stack.sandbox.aws_keys = {"AWS_ACCESS_KEY_ID": "AKIASCRIPT", "AWS_SECRET_ACCESS_KEY": "hidden"}
    stack.start_aws()
    (stack.folder / "hello-world.m4a").write_bytes((SAMPLES / "hello-world.m4a").read_bytes())
    (stack.folder / "transcribe.env").write_text(
        "AWS_ACCESS_KEY=AKIASCRIPT\nAWS_SECRET_KEY=hidden\nAWS_REGION=us-east-1\n"
        "LOCAL_AUDIO=hello-world.m4a\nS3_BUCKET=test-bucket\nS3_OBJECT=path/hello.m4a\n"
        "SLEEP_TIME=1\nTRANSCRIPTION_JOB=hello-world\n"
    )
    environment = {**os.environ, "AWS_ENDPOINT_URL": stack.endpoint}
    ran = subprocess.run(
        [TRANSCRIBE, "local", "--aws", "--env-file", "transcribe.env", "--cleanup"],
        cwd=stack.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ran.returncode == 0, ran
    assert "hello world" in ran.stdout.lower()
    assert "hidden" not in ran.stdout + ran.stderr
    assert stack.objects() == []
    assert stack.aws("transcribe").list_transcription_jobs()["TranscriptionJobSummaries"] == []
    assert (stack.folder / "transcripts" / "hello-world.json").is_file()


def test_a_further_run_pays_for_nothing_and_replaces_its_own_files(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.3")
    folder = stack.folder / "recordings" / "deeper"
    folder.mkdir(parents=True)
    for name in ("hello-world.m4a", "silence.wav"):
        (folder / name).write_bytes((SAMPLES / name).read_bytes())
    command = ("local", "--aws", "--bucket", BUCKET, "recordings", "--recursive")
    written = []
    for _ in range(2):
        ran = stack.transcribe(*command, TRANSCRIBE_REDIS_URL="")
        assert ran.returncode == 0, ran
        paths = (stack.folder / "transcripts").rglob("*.*")
        written.append({str(path.relative_to(stack.folder)) for path in paths})
    assert (
        written[0]
        == written[1]
        == {
            f"transcripts/deeper/{stem}.{kind}"
            for stem in ("hello-world", "silence")
            for kind in ("job.json", "json", "txt")
        }
    )
    assert stack.account()["accepted"] == 2
    assert stack.transcribe(*command, "--fresh", TRANSCRIBE_REDIS_URL="").returncode == 0
    assert stack.account()["accepted"] == 4


def test_with_aws_what_is_missing_is_said_at_once(stack: Stack) -> None:
    stack.start_aws()
    audio = str(SAMPLES / "silence.wav")
    without = {"TRANSCRIBE_REDIS_URL": "", "TRANSCRIBE_BUCKET": ""}
    ran = stack.transcribe("local", "--aws", audio, **without)
    assert ran.returncode != 0
    assert "TRANSCRIBE_BUCKET is not set" in ran.stderr
    ran = stack.transcribe("local", "--aws", "--bucket", "no-such-bucket", audio, **without)
    assert ran.returncode == 2
    assert "no-such-bucket does not exist" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_what_its_jobs_wait_for_is_said(stack: Stack, tmp_path: Path) -> None:
    """Nobody can ask `doctor` there, for its Redis has a password that is not printed."""
    (tmp_path / "a.wav").write_bytes((SAMPLES / "silence.wav").read_bytes())
    results = tmp_path / "results"
    # A file that was written just now waits so long.
    waits = {"TRANSCRIBE_QUIET_PERIOD": "600", "TRANSCRIBE_REDIS_URL": stack.redis_url}
    with local(tmp_path, "a.wav", "--results", str(results), **waits) as process:
        until(lambda: sum(stack.client.counts().values()))
        results.touch()

        def said() -> int:
            chatter = (tmp_path / "stderr").read_text()
            return chatter.count(f"the jobs wait: The worker cannot write to {results} (")

        until(said)
        assert said() == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130


def test_nobody_else_reaches_the_sandbox(tmp_path: Path) -> None:
    with local(tmp_path) as process:
        children = up(tmp_path, process)
        printed = variables(tmp_path)
        url = urlsplit(printed["TRANSCRIBE_REDIS_URL"])
        assert url.hostname == "127.0.0.1"
        with redis.Redis(port=url.port or 0) as stranger:
            for words in (["PING"], ["GET", "x"], ["CONFIG", "SET", "dir", str(tmp_path)]):
                with pytest.raises(redis.AuthenticationError):
                    stranger.execute_command(*words)
        # Nor does the password buy more than data.
        with redis.Redis.from_url(printed["TRANSCRIBE_REDIS_URL"]) as ours:
            assert ours.ping()
            for words in (["CONFIG", "GET", "dir"], ["MODULE", "LIST"], ["DEBUG", "SLEEP", "0"]):
                with pytest.raises(redis.ResponseError, match="unknown command"):
                    ours.execute_command(*words)
        for path in ("/transcribe-local?list-type=2", "/_localaws/jobs"):
            with pytest.raises(HTTPError) as caught:
                urlopen(printed["AWS_ENDPOINT_URL"] + path)  # noqa: S310 - our own endpoint
            with caught.value as refusal:
                assert refusal.code in {401, 403}
        # What is secret is on no command line, and in no file that others may read.
        keys = [printed["AWS_ACCESS_KEY_ID"], printed["AWS_SECRET_ACCESS_KEY"]]
        secrets = [str(url.password), *keys]
        assert all(len(secret) >= 16 for secret in secrets)
        lines = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children)
        assert b"redis" in lines
        (folder,) = (tmp_path / "tmp").glob("transcribe-local-*")
        files = [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()]
        with_secrets = [path for path in files if secrets[0].encode() in path.read_bytes()]
        assert [(path.name, oct(path.stat().st_mode & 0o777)) for path in with_secrets] == [
            ("redis.conf", "0o600")
        ]
        assert folder.stat().st_mode & 0o077 == 0
        shown = [lines, (tmp_path / "stderr").read_bytes()]
        shown += [path.read_bytes() for path in files if path not in with_secrets]
        assert [each for each in secrets if any(each.encode() in text for text in shown)] == []
