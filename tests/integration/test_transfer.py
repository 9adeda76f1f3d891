"""How files are sent: read once, within bounded memory, the small beside the large."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any

import pytest

from producer.contract.job import JobState
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage
from tests.support.stack import BUCKET, Stack
from tests.support.stages import acquired_work, content, started, worker_of
from tests.support.waiting import until
from worker.aws.s3 import Storage
from worker.aws.session import Aws
from worker.aws.transfer import PART_BYTES, PARTS_AT_ONCE
from worker.errors import Permanent, Transient
from worker.runtime.context import Context
from worker.settings import ConditionalPut, WorkerSettings
from worker.stages import upload as uploading

MB = 1024 * 1024
URI = S3Uri(f"s3://{BUCKET}/folder/talk.wav")


def go_on(_: int) -> None:
    """An upload that is not stopped."""


class Counted(FileIO):
    """A file that counts what is read of it, and can be written to meanwhile."""

    def __init__(self, path: Path, then: Callable[[], object] = int) -> None:
        super().__init__(path)
        self.count = 0
        self._then = then

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        self.count += count
        self._then()
        return count

    def readall(self) -> bytes:
        data = super().readall()
        self.count += len(data)
        return data


def counted(path: Path, then: Callable[[], object]) -> BufferedReader:
    return BufferedReader(Counted(path, then))


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.write(b"talk")
        file.truncate(size)
    return path


def unended(stack: Stack) -> list[Any]:
    found: list[Any] = stack.aws("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    return found


@pytest.mark.parametrize("size", [1000, 3 * MB, PART_BYTES, 3 * PART_BYTES + 1])
def test_a_file_is_read_once(worker: Context, tmp_path: Path, size: int) -> None:
    raw = Counted(sparse(tmp_path / "a", size))
    file: BufferedReader = BufferedReader(raw)
    with file:
        assert worker.storage.put(file, URI, "talk", go_on)
        assert raw.count == size
    assert content(worker.storage, URI) == (tmp_path / "a").read_bytes()


@pytest.mark.parametrize("size", [1000, 3 * PART_BYTES])
def test_a_file_that_changes_meanwhile_is_refused(
    stack: Stack, worker: Context, tmp_path: Path, size: int
) -> None:
    path = sparse(tmp_path / "a", size)

    def grow() -> None:
        with path.open("ab") as more:
            more.write(b"and another word")

    with counted(path, grow) as file, pytest.raises(Transient) as caught:
        worker.storage.put(file, URI, "talk", go_on)
    assert caught.value.code == "FileChanged"
    assert stack.objects() == []
    assert unended(stack) == []


def test_a_file_that_becomes_shorter_is_refused(
    stack: Stack, worker: Context, tmp_path: Path
) -> None:
    path = sparse(tmp_path / "a", 3 * PART_BYTES)

    def cut() -> None:
        with path.open("r+b") as file:
            file.truncate(PART_BYTES + 1)

    with counted(path, cut) as file, pytest.raises(Transient) as caught:
        worker.storage.put(file, URI, "talk", go_on)
    assert caught.value.code == "FileChanged"
    assert stack.objects() == []
    assert unended(stack) == []


def test_a_part_that_is_refused_ends_its_upload_and_says_why(
    stack: Stack, worker: Context, tmp_path: Path
) -> None:
    stack.fault(operation="UploadPart", kind="access_denied", times=1)
    path = sparse(tmp_path / "a", 20 * PART_BYTES)
    with path.open("rb") as file, pytest.raises(Permanent) as caught:
        worker.storage.put(file, URI, "talk", go_on)
    assert caught.value.code == "AccessDenied"
    assert unended(stack) == []
    # The refusal came before the end of the file was sent.
    assert stack.account()["calls"]["UploadPart"]["count"] < 20


@pytest.mark.parametrize("size", [1000, 2 * PART_BYTES])
def test_what_is_there_is_left_alone_if_so_asked(
    worker: Context, tmp_path: Path, size: int
) -> None:
    first, second = sparse(tmp_path / "a", 500), sparse(tmp_path / "b", size)
    with first.open("rb") as file:
        assert worker.storage.put(file, URI, "talk", go_on, only_new=True)
    with second.open("rb") as file:
        assert not worker.storage.put(file, URI, "talk", go_on, only_new=True)
        assert content(worker.storage, URI) == first.read_bytes()
        assert worker.storage.put(file, URI, "talk", go_on)
    assert content(worker.storage, URI) == second.read_bytes()


@pytest.mark.parametrize("key", [None, "calls/one.wav"])
@pytest.mark.parametrize(
    ("setting", "calls"),
    [("on", {"PutObject": 1}), ("off", {"HeadObject": 1, "PutObject": 1})],
)
def test_a_small_recording_costs_one_call_where_s3_itself_says_what_is_there(
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    calls: dict[str, int],
    key: str | None,
) -> None:
    stack.environment["TRANSCRIBE_CONDITIONAL_PUT"] = setting
    worker = worker_of(stack, monkeypatch)
    stack.client.submit(stack.sample("silence.wav"), name="one", key=key)
    uploading.upload_audio(acquired_work(worker, Stage.UPLOAD, "one"))
    made = {operation: each["count"] for operation, each in stack.account()["calls"].items()}
    assert made == calls


def test_an_upload_whose_answer_was_lost_is_not_sent_again(stack: Stack, worker: Context) -> None:
    stack.client.submit(stack.sample("silence.wav"), name="one")
    upload = acquired_work(worker, Stage.UPLOAD, "one")
    stack.fault(operation="PutObject", kind="error500_after", times=1)
    uri = uploading.upload_audio(upload).uri
    assert content(worker.storage, uri) == (stack.audio / "silence.wav").read_bytes()
    # S3's client tried once more; S3 said that the object is there, and it is ours.
    assert stack.account()["calls"]["PutObject"]["count"] == 2
    upload.advance(JobState.READY, media_uri=uri)


class SlowS3(BaseHTTPRequestHandler):
    """S3 that takes parts when the gate is open, all else at once, and nothing on a condition."""

    protocol_version = "HTTP/1.1"
    server: Slow

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["If-None-Match"]:
            self._answer(501, "<Error><Code>NotImplemented</Code></Error>")
            return
        if "partNumber" in self.path:
            with self.server.lock:
                self.server.parts.append(self.path.split("?")[0])
                self.server.started_requests.append(self.path.split("?")[0])
                self.server.most = max(self.server.most, len(self.server.parts))
            self.server.gate.wait(60)
            with self.server.lock:
                self.server.parts.remove(self.path.split("?")[0])
        self._answer(200, "")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.path.endswith("?uploads"):
            self._answer(200, "<R><UploadId>1</UploadId></R>")
        else:
            self._answer(200, "<R><ETag>1</ETag></R>")

    def do_DELETE(self) -> None:
        self._answer(204, "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Slow(ThreadingHTTPServer):
    """The server of it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SlowS3)
        self.lock = threading.Lock()
        self.gate = threading.Event()
        self.parts: list[str] = []
        self.started_requests: list[str] = []
        self.most = 0


@contextmanager
def slow_s3(
    patch: pytest.MonkeyPatch, conditional_put: ConditionalPut = "auto"
) -> Iterator[tuple[Slow, Storage]]:
    with Slow() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        for name, value in {
            "TRANSCRIBE_BUCKET": BUCKET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        }.items():
            patch.setenv(name, value)
        client = Aws(WorkerSettings.load()).s3()
        try:
            yield server, Storage(client, conditional_put)
        finally:
            server.gate.set()
            client.close()
            server.shutdown()
            thread.join()


def test_parts_of_all_large_files_are_bounded_and_shared_and_the_small_pass_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    large = sparse(tmp_path / "large", 4 * PARTS_AT_ONCE * PART_BYTES)
    small = sparse(tmp_path / "small", 1000)

    def send(storage: Storage, path: Path, key: str) -> bool:
        with path.open("rb") as file:
            return bool(storage.put(file, S3Uri(f"s3://{BUCKET}/{key}"), "talk", go_on))

    with slow_s3(monkeypatch) as (server, storage), ThreadPoolExecutor(8) as threads:
        sent = [threads.submit(send, storage, large, "first")]
        until(lambda: len(server.parts) == PARTS_AT_ONCE)
        sent += [threads.submit(send, storage, large, key) for key in ("second", "third")]
        until(lambda: len(storage._sender._parts._queue) == 3)
        for number in range(20):
            assert send(storage, small, f"small-{number}")
        # While nothing of the large got through.
        assert server.parts == [f"/{BUCKET}/first"] * PARTS_AT_ONCE
        server.gate.set()
        assert all(each.result(60) for each in sent)
    assert server.most == PARTS_AT_ONCE
    # Though the first came long before the others, they did not wait for it.
    next_ones = server.started_requests[PARTS_AT_ONCE : 3 * PARTS_AT_ONCE]
    assert {*next_ones} == {f"/{BUCKET}/{key}" for key in ("first", "second", "third")}


def test_an_endpoint_without_conditional_writes_needs_no_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        sparse(tmp_path / "a", 1000).open("rb") as file,
        slow_s3(monkeypatch) as (_, storage),
    ):
        assert storage.put(file, URI, "talk", go_on, only_new=True)


def test_a_setting_that_is_wrong_for_the_endpoint_is_named_while_the_job_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        sparse(tmp_path / "a", 1000).open("rb") as file,
        slow_s3(monkeypatch, "on") as (_, storage),
        pytest.raises(Transient, match="TRANSCRIBE_CONDITIONAL_PUT=off"),
    ):
        storage.put(file, URI, "talk", go_on, only_new=True)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (None, True),
        ("https://s3.eu-west-1.amazonaws.com", True),
        ("https://bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", True),
        ("http://127.0.0.1:9000", False),
        ("https://amazonaws.com.example.org", False),
    ],
)
def test_amazon_s3_alone_is_trusted_to_honour_conditions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endpoint: str | None, *, expected: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSCRIBE_BUCKET", BUCKET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    if endpoint is None:
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    client = Aws(WorkerSettings.load()).s3()
    assert Storage(client).has_conditional_put is expected
    assert Storage(client, "on").has_conditional_put
    assert not Storage(client, "off").has_conditional_put


def test_without_conditions_a_job_that_redis_forgot_is_still_known_for_its_own(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.environment["TRANSCRIBE_CONDITIONAL_PUT"] = "off"
    worker = worker_of(stack, monkeypatch)
    started(worker, stack, "one")
    stack.broker.command("FLUSHALL")
    # S3 has times to the second.
    uploaded_at = stack.now()
    until(lambda: stack.now() > uploaded_at + 3)
    started(worker, stack, "one")
    assert stack.client.get("one").state is JobState.TRANSCRIBING
    assert [each["name"] for each in stack.account()["jobs"]] == ["one"]


def test_over_tls_a_body_is_read_for_its_checksum_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "TRANSCRIBE_BUCKET": BUCKET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": "https://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    client = Aws(WorkerSettings.load()).s3()
    requests: list[Any] = []
    client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: requests.append(request)
    )
    with sparse(tmp_path / "a", MB).open("rb") as file, pytest.raises(Transient):
        Storage(client).put(file, URI, "talk", go_on)
    headers = {name.lower(): value for name, value in requests[0].headers.items()}
    assert headers["x-amz-content-sha256"] == b"UNSIGNED-PAYLOAD"
    assert re.fullmatch(rb"[A-Za-z0-9+/]{6}==", headers["x-amz-checksum-crc32"])
    assert int(headers["content-length"]) == MB
