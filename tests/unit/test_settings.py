"""Settings: each wrong value gives one sentence that names it, and no secret is ever shown."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from producer import InvalidRequest, InvalidSettings, TranscriptionRequest
from producer.legacy_env_file import read_request
from producer.settings import ProducerSettings
from tests.support.waiting import DEADLINE
from worker.aws.session import Aws
from worker.errors import Permanent
from worker.settings import WorkerSettings

KEY, SECRET = "AKIAEXAMPLEEXAMPLE00", "wJalrXUtnFEMI-K7MDENG+bPxRfiCYEXAMPLEKEY"
SCRIPT = f"""\
# the original script's settings
AWS_ACCESS_KEY={KEY}
AWS_SECRET_KEY='{SECRET}'
AWS_REGION=eu-central-1
LOCAL_AUDIO=./talk.m4a
S3_BUCKET=script-bucket
S3_OBJECT=talk.m4a
SLEEP_TIME=7
TRANSCRIPTION_JOB="talk-1"
"""


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but what a test sets: an empty folder, and no variable of ours or AWS's."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("AWS_", "TRANSCRIBE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TRANSCRIBE_BUCKET", "my-recordings")


def refusal() -> str:
    with pytest.raises(InvalidSettings) as caught:
        WorkerSettings.load()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert not sentence.endswith("..")
    return sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETENTION", "0"),
        ("RETENTION", "a week"),
        ("RETENTION", "1.5"),  # Redis expires keys after whole seconds
        ("DEADLINE", "-1"),
        ("LEASE", "0.5"),
        ("TENANT_WEIGHTS", "alice"),
        ("TENANT_WEIGHTS", "alice=3;bob=1"),
        ("TENANT_WEIGHTS", "alice=much"),
        ("TENANT_WEIGHTS", "alice=0"),
        ("TENANT_WEIGHTS", "alice=nan"),
        ("TENANT_WEIGHTS", "{alice: 3}"),
        ("TENANT_WEIGHTS", '{"alice": "much"}'),
        ("LEASE", "inf"),
        ("BUCKET", "s3://my-recordings"),
        ("BUCKET", "My Recordings"),
        ("PREFIX", "not allowed/"),
        ("PREFIX", "ümlaut/"),
        ("PREFIX", "transcribe-queue"),
        ("PREFIX", "/"),
        ("PREFIX", "./"),
        ("AUDIO_BUCKETS", "s3://recordings"),
        ("AUDIO_BUCKETS", "recordings archive"),
        ("AUDIO_ROOTS", "/no/such/folder"),
        ("AUDIO_ROOTS", "/"),
        ("AUDIO_ROOTS", "//"),
        ("AUDIO_ROOTS", "/usr/.."),
        ("AUDIO_ROOTS", "/usr:/"),
        ("AUDIO_ROOTS", "/etc/passwd"),
        ("ENV_FILE", "/no/such/file"),
        ("MAX_RUNNING_JOBS", "0"),
        ("MAX_RUNNING_JOBS", "many"),
        ("MAX_RUNNING_JOBS", "1.5"),
        ("START_RATE", "0"),
        ("GET_RATE", "-1"),
        ("LIST_RATE", "x"),
        ("DELETE_RATE", "nan"),
        ("POLL_INTERVAL", "0"),
        ("POLL_INTERVAL", "inf"),
        ("DISPATCH_INTERVAL", "0.001"),
        ("CONCURRENCY", "0"),
        ("KEPT_RESULT_BYTES", "-1"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_refused_in_a_sentence_that_names_it(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TRANSCRIBE_{name}", value)

    assert refusal().startswith(f"TRANSCRIBE_{name}")


@pytest.mark.parametrize(
    ("value", "weights"),
    [
        ("alice=3,bob=0.5", {"alice": 3, "bob": 0.5}),
        (" Acme Corp = 2 , ", {"Acme Corp": 2}),
        ('{"Acme, Inc. = best": 2}', {"Acme, Inc. = best": 2}),
    ],
)
def test_shares_of_tenants_can_be_written_in_two_ways(
    value: str, weights: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSCRIBE_TENANT_WEIGHTS", value)
    assert WorkerSettings.load().tenant_weights == weights


def test_buckets_of_audio_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSCRIBE_AUDIO_BUCKETS", " recordings, archive-2026 ,")
    assert WorkerSettings.load().audio_buckets == ("recordings", "archive-2026")


def test_each_wrong_value_has_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSCRIBE_LEASE", "x")
    monkeypatch.setenv("TRANSCRIBE_CONCURRENCY", "0")

    sentence = refusal()

    assert "TRANSCRIBE_LEASE: " in sentence
    assert "TRANSCRIBE_CONCURRENCY: " in sentence


@pytest.mark.parametrize("name", WorkerSettings.model_fields)
def test_every_setting_is_described_and_empty_means_unset(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert WorkerSettings.model_fields[name].description
    if name == "bucket":
        return
    default = getattr(WorkerSettings.load(), name)

    monkeypatch.setenv(f"TRANSCRIBE_{name.upper()}", "")

    assert getattr(WorkerSettings.load(), name) == default


@pytest.mark.parametrize("value", [None, ""])
def test_the_bucket_must_be_named(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRANSCRIBE_BUCKET")
    if value is not None:
        monkeypatch.setenv("TRANSCRIBE_BUCKET", value)
    assert refusal() == ("TRANSCRIBE_BUCKET is not set: name the S3 bucket for audio and results.")


def test_the_producer_needs_nothing_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRANSCRIBE_BUCKET")
    monkeypatch.setenv("TRANSCRIBE_LEASE", "3")
    assert ProducerSettings.load().lease == 3

    monkeypatch.setenv("TRANSCRIBE_LEASE", "0")
    with pytest.raises(InvalidSettings, match=r"^TRANSCRIBE_LEASE: .*[^.]\.$"):
        ProducerSettings.load()


def test_a_dotenv_file_counts_and_the_environment_counts_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        "TRANSCRIBE_BUCKET=of-the-file\nTRANSCRIBE_POLL_INTERVAL=9\nUNRELATED=1\n"
    )
    settings = WorkerSettings.load()
    assert (settings.bucket, settings.poll_interval) == ("my-recordings", 9)

    monkeypatch.delenv("TRANSCRIBE_BUCKET")
    assert WorkerSettings.load().bucket == "of-the-file"


def test_audio_roots_are_folders_with_links_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    monkeypatch.setenv("TRANSCRIBE_AUDIO_ROOTS", f"link:{tmp_path}")

    assert WorkerSettings.load().audio_roots == (tmp_path / "a", tmp_path)


@pytest.mark.parametrize("roots", ["{0}:", ":{0}", "{0}::{0}"])
def test_a_stray_colon_does_not_open_the_current_folder(
    roots: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.setenv("TRANSCRIBE_AUDIO_ROOTS", roots.format(tmp_path / "a"))

    assert set(WorkerSettings.load().audio_roots) == {tmp_path / "a"}


def test_a_link_to_the_whole_disk_is_no_audio_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").symlink_to("/")
    monkeypatch.setenv("TRANSCRIBE_AUDIO_ROOTS", "disk")
    assert "the whole disk cannot be an audio root" in refusal()


def test_without_roots_a_worker_reads_beneath_its_own_folder_unless_that_is_the_whole_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert WorkerSettings.load().audio_roots == (tmp_path,)
    assert WorkerSettings.load().results_dir == tmp_path / "transcripts"

    monkeypatch.chdir("/")
    assert "the whole disk cannot be an audio root" in refusal()


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "transcribe.env"
    path.write_text(SCRIPT)
    monkeypatch.setenv("TRANSCRIBE_ENV_FILE", "transcribe.env")
    return path


def test_the_worker_reads_its_part_of_the_script_settings(script: Path) -> None:
    settings = WorkerSettings.load()

    assert settings.bucket == "script-bucket"
    assert settings.region == "eu-central-1"
    assert settings.poll_interval == 7
    assert settings.credentials is not None
    assert [each.get_secret_value() for each in settings.credentials] == [KEY, SECRET]
    used = Aws(settings).session.get_credentials()
    assert used is not None
    assert (used.access_key, used.secret_key) == (KEY, SECRET)
    assert Aws(settings).region == "eu-central-1"


def test_the_producer_reads_its_part_and_no_secret(script: Path) -> None:
    assert read_request(script) == {"audio": "./talk.m4a", "key": "talk.m4a", "name": "talk-1"}


def test_no_secret_is_shown(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = WorkerSettings.load()

    shown = [
        repr(settings),
        str(settings),
        repr(settings.credentials),
        repr(settings.model_dump()),
        settings.model_dump_json(),
        repr(settings.model_copy()),
        f"{settings.__dict__} {settings.__pydantic_private__}",
    ]

    assert SECRET not in "".join(shown)
    assert KEY not in "".join(shown)
    assert not any(capsys.readouterr())


@pytest.mark.parametrize(
    ("line", "by", "says"),
    [
        ("SLEEP_TIME=7", "SLEEP_TIME=soon", "SLEEP_TIME in transcribe.env must be a number"),
        ("SLEEP_TIME=7", "SLEEP_TIME=inf", "SLEEP_TIME in transcribe.env must be a number"),
        ("SLEEP_TIME=7", "SLEEP_TIME=nan", "SLEEP_TIME in transcribe.env must be a number"),
        (f"AWS_ACCESS_KEY={KEY}", "", "transcribe.env must set both AWS_ACCESS_KEY and"),
        (f"AWS_SECRET_KEY='{SECRET}'", "AWS_SECRET_KEY=", "transcribe.env must set both AWS_"),
        ("S3_BUCKET=script-bucket", "S3_BUCKET=s3://b", "TRANSCRIBE_BUCKET (or S3_BUCKET"),
    ],
)
def test_a_mistake_in_the_script_settings_is_reported_without_secrets(
    script: Path, line: str, by: str, says: str
) -> None:
    script.write_text(SCRIPT.replace(line, by))

    sentence = refusal()

    assert sentence.startswith(says)
    assert KEY not in sentence
    assert SECRET not in sentence


def test_script_settings_that_are_no_text_are_refused(script: Path) -> None:
    script.write_bytes(b"S3_BUCKET=\xff\xfe\x00")
    assert refusal() == (
        "TRANSCRIBE_ENV_FILE: transcribe.env is not a settings file: it is not readable text."
    )


def test_what_the_script_settings_leave_out_stays_as_it_was(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.write_text("SLEEP_TIME=0\nS3_BUCKET=\n")
    settings = WorkerSettings.load()

    assert settings.bucket == "my-recordings"
    assert settings.poll_interval == 0.1
    assert (settings.credentials, settings.region) == (None, None)


@pytest.mark.parametrize("content", ["", "LOCAL_AUDIO=\nS3_BUCKET=b\n"])
def test_script_settings_without_audio_make_no_request(tmp_path: Path, content: str) -> None:
    path = tmp_path / "transcribe.env"
    path.write_text(content)
    with pytest.raises(InvalidRequest, match="audio"):
        TranscriptionRequest.parse(read_request(path))
    with pytest.raises(InvalidSettings, match=r"^There is no settings file .*\.$"):
        read_request(tmp_path / "nowhere.env")


def test_the_region_is_found_as_other_tools_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = WorkerSettings.load()
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(Permanent, match=r"^No AWS region is set: set AWS_DEFAULT_REGION\.$"):
        Aws(settings)

    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Aws(settings).region == "eu-west-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert Aws(settings).region == "eu-west-2"


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "TRANSCRIBE_BUCKET is not set: name the S3 bucket for audio and results."),
        ({"TRANSCRIBE_BUCKET": "b-1"}, "No AWS region is set: set AWS_DEFAULT_REGION."),
        (
            {
                "TRANSCRIBE_BUCKET": "b-1",
                "AWS_DEFAULT_REGION": "eu-west-1",
                "AWS_ENDPOINT_URL": "nonsense",
            },
            (
                "AWS cannot be used (Invalid endpoint: nonsense): correct AWS_ENDPOINT_URL, "
                "AWS_DEFAULT_REGION or the profile in ~/.aws."
            ),
        ),
        (
            {"TRANSCRIBE_BUCKET": "b-1", "AWS_DEFAULT_REGION": "eu west"},
            (
                "AWS cannot be used (Provided region_name 'eu west' doesn't match a supported "
                "format): correct AWS_ENDPOINT_URL, AWS_DEFAULT_REGION or the profile in ~/.aws."
            ),
        ),
        (
            {
                "TRANSCRIBE_BUCKET": "b-1",
                "AWS_DEFAULT_REGION": "eu-west-1",
                "TRANSCRIBE_REDIS_URL": "http://x",
            },
            (
                "TRANSCRIBE_REDIS_URL must begin with redis://, rediss:// (TLS) or unix:///, "
                "as in redis://127.0.0.1:6379/0."
            ),
        ),
    ],
)
def test_a_worker_that_cannot_start_says_why_in_one_line(
    variables: dict[str, str], says: str, tmp_path: Path
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_CONFIG_FILE": os.devnull,
        "PYTHONIOENCODING": "utf-8",
        **variables,
    }
    run = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "worker"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=DEADLINE,
        check=False,
    )

    assert (run.returncode, run.stdout, run.stderr) == (2, "", f"worker: {says}\n")


def test_secrets_reach_no_log_even_at_debug(script: Path, tmp_path: Path) -> None:
    code = """
import structlog, logging
from worker import logs
from worker.settings import WorkerSettings
from worker.aws.session import Aws
from worker.errors import StageError
settings = WorkerSettings.load()
logs.configure("json", "debug")
logging.getLogger("any").debug("settings %s", settings)
structlog.get_logger().info("settings", settings=settings, credentials=settings.credentials)
aws = Aws(settings)
try:
    aws.transcribe().get_transcription_job(TranscriptionJobName="n")
except Exception:
    structlog.get_logger().exception("call.failed")
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )

    events = [json.loads(line) for line in run.stderr.splitlines()]
    assert {"settings", "call.failed"} <= {event["event"] for event in events}
    assert "EndpointConnectionError" in run.stderr
    assert SECRET not in run.stderr + run.stdout
    assert KEY not in run.stderr + run.stdout
