"""docs/guides/coming-from-the-script.md, done by somebody who comes from the script."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from producer.contract.job import JobState
from tests.conftest import make_stack
from tests.support.guides import blocks, commands_of
from tests.support.stack import ROOT, SAMPLES, Stack
from tests.support.waiting import DEADLINE

pytestmark = pytest.mark.long

GUIDE = (ROOT / "docs/guides/coming-from-the-script.md").read_text()
(SETTINGS,) = blocks("text", GUIDE)
KEYS = dotenv_values(stream=StringIO(SETTINGS))
BUCKET = "my-recordings"
#: As the guide has it: the command of its first section.
LOCAL = commands_of("transcribe", GUIDE)[0]
TRANSCRIBE = str(Path(sys.executable).parent / "transcribe")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Stack]:
    """An account with the bucket of the guide, and a folder with the script's files."""
    with make_stack(tmp_path) as stack:
        stack.sandbox.aws_keys = {
            "AWS_ACCESS_KEY_ID": str(KEYS["AWS_ACCESS_KEY"]),
            "AWS_SECRET_ACCESS_KEY": str(KEYS["AWS_SECRET_KEY"]),
        }
        stack.start_aws("--recogniser", "fixed:0.5")
        stack.aws("s3").create_bucket(Bucket=BUCKET)
        (stack.folder / "transcribe.env").write_text(SETTINGS)
        (stack.folder / "hello-world.m4a").write_bytes((SAMPLES / "hello-world.m4a").read_bytes())
        yield stack


def run(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `transcribe` with nothing set but where AWS is."""
    return subprocess.run(
        [TRANSCRIBE, *words],
        cwd=stack.folder,
        env={**os.environ, "AWS_ENDPOINT_URL": stack.endpoint},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def objects(stack: Stack) -> set[str]:
    """What lies in the bucket of the guide, but for AWS's test that it may write there."""
    page = stack.aws("s3").list_objects_v2(Bucket=BUCKET)
    keys = {each["Key"] for each in page.get("Contents", ())}
    return keys - {"path/in/.write_access_check_file.temp"}


def started(stack: Stack) -> int:
    """How many jobs were started, and paid for."""
    accepted: int = stack.account()["accepted"]
    return accepted


def run_the_script(stack: Stack) -> None:
    """What the script did in AWS, as its settings file says."""
    s3, transcribe = stack.aws("s3"), stack.aws("transcribe")
    s3.upload_file(str(stack.folder / "hello-world.m4a"), BUCKET, "path/in/bucket")
    transcribe.start_transcription_job(
        TranscriptionJobName="hello-world",
        LanguageCode="en-US",
        Media={"MediaFileUri": f"s3://{BUCKET}/path/in/bucket"},
        OutputBucketName=BUCKET,
        OutputKey="path/in/bucket.json",
    )
    transcribe.get_waiter("transcription_job_completed").wait(
        TranscriptionJobName="hello-world", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


def test_the_same_run_twice(folder: Stack) -> None:
    assert shlex.join(LOCAL) == "local --aws --env-file transcribe.env"
    for _ in range(2):
        ran = run(folder, *LOCAL)
        assert ran.returncode == 0, ran
        assert "job hello-world" in ran.stdout
        names = {each.name for each in (folder.folder / "transcripts").iterdir()}
        assert names == {f"hello-world.{kind}" for kind in ("job.json", "json", "txt")}
        assert objects(folder) == {"path/in/bucket", "path/in/bucket.json"}
    assert started(folder) == 1


def test_a_run_that_was_ended_is_continued(folder: Stack) -> None:
    ran = run(folder, *LOCAL, "--timeout", "0")
    assert ran.returncode == 3, ran
    ran = run(folder, *LOCAL)
    assert ran.returncode == 0, ran
    assert started(folder) == 1


def test_cleaning_up_deletes_the_result_too_and_the_next_run_starts_anew(folder: Stack) -> None:
    for number in (1, 2):
        ran = run(folder, *LOCAL, "--cleanup")
        assert ran.returncode == 0, ran
        assert objects(folder) == set()
        assert started(folder) == number


def test_what_the_script_has_done_is_used_and_its_audio_stays(folder: Stack) -> None:
    run_the_script(folder)
    ran = run(folder, *LOCAL, "--cleanup")
    assert ran.returncode == 0, ran
    assert "job hello-world" in ran.stdout
    assert "path/in/bucket" in objects(folder)
    assert started(folder) == 1


def test_another_recording_does_not_get_the_text_of_the_first(folder: Stack) -> None:
    run_the_script(folder)
    (folder.folder / "hello-world.m4a").write_bytes((SAMPLES / "weather-report.mp3").read_bytes())
    ran = run(folder, *LOCAL)
    assert (ran.returncode, ran.stdout) == (1, ""), ran
    assert "left it alone" in ran.stderr
    assert started(folder) == 1


def test_a_failed_job_says_why(folder: Stack) -> None:
    folder.fault(kind="fail", reason="Too quiet.")
    ran = run(folder, *LOCAL)
    assert ran.returncode == 1, ran
    assert "Too quiet." in ran.stderr


def test_the_commands_of_a_service(folder: Stack) -> None:
    settings = {"env_file": "transcribe.env", "audio_roots": "."}
    folder.start_worker(**{name: str(folder.folder / value) for name, value in settings.items()})
    outcomes: dict[str, Any] = {}
    for words in commands_of("transcribe", GUIDE.split("A service keeps")[1].split("There `")[0]):
        ran = folder.transcribe(*words)
        outcomes[words[0]] = ran.returncode
    assert outcomes == {"submit": 0, "result": 0, "status": 0, "retry": 0}
    assert folder.client.get("hello-world").state is JobState.COMPLETED
    again = folder.transcribe("submit", "--env-file", "transcribe.env", "--wait")
    assert again.returncode == 0
    assert started(folder) == 1
    other = folder.transcribe("submit", "--env-file", "transcribe.env", "--language", "de-DE")
    assert other.returncode == 2


def there(stack: Stack, key: str = "path/in/bucket") -> bytes:
    body: bytes = stack.aws("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body


def put(stack: Stack, body: bytes, key: str = "path/in/bucket") -> None:
    stack.aws("s3").put_object(Bucket=BUCKET, Key=key, Body=body)


def test_a_recording_that_is_gone_is_read_from_where_the_script_put_it(folder: Stack) -> None:
    recording = folder.folder / "hello-world.m4a"
    put(folder, recording.read_bytes())
    recording.unlink()
    ran = run(folder, *LOCAL, "--cleanup")
    assert ran.returncode == 0, ran
    assert "job hello-world" in ran.stdout
    assert "transcribing s3://my-recordings/path/in/bucket" in ran.stderr
    assert objects(folder) == {"path/in/bucket"}


def test_a_recording_that_is_nowhere_is_said_to_be_so(folder: Stack) -> None:
    (folder.folder / "hello-world.m4a").unlink()
    ran = run(folder, *LOCAL)
    assert (ran.returncode, ran.stdout) == (1, ""), ran
    assert "There is no object s3://my-recordings/path/in/bucket" in ran.stderr


def test_other_bytes_are_used_or_replaced_only_by_command(folder: Stack) -> None:
    mine, theirs = (SAMPLES / name for name in ("hello-world.m4a", "weather-report.mp3"))
    put(folder, theirs.read_bytes())
    ran = run(folder, *LOCAL)
    assert (ran.returncode, ran.stdout) == (1, ""), ran
    assert "--use-existing" in ran.stderr
    assert "--replace" in ran.stderr
    assert started(folder) == 0

    ran = run(folder, *LOCAL, "--use-existing")
    assert ran.returncode == 0, ran
    assert started(folder) == 1
    assert there(folder) == theirs.read_bytes()

    folder.aws("transcribe").delete_transcription_job(TranscriptionJobName="hello-world")
    put(folder, b'{"jobName": "somebody-elses"}', "path/in/bucket.json")
    ran = run(folder, *LOCAL, "--replace")
    assert ran.returncode == 0, ran
    assert started(folder) == 2
    assert there(folder) == mine.read_bytes()
    assert b'"hello-world"' in there(folder, "path/in/bucket.json")


def test_of_workers_of_others_nobody_can_ask_to_replace(folder: Stack) -> None:
    put(folder, b"theirs")
    folder.start_worker(
        env_file=str(folder.folder / "transcribe.env"), audio_roots=str(folder.folder)
    )
    ran = folder.transcribe("submit", "--env-file", "transcribe.env", "--replace")
    assert (ran.returncode, ran.stdout) == (2, ""), ran
    assert "aws s3 cp hello-world.m4a s3://my-recordings/path/in/bucket" in ran.stderr
    assert "transcribe local --aws --env-file transcribe.env --replace" in ran.stderr
    ran = folder.transcribe("submit", "--env-file", "transcribe.env", "--wait")
    assert ran.returncode == 1, ran
    assert there(folder) == b"theirs"
    put(folder, (SAMPLES / "hello-world.m4a").read_bytes())
    ran = folder.transcribe(
        "submit", "--env-file", "transcribe.env", "--use-existing", "--wait", "--name", "another"
    )
    assert ran.returncode == 0, ran


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["submit", "--use-existing"], "go with --env-file"),
        (["submit", "--env-file", "transcribe.env", "--use-existing", "--replace"], "exclude"),
        (["submit", "--env-file", "transcribe.env", "--use-existing", "a.wav"], "name no files"),
        (["local", "--aws", "--replace"], "go with --env-file"),
    ],
)
def test_options_about_the_object_that_do_not_fit(
    folder: Stack, words: list[str], says: str
) -> None:
    ran = run(folder, *words)
    assert (ran.returncode, ran.stdout) == (2, ""), ran
    assert says in ran.stderr
