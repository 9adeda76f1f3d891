"""S3 over real HTTP: what is put, found, compared, read and deleted, and what a stop leaves behind.

S3 is moto's; what it cannot be made to answer comes from a server of a few lines.
"""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ParamValidationError
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from producer.contract.s3_uri import S3Uri
from tests.support.stages import content
from worker.aws.errors import Denied, NoCredentials
from worker.aws.etag import content_etag
from worker.aws.objects import StoredObject
from worker.aws.s3 import Storage
from worker.aws.session import Aws
from worker.aws.transfer import PART_BYTES
from worker.errors import Permanent, Transient
from worker.settings import WorkerSettings

MB = 1024 * 1024
URI = S3Uri("s3://storage-test/folder/talk.wav")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    served = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    served.start()
    host, port = served.get_host_and_port()
    url = f"http://{host}:{port}"
    yield url
    urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()  # noqa: S310 - our own
    served.stop()


def prepare(patch: pytest.MonkeyPatch, folder: Path, endpoint: str) -> None:
    patch.chdir(folder)
    for name, value in {
        "TRANSCRIBE_BUCKET": "storage-test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": endpoint,
    }.items():
        patch.setenv(name, value)


@pytest.fixture
def environment(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(monkeypatch, tmp_path, server)


@pytest.fixture(scope="module")
def client(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The worker's own client."""
    with pytest.MonkeyPatch.context() as patch:
        prepare(patch, tmp_path_factory.mktemp("client"), server)
        made = Aws(WorkerSettings.load()).s3()
    yield made
    made.close()


@pytest.fixture
def s3(client: Any, environment: None) -> Iterator[Any]:
    """The same with an empty bucket."""
    client.create_bucket(Bucket="storage-test")
    yield client
    for found in client.list_objects_v2(Bucket="storage-test").get("Contents", []):
        client.delete_object(Bucket="storage-test", Key=found["Key"])
    client.delete_bucket(Bucket="storage-test")


@pytest.fixture
def storage(s3: Any) -> Storage:
    return Storage(s3)


def write(path: Path, size: int, *, seed: bytes = b"a") -> Path:
    """A file whose every part differs from every other."""
    block = hashlib.shake_256(seed).digest(MB)
    with path.open("wb") as file:
        for number in range(size // MB + 1):
            file.write((number.to_bytes(4, "big") + block[4:])[: size - number * MB])
    return path


def put(storage: Storage, path: Path, uri: S3Uri = URI) -> StoredObject:
    with path.open("rb") as file:
        storage.put(file, uri, "talk-1", lambda _: None)
        assert not file.closed, "the file is the caller's to close"
    there = storage.head(uri)
    assert there is not None
    return there


def has_content(storage: Storage, there: StoredObject, path: Path) -> bool:
    with path.open("rb") as file:
        return storage.has_content(there, URI, file, path.stat().st_size)


@contextmanager
def counted(s3: Any, operation: str) -> Iterator[list[str]]:
    """The calls of one operation that go over the wire."""
    calls: list[str] = []

    def count(**_: object) -> None:
        calls.append(operation)

    s3.meta.events.register(f"before-send.s3.{operation}", count)
    try:
        yield calls
    finally:
        s3.meta.events.unregister(f"before-send.s3.{operation}", count)


def leftovers(s3: Any) -> tuple[list[Any], list[Any]]:
    return (
        s3.list_objects_v2(Bucket="storage-test").get("Contents", []),
        s3.list_multipart_uploads(Bucket="storage-test").get("Uploads", []),
    )


@pytest.mark.parametrize("key", ["talk.wav", "a/b/talk.wav", "x!-_.*'()/y", "sp ace/ä+%20?#.wav"])
def test_an_object_is_put_found_read_and_deleted(
    storage: Storage, tmp_path: Path, key: str
) -> None:
    uri, path = S3Uri(f"s3://storage-test/{key}"), write(tmp_path / "a", 70_000)
    assert storage.head(uri) is None

    there = put(storage, path, uri)

    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    now = datetime.now(UTC)
    assert there == StoredObject(70_000, md5, there.modified_at, owner="talk-1")
    assert abs(now - there.modified_at) < timedelta(minutes=1)
    assert content(storage, uri) == path.read_bytes()
    storage.delete(uri)
    assert storage.head(uri) is None
    storage.delete(uri)


@pytest.mark.parametrize("size", [1000, PART_BYTES + 1])
def test_the_request_is_stored_beside_the_owner(
    storage: Storage, tmp_path: Path, size: int
) -> None:
    request = "n" * 1500
    with write(tmp_path / "a", size).open("rb") as file:
        storage.put(file, URI, "o" * 190, lambda _: None, request)
    there = storage.head(URI)
    assert there is not None
    assert (there.owner, there.stored_request) == ("o" * 190, request)


def test_what_is_not_there_may_be_about_to_be(storage: Storage) -> None:
    with pytest.raises(Transient) as caught:
        content(storage, URI)
    assert (caught.value.code, caught.value.message) == (
        "ResultMissing",
        f"There is no object {URI}.",
    )


def test_a_file_is_put_from_its_start_and_all_of_it_is_reported(
    storage: Storage, tmp_path: Path
) -> None:
    path, sent = write(tmp_path / "a", 3 * MB), list[int]()
    with path.open("rb") as file:
        file.seek(1000)
        storage.put(file, URI, "talk-1", sent.append)

    assert sum(sent) == 3 * MB
    assert content(storage, URI) == path.read_bytes()


def test_a_large_file_goes_in_parts_and_is_recognised_without_reading_it_back(
    storage: Storage, s3: Any, tmp_path: Path
) -> None:
    path = write(tmp_path / "a", 20 * MB)
    with counted(s3, "UploadPart") as parts:
        there = put(storage, path)

    assert len(parts) == 3
    assert there.size == 20 * MB
    assert there.etag.endswith("-3")
    assert there.owner == "talk-1"
    with path.open("rb") as file:
        assert content_etag(file, multipart=True) == there.etag
    with counted(s3, "GetObject") as reads:
        assert has_content(storage, there, path)
    assert not reads
    assert content(storage, URI) == path.read_bytes()


@pytest.mark.parametrize("size", [1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1])
def test_sizes_around_a_part_are_recognised_by_their_etag(
    storage: Storage, s3: Any, tmp_path: Path, size: int
) -> None:
    path = write(tmp_path / "a", size)
    there = put(storage, path)
    with counted(s3, "GetObject") as reads:
        assert has_content(storage, there, path)
    assert not reads


@pytest.mark.parametrize("size", [5000, 20 * MB])
def test_other_bytes_of_the_same_size_are_other_bytes(
    storage: Storage, tmp_path: Path, size: int
) -> None:
    there = put(storage, write(tmp_path / "a", size))
    other = write(tmp_path / "b", size)
    with other.open("r+b") as file:
        file.seek(size - 1)
        file.write(b"!")

    assert has_content(storage, there, tmp_path / "a")
    assert not has_content(storage, there, other)
    assert not has_content(storage, there, write(tmp_path / "c", size, seed=b"other"))


def test_another_size_is_found_without_a_call(storage: Storage, s3: Any, tmp_path: Path) -> None:
    there = put(storage, write(tmp_path / "a", 5000))
    with counted(s3, "GetObject") as reads:
        assert not has_content(storage, there, write(tmp_path / "b", 5001))
    assert not reads


@pytest.mark.parametrize(("size", "most"), [(1, 1), (70_000, 70_000), (70_000, 80_000)])
def test_a_small_object_is_seen_and_read_in_one_call(
    storage: Storage, s3: Any, tmp_path: Path, size: int, most: int
) -> None:
    path = write(tmp_path / "a", size)
    there = put(storage, path)
    with counted(s3, "GetObject") as reads, counted(s3, "HeadObject") as heads:
        assert storage.read_head(URI, most) == (there, path.read_bytes())
    assert (len(reads), len(heads)) == (1, 0)


def test_of_a_larger_object_only_the_head_is_sent(
    storage: Storage, s3: Any, tmp_path: Path
) -> None:
    path = write(tmp_path / "a", 70_001)
    there = put(storage, path)
    sent: list[int] = []

    def measure(http_response: Any, **_: object) -> None:
        sent.append(int(http_response.headers["Content-Length"]))

    s3.meta.events.register("after-call.s3.GetObject", measure)
    try:
        assert storage.read_head(URI, 70_000) == (there, path.read_bytes()[:-1])
    finally:
        s3.meta.events.unregister("after-call.s3.GetObject", measure)
    assert sent == [70_000]


def test_of_an_empty_or_missing_object_nothing_is_read(
    storage: Storage, s3: Any, tmp_path: Path
) -> None:
    assert storage.read_head(URI, 100) == (None, b"")
    there = put(storage, write(tmp_path / "a", 0))
    assert storage.read_head(URI, 100) == (there, b"")


def test_an_object_of_somebody_else_has_no_owner(storage: Storage, s3: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "a", 5000)
    s3.put_object(
        Bucket="storage-test",
        Key="folder/talk.wav",
        Body=path.read_bytes(),
        Metadata={"made-by": "hand"},
    )

    there = storage.head(URI)

    assert there is not None
    assert there.owner is None
    assert has_content(storage, there, path)


@pytest.mark.parametrize("same", [True, False])
def test_parts_of_another_size_are_compared_by_content(
    storage: Storage, s3: Any, tmp_path: Path, *, same: bool
) -> None:
    path = write(tmp_path / "a", 11 * MB)
    where = {"Bucket": "storage-test", "Key": "folder/talk.wav"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    parts = []
    content = path.read_bytes()
    for number, start in enumerate(range(0, len(content), 5 * MB), 1):
        answer = s3.upload_part(
            **where, UploadId=upload, PartNumber=number, Body=content[start : start + 5 * MB]
        )
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
    if not same:
        with path.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"!")

    there = storage.head(URI)

    assert there is not None
    assert there.etag.endswith("-3")
    with path.open("rb") as file:
        assert content_etag(file, multipart=True) != there.etag
    assert has_content(storage, there, path) is same


class Stopped(Exception):
    """Stands for a lost lease: no error of the connection and none of ours."""


@pytest.mark.parametrize(("size", "after"), [(3 * MB, 1), (20 * MB, 1), (40 * MB, 12 * MB)])
def test_a_stopped_upload_leaves_nothing_behind(
    storage: Storage, s3: Any, tmp_path: Path, size: int, after: int
) -> None:
    lock, sent = threading.Lock(), [0]

    def progress(count: int) -> None:
        with lock:
            sent[0] += count
            if sent[0] >= after:
                raise Stopped

    with write(tmp_path / "a", size).open("rb") as file, pytest.raises(Stopped):
        storage.put(file, URI, "talk-1", progress)

    assert 0 < sent[0] <= size
    assert leftovers(s3) == ([], [])
    assert storage.head(URI) is None


def test_a_stop_counts_more_than_a_connection_that_fails(
    environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    unreachable = Aws(WorkerSettings.load()).s3()

    def stop(_: int) -> None:
        raise Stopped

    for progress, raised in ((stop, Stopped), (lambda _: None, Transient)):
        with write(tmp_path / "a", 1000).open("rb") as file, pytest.raises(raised):
            Storage(unreachable).put(file, URI, "talk-1", progress)


def test_an_upload_in_parts_that_somebody_ended_is_tried_again(
    s3: Any, storage: Storage, tmp_path: Path
) -> None:
    path = write(tmp_path / "a", 2 * PART_BYTES)
    # moto takes the end of an upload twice; S3 answers this, once it has forgotten the upload.
    answer = {"Error": {"Code": "NoSuchUpload"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
    event = "before-call.s3.CompleteMultipartUpload"

    def ended(**_: object) -> tuple[SimpleNamespace, dict[str, Any]]:
        return SimpleNamespace(status_code=404), answer

    s3.meta.events.register(event, ended)
    try:
        with path.open("rb") as file, pytest.raises(Transient) as caught:
            storage.put(file, URI, "talk-1", lambda _: None)
    finally:
        s3.meta.events.unregister(event, ended)
    assert caught.value.code == "NoSuchUpload"
    assert s3.list_multipart_uploads(Bucket="storage-test").get("Uploads", []) == []


def test_uploads_of_other_keys_are_not_aborted(s3: Any, storage: Storage) -> None:
    keys = ["a/talk", "a/talk", "a/talk.wav", "a/talk/part", "a/b", "ab"]
    for key in keys:
        s3.create_multipart_upload(Bucket="storage-test", Key=key)

    def left() -> list[str]:
        listed = s3.list_multipart_uploads(Bucket="storage-test").get("Uploads", [])
        return sorted(each["Key"] for each in listed)

    assert storage.abort_uploads(S3Uri("s3://storage-test/a/")) == 0
    assert storage.abort_uploads(S3Uri("s3://storage-test/a/talk")) == 2
    assert left() == ["a/b", "a/talk.wav", "a/talk/part", "ab"]
    assert storage.abort_uploads(S3Uri("s3://storage-test/a/"), beneath=True) == 3
    assert left() == ["ab"]
    storage.abort_uploads(S3Uri("s3://storage-test/ab"))


@pytest.mark.parametrize("where", [("storage-test", ""), ("", "talk.wav")])
def test_a_call_without_a_key_or_a_bucket_is_never_sent(
    environment: None, where: tuple[str, str]
) -> None:
    client: Any = Aws(WorkerSettings.load()).s3()
    sent: list[object] = []
    client.meta.events.register("before-send.s3", lambda **call: sent.append(call))
    bucket, key = where
    for operation in ("put_object", "get_object", "head_object", "delete_object"):
        # Without its key, DeleteObject is DeleteBucket.
        with pytest.raises(ParamValidationError):
            getattr(client, operation)(Bucket=bucket, Key=key)
    assert not sent


def test_a_missing_bucket_is_an_error_of_its_own(storage: Storage, tmp_path: Path) -> None:
    path = write(tmp_path / "a", 10)
    with path.open("rb") as file, pytest.raises(Transient) as waits:
        storage.put(file, S3Uri("s3://no-such-bucket/a"), "talk-1", lambda _: None)
    with pytest.raises(Transient) as waits_too:
        content(storage, S3Uri("s3://no-such-bucket/a"))
    with pytest.raises(Permanent) as permanent:
        storage.bucket_region(S3Uri("s3://no-such-bucket/a"))
    for caught in (waits, waits_too, permanent):
        assert caught.value.code == "NoSuchBucket"


def test_where_a_bucket_is(storage: Storage) -> None:
    assert storage.bucket_region(URI) == "us-east-1"


def test_memory_stays_flat_however_large_the_file(s3: Any, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(300 * MB)
    code = f"""
from pathlib import Path
from worker.aws.session import Aws
from worker.settings import WorkerSettings
from worker.aws.s3 import Storage
from producer.contract.s3_uri import S3Uri
URI = S3Uri({URI!r})
storage = Storage(Aws(WorkerSettings.load()).s3())
def peak():
    # Not getrusage: its peak starts at that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024
with open("small", "wb+") as file:
    file.write(b"x" * 1000)
    storage.put(file, URI, "talk-1", lambda _: None)
before = peak()
with open("large", "rb") as file:
    storage.put(file, URI, "talk-1", lambda _: None)
    there = storage.head(URI)
    assert there.size == {300 * MB} and storage.has_content(there, URI, file, there.size)
print(peak() - before)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
    # A few parts at once, each read and sent; a file in memory would be 300.
    assert int(run.stdout) < 150


class Wordless(BaseHTTPRequestHandler):
    """S3 as it refuses a HEAD: without a body, so only the status says why."""

    def do_HEAD(self) -> None:
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def do_GET(self) -> None:
        code = self.server.code  # type: ignore[attr-defined]
        body = f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode()
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("status", "code", "kind", "expected"),
    [
        (400, "ExpiredToken", NoCredentials, "CredentialsRejected"),
        (403, "InvalidAccessKeyId", NoCredentials, "CredentialsRejected"),
        (403, "SignatureDoesNotMatch", NoCredentials, "CredentialsRejected"),
        (403, "AccessDenied", Denied, "AccessDenied"),
    ],
)
def test_expired_credentials_differ_from_missing_rights(
    status: int,
    code: str,
    kind: type[Exception],
    expected: str,
    environment: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Wordless) as refusing:
        refusing.status, refusing.code = status, code  # type: ignore[attr-defined]
        thread = threading.Thread(target=refusing.serve_forever, args=(0.01,))
        thread.start()
        try:
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{refusing.server_port}")
            client = Aws(WorkerSettings.load()).s3()
            with pytest.raises(kind) as caught:
                Storage(client).head(URI)
            client.close()
        finally:
            refusing.shutdown()
            thread.join()

    assert type(caught.value) is kind
    assert getattr(caught.value, "code", None) == expected


class Odd(BaseHTTPRequestHandler):
    """S3 as others speak it: what a Range brings is not what one expects."""

    whole = bytes(100)

    def do_GET(self) -> None:
        how = self.path.rpartition("/")[2]
        sent = self.whole[: 10 if how == "less" else 50 if how == "part" else 100]
        self.send_response(200 if how == "all" else 206)
        self.send_header("ETag", '"odd"')
        self.send_header("Last-Modified", "Tue, 24 Nov 2026 22:00:00 GMT")
        self.send_header("Content-Length", str(len(sent)))
        if how != "all":
            self.send_header("Content-Range", f"bytes 0-{len(sent) - 1}/100")
        if how in {"part", "parts"}:
            self.send_header("x-amz-checksum-crc32", "AAAAAA==")
        self.end_headers()
        self.wfile.write(sent[:5] if how == "cut" else sent)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("how", "most", "read"),
    [
        ("all", 50, b""),  # Range is not known
        ("all", 100, Odd.whole),
        ("part", 50, b""),  # with the checksum of the whole
        ("parts", 100, b""),  # with one that is made of those of the parts it came in
        ("less", 100, b""),  # than was asked for
        ("cut", 100, b""),
    ],
)
def test_an_object_is_seen_whatever_comes_of_reading_it(
    how: str, most: int, read: bytes, environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as odd:
        thread = threading.Thread(target=odd.serve_forever, args=(0.01,))
        thread.start()
        try:
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{odd.server_port}")
            client = Aws(WorkerSettings.load()).s3()
            found, content = Storage(client).read_head(S3Uri(f"s3://storage-test/{how}"), most)
            client.close()
        finally:
            odd.shutdown()
            thread.join()
    assert found is not None
    assert (found.size, content) == (100, read)
