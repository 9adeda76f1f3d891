"""The files of a finished job: beneath the results root, whole, and readable by the group only."""

import errno
import json
import os
import resource
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from producer import Job, JobState, Transcript, TranscriptionRequest
from worker.errors import Permanent, Transient
from worker.stages.result_files import discard_results, disk_error, results_folder, write_results

ITEMS = [
    {
        "type": "pronunciation",
        "start_time": "0.1",
        "end_time": "0.5",
        "alternatives": [{"confidence": "0.9", "content": word}],
    }
    for word in ("hello", "world")
]


def transcript(text: str = "Hello world.") -> Transcript:
    document = {
        "jobName": "talk-1",
        "accountId": "1",
        "status": "COMPLETED",
        "results": {"transcripts": [{"transcript": text}], "items": ITEMS},
    }
    return Transcript.from_json(json.dumps(document).encode())


def job(output: str | None = None, **fields: Any) -> Job:
    request = TranscriptionRequest.parse({"audio": "/a.wav", "name": "talk-1", **fields})
    # The contract refuses some of these, but a record may contain them.
    request = request.model_copy(update={"output": output})
    record = {"state": "QUEUED", "request": request.canonical(), "at.QUEUED": "1700000000"}
    made = Job.from_record("talk-1", record)
    assert made.state is JobState.QUEUED
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_the_document_and_the_formats_asked_for_are_written(root: Path) -> None:
    files = write_results(job(formats=["txt", "srt", "vtt"]), transcript(), root)

    assert list(files) == ["json", "txt", "srt", "vtt"]
    assert everything(root) == {
        "talk-1",
        *(f"talk-1/transcript.{kind}" for kind in ("json", "txt", "srt", "vtt")),
    }
    assert all(path == root / "talk-1" / f"transcript.{kind}" for kind, path in files.items())
    written = json.loads(files["json"].read_bytes())
    assert written["results"]["transcripts"] == [{"transcript": "Hello world."}]
    assert files["txt"].read_text(encoding="utf-8").strip() == "Hello world."
    assert "00:00:00,100 --> " in files["srt"].read_text(encoding="utf-8")
    assert files["vtt"].read_text(encoding="utf-8").startswith("WEBVTT")


@pytest.mark.parametrize("formats", [[], ["json"]])
def test_the_document_is_written_once_even_if_nobody_asks(root: Path, formats: list[str]) -> None:
    assert list(write_results(job(formats=formats), transcript(), root)) == ["json"]


def test_modes_do_not_depend_on_the_umask(root: Path, umask: int) -> None:
    files = write_results(job(output="a/b"), transcript(), root)

    folders = [root, root / "a", root / "a" / "b", root / "a" / "b" / "talk-1"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o640}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o750}


def test_the_mode_of_a_folder_that_is_there_stays(root: Path) -> None:
    root.mkdir()
    root.chmod(0o711)
    write_results(job(), transcript(), root)
    assert stat.S_IMODE(root.stat().st_mode) == 0o711


@pytest.mark.parametrize(
    "output", ["..", "../other", "a/../../other", "/etc", "/", "link", "link/deeper"]
)
def test_no_output_leaves_the_results_root(root: Path, tmp_path: Path, output: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root.mkdir()
    (root / "link").symlink_to(outside)
    before = everything(tmp_path)

    with pytest.raises(Permanent) as caught:
        write_results(job(output=output), transcript(), root)

    assert caught.value.code == "OutsideResultsRoot"
    assert "TRANSCRIBE_RESULTS_DIR" in caught.value.message
    assert str(tmp_path) not in caught.value.message
    assert everything(tmp_path) == before


def test_a_root_is_no_mere_prefix(root: Path) -> None:
    with pytest.raises(Permanent):
        results_folder(job(output="../results-other"), root)


def test_an_output_that_comes_back_in_and_a_link_that_stays_in_are_fine(root: Path) -> None:
    (root / "b").mkdir(parents=True)
    (root / "a").symlink_to("b")

    assert results_folder(job(output="x/../b"), root) == root / "b" / "talk-1"
    files = write_results(job(output="a"), transcript(), root)
    assert files["json"] == root / "b" / "talk-1" / "transcript.json"


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    root.symlink_to("disk")
    files = write_results(job(), transcript(), root)
    assert files["json"] == tmp_path / "disk" / "talk-1" / "transcript.json"


def test_redoing_replaces_the_files(root: Path) -> None:
    write_results(job(), transcript("Old and long text."), root)
    files = write_results(job(), transcript("New."), root)

    assert files["txt"].read_text(encoding="utf-8").strip() == "New."
    assert everything(root / "talk-1") == {"transcript.json", "transcript.txt"}


def test_a_link_instead_of_a_file_is_replaced_and_not_followed(root: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (root / "talk-1").mkdir(parents=True)
    (root / "talk-1" / "transcript.txt").symlink_to(precious)

    files = write_results(job(), transcript(), root)

    assert precious.read_text() == "mine"
    assert not files["txt"].is_symlink()


def test_a_reader_finds_whole_files_only(root: Path) -> None:
    texts = {f"{character * 300_000}\n" for character in "ab"}
    path = write_results(job(), transcript("a" * 300_000), root)["txt"]
    stop, seen = threading.Event(), set[str]()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text(encoding="utf-8"))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(40):
        write_results(job(), transcript("ba"[turn % 2] * 300_000), root)
    stop.set()
    reader.join()

    assert {text.rstrip("\n") for text in seen} <= {text.rstrip("\n") for text in texts}
    assert seen


def blocked_by_a_file(root: Path) -> None:
    (root / "talk-1").write_text("in the way")


def blocked_by_a_folder(root: Path) -> None:
    (root / "talk-1" / "transcript.json" / "in the way").mkdir(parents=True)


def blocked_by_a_circle(root: Path) -> None:
    (root / "talk-1").symlink_to("talk-1")


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (blocked_by_a_file, "Not a directory"),
        (blocked_by_a_folder, "Is a directory"),
        (blocked_by_a_circle, "Too many levels of symbolic links"),
    ],
)
def test_what_is_in_the_way_ends_the_job_and_stays(
    root: Path, block: Callable[[Path], None], reason: str
) -> None:
    root.mkdir()
    block(root)
    before = everything(root)

    with pytest.raises(Permanent, match=reason) as caught:
        write_results(job(), transcript(), root)

    assert caught.value.code == "ResultsNotWritten"
    assert "retry" in caught.value.message
    assert everything(root) == before, "nothing temporary is left"


@pytest.mark.parametrize("output", ["x" * 256, "ä" * 128, "/".join(["deep" * 50] * 20)])
def test_a_path_that_is_too_long_is_seen_before_anything_is_uploaded(
    root: Path, output: str
) -> None:
    with pytest.raises(Permanent) as caught:
        results_folder(job(output=output), root)
    assert caught.value.code == "PathTooLong"
    assert "shorter" in caught.value.message


@pytest.mark.parametrize("spare", [0, 1])
def test_the_longest_path_that_the_system_accepts_is_used(root: Path, spare: int) -> None:
    # The longest file name has 15 bytes, and the system counts a byte for the end of the path.
    room = os.pathconf(root.parent, "PC_PATH_MAX") - 1 - 15 - 1
    room -= len(f"{root}/") + len("/talk-1") + spare
    folders = "/".join("x" * 200 for _ in range(room // 201))
    output = f"{folders}/{'x' * (room - len(folders) - 1)}"

    files = write_results(job(output=output), transcript(), root)
    assert len(str(files["json"])) == os.pathconf(root.parent, "PC_PATH_MAX") - 1 - spare

    with pytest.raises(Permanent, match="too long"):
        results_folder(job(output=output + "x" * (spare + 1)), root)


@pytest.mark.parametrize(
    "name",
    [
        "transcript.json",
        "Transcript.SRT",
        "aws.vtt",
        "unredacted.json",
        ".x.part",
        "tranſcript.txt",
    ],
)
def test_no_folder_has_a_name_that_a_file_of_another_job_has(root: Path, name: str) -> None:
    # The contract refuses these, but a record may contain them.
    for each in (job(output=f"other/{name}"), job(output="other").model_copy(update={"id": name})):
        with pytest.raises(Permanent) as caught:
            write_results(each, transcript(), root)
        assert caught.value.code == "ReservedName"
    assert not root.exists()


def test_a_job_beneath_anothers_folder_and_the_other_do_not_meet(root: Path) -> None:
    inner = job(output="talk-1").model_copy(update={"id": "inner"})
    write_results(inner, transcript("Inner."), root)
    write_results(job(), transcript("Outer."), root)
    discard_results(job(), root)
    assert everything(root) == {
        "talk-1",
        *(f"talk-1/inner{file}" for file in ("", "/transcript.json", "/transcript.txt")),
    }


def test_a_file_where_the_root_should_be_is_for_somebody_to_mend(root: Path) -> None:
    root.write_text("in the way")
    with pytest.raises(Transient, match="cannot be written"):
        write_results(job(output="deeper"), transcript(), root)


def test_nothing_is_left_when_the_disk_is_full(root: Path) -> None:
    # A limit on the size of files is as near to a full disk as a test can come without one.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(Transient):
            write_results(job(), transcript("x" * 300_000), root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)

    assert everything(root) == {"talk-1"}


def test_a_folder_that_somebody_may_make_writable_is_waited_for() -> None:
    # No folder can be made there: no rights, or a read-only file system.
    with pytest.raises(Transient, match="waits") as caught:
        write_results(job(), transcript(), Path("/sys"))
    assert caught.value.code == "ResultsNotWritten"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        *((each, Permanent) for each in ("ENAMETOOLONG", "EISDIR", "ENOTDIR", "ELOOP")),
        *((each, Permanent) for each in ("EINVAL", "EILSEQ")),
        *((each, Transient) for each in ("EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT")),
        *((each, Transient) for each in ("EIO", "ESTALE", "ENOENT")),
    ],
)
def test_what_an_operator_heals_is_waited_for_and_nothing_else(
    tmp_path: Path, number: str, kind: type[Exception]
) -> None:
    error = OSError(getattr(errno, number), "why")
    assert type(disk_error(error, tmp_path)) is kind
