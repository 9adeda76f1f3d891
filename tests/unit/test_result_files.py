"""The files of a finished job: beneath the results root, whole, and readable by the group only."""

import contextlib
import errno
import hashlib
import json
import os
import resource
import signal
import socket
import stat
import threading
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from producer import Job, JobState, Transcript, TranscriptionRequest
from producer.contract.formats import EXTRA_KINDS
from worker.errors import Permanent, Transient
from worker.stages import result_files
from worker.stages.result_files import describe_results, discard_results, disk_error
from worker.stages.result_paths import results_path

ENDINGS = ("job.json", "json", "txt")
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
    request = TranscriptionRequest.parse(
        {"audio": "/recordings/talk.wav", "name": "talk-1", **fields}
    )
    # The contract refuses some of these, but a record may contain them.
    request = request.model_copy(update={"output": output})
    record = {"state": "QUEUED", "request": request.canonical(), "at.QUEUED": "1700000000"}
    made = Job.from_record("talk-1", record)
    assert made.state is JobState.QUEUED
    return made


def write_results(job: Job, transcript: Transcript, root: Path) -> dict[str, Path]:
    """Write all files of a job as collect does."""
    paths = result_files.reserve_results(job, root, ())
    files = result_files.write_results(paths, transcript, root)
    describe_results(paths, transcript, files, root)
    return files


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
        *(f"talk-1/talk.{kind}" for kind in ("job.json", "json", "txt", "srt", "vtt")),
    }
    assert all(path == root / "talk-1" / f"talk.{kind}" for kind, path in files.items())
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
        results_path(job(output="../results-other"), root)


def test_an_output_that_comes_back_in_and_a_link_that_stays_in_are_fine(root: Path) -> None:
    (root / "b").mkdir(parents=True)
    (root / "a").symlink_to("b")

    assert results_path(job(output="x/../b"), root) == root / "b" / "talk-1" / "talk"
    files = write_results(job(output="a"), transcript(), root)
    assert files["json"] == root / "b" / "talk-1" / "talk.json"


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    root.symlink_to("disk")
    files = write_results(job(), transcript(), root)
    assert files["json"] == tmp_path / "disk" / "talk-1" / "talk.json"


def test_redoing_replaces_the_files(root: Path) -> None:
    write_results(job(), transcript("Old and long text."), root)
    files = write_results(job(), transcript("New."), root)

    assert files["txt"].read_text(encoding="utf-8").strip() == "New."
    assert everything(root / "talk-1") == {"talk.job.json", "talk.json", "talk.txt"}


def sidecar_of(files: dict[str, Path]) -> Any:
    path = files["json"]
    return json.loads(path.with_name(f"{path.stem}.job.json").read_bytes())


def test_the_sidecar_says_whose_the_files_are_and_of_what(root: Path) -> None:
    files = write_results(job(formats=["srt"], language="de-DE"), transcript(), root)
    known = sidecar_of(files)
    assert (known["id"], known["source"]) == ("talk-1", "/recordings/talk.wav")
    assert known["files"] == ["talk.json", "talk.srt"]
    assert known["options"] == {"formats": ["srt"], "language": "de-DE"}
    assert known["times"] == {"QUEUED": "2023-11-14T22:13:20.000000Z"}
    assert (known["aws_job"], known["seconds"], known["attempt"]) == ("talk-1", 0.5, 1)


@pytest.mark.parametrize("name", ["talk.txt", "TALK.TXT", "talk.json", "Talk.Job.Json"])
def test_what_is_there_stays_and_the_files_get_a_suffix_that_is_always_the_same(
    root: Path, name: str
) -> None:
    mine = root / "talk-1" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    first = write_results(job(), transcript("One."), root)
    again = write_results(job(), transcript("Two."), root)
    assert first == again
    suffix = hashlib.sha256(b"/recordings/talk.wav").hexdigest()[:6]
    assert first["txt"].name == f"talk-{suffix}.txt"
    assert first["txt"].read_text().strip() == "Two."
    assert mine.read_text() == "mine"


def test_names_are_compared_whatever_form_their_accents_have(root: Path) -> None:
    folder = root / "talk-1"
    folder.mkdir(parents=True)
    (folder / unicodedata.normalize("NFD", "été.txt")).write_text("mine")
    files = write_results(job(audio="/r/\u00c9T\u00c9.wav"), transcript(), root)
    assert files["txt"].name.startswith("\u00c9T\u00c9-")


def test_two_jobs_of_one_path_replace_nothing_of_each_other(root: Path) -> None:
    names = ("one", "two", "three")
    texts = {}
    for name in (*names, *names):
        each = job(output="{stem}").model_copy(update={"id": name})
        texts[name] = write_results(each, transcript(f"{name}."), root)["txt"]
    assert len(set(texts.values())) == 3
    assert {name: path.read_text().strip() for name, path in texts.items()} == {
        name: f"{name}." for name in names
    }
    discard_results(job(output="{stem}").model_copy(update={"id": "two"}), root)
    assert [name for name in names if texts[name].exists()] == ["one", "three"]


def test_what_appears_meanwhile_is_not_replaced(root: Path) -> None:
    paths = result_files.reserve_results(job(), root, ())
    (paths.folder / "talk.txt").write_text("mine")
    with pytest.raises(Transient, match=r"talk\.txt"):
        result_files.write_results(paths, transcript(), root)
    files = write_results(job(), transcript("Mine, too."), root)
    assert (paths.folder / "talk.txt").read_text() == "mine"
    assert files["txt"].read_text().strip() == "Mine, too."
    assert not paths.path("json").exists(), "nothing is left of the first try"


def test_what_appears_between_two_tries_is_not_replaced(root: Path) -> None:
    paths = result_files.reserve_results(job(), root, ())
    paths.write("json", [transcript().render("json").encode()])
    # The worker is killed here.
    (paths.folder / "talk.txt").write_text("mine")
    with pytest.raises(Transient, match=r"talk\.txt"):
        write_results(job(), transcript(), root)
    files = write_results(job(), transcript(), root)
    assert (paths.folder / "talk.txt").read_text() == "mine"
    assert files["txt"].read_text().strip() == "Hello world."
    assert not paths.path("json").exists(), "nothing is left of the first try"


def test_a_try_after_one_that_was_killed_has_the_same_names(root: Path) -> None:
    first = result_files.write_results(
        result_files.reserve_results(job(), root, ()), transcript(), root
    )
    assert write_results(job(), transcript(), root) == first
    assert sidecar_of(first)["files"] == ["talk.json", "talk.txt"]
    result_files.reserve_results(job(), root, ())
    discard_results(job(), root)
    assert everything(root) == set()


def test_a_worker_that_does_not_know_that_its_job_was_stopped_harms_no_other(root: Path) -> None:
    stopped, other = (
        job(output="{stem}").model_copy(update={"id": name}) for name in ("stopped", "other")
    )
    paths = result_files.reserve_results(stopped, root, ())
    files = result_files.write_results(paths, transcript(), root)
    discard_results(stopped, root)
    write_results(other, transcript("Other."), root)
    before = {path.name: path.read_bytes() for path in root.iterdir()}
    with pytest.raises(Transient, match=r"talk\.job\.json"):
        describe_results(paths, transcript(), files, root)
    discard_results(stopped, root)
    assert {path.name: path.read_bytes() for path in root.iterdir()} == before


def test_what_a_worker_writes_for_a_job_that_was_stopped_can_be_deleted(root: Path) -> None:
    paths = result_files.reserve_results(job(), root, ())
    discard_results(job(), root)
    paths.folder.mkdir()
    files = result_files.write_results(paths, transcript(), root)
    describe_results(paths, transcript(), files, root)
    discard_results(job(), root)
    assert everything(root) == set()


def test_workers_that_repeat_each_other_agree_on_the_names(root: Path) -> None:
    first = result_files.reserve_results(job(), root, ())
    second = result_files.reserve_results(job(), root, ())
    files = result_files.write_results(second, transcript("Two."), root)
    # It lost its lease, and does not know yet.
    with pytest.raises(Transient):
        result_files.write_results(first, transcript("One."), root)
    describe_results(second, transcript("Two."), files, root)
    assert write_results(job(), transcript("Three."), root) == files


def test_a_sidecar_lets_no_job_replace_or_delete_what_is_not_its_own(root: Path) -> None:
    folder = root / "talk-1"
    write_results(job(), transcript(), root)
    (root / "precious.txt").write_text("mine")
    (folder / "other.txt").write_text("mine")
    sidecar = folder / "talk.job.json"
    known = json.loads(sidecar.read_bytes())
    known["files"] += ["../precious.txt", "other.txt", "talk./../other.txt", 7]
    sidecar.write_text(json.dumps(known))
    discard_results(job(), root)
    assert (root / "precious.txt").read_text() == (folder / "other.txt").read_text() == "mine"
    assert everything(folder) == {"other.txt"}


def test_no_result_has_the_name_of_a_sidecar(root: Path) -> None:
    write_results(job(output="{stem}", audio="/r/talk.wav"), transcript(), root)
    files = write_results(job(output="{stem}", audio="/r/talk.job.wav"), transcript(), root)
    assert files["json"].name == "talk.job_.json"


@pytest.mark.parametrize("ending", ["unredacted", "Unredacted", "aws", "job"])
def test_a_job_that_is_stopped_deletes_no_file_of_one_with_a_similar_name(
    root: Path, ending: str
) -> None:
    stopped = job(output="{stem}").model_copy(update={"id": "stopped"})
    result_files.reserve_results(stopped, root, EXTRA_KINDS)
    fields: dict[str, Any] = {"audio": f"/r/talk.{ending}.wav", "formats": ["srt"]}
    files = write_results(job(output="{stem}", **fields), transcript(), root)
    discard_results(stopped, root)
    assert all(path.exists() for path in files.values())


@pytest.mark.parametrize("broken", [b"", b"[]", b"{", b'{"id": "talk-1", "files": {}}'])
def test_a_broken_sidecar_is_somebody_elses(root: Path, broken: bytes) -> None:
    folder = root / "talk-1"
    folder.mkdir(parents=True)
    (folder / "talk.job.json").write_bytes(broken)
    write_results(job(), transcript(), root)
    assert (folder / "talk.job.json").read_bytes() == broken


def as_a_pipe(sidecar: Path) -> None:
    os.mkfifo(sidecar)


def as_a_socket(sidecar: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(sidecar.parent):
        listening.bind(sidecar.name)


def as_a_circle(sidecar: Path) -> None:
    sidecar.symlink_to(sidecar.name)


def as_a_folder(sidecar: Path) -> None:
    sidecar.mkdir()


def as_deep_json(sidecar: Path) -> None:
    sidecar.write_text("[" * 200_000)


@pytest.mark.parametrize("put", [as_a_pipe, as_a_socket, as_a_circle, as_a_folder, as_deep_json])
def test_whatever_is_there_instead_of_a_sidecar_keeps_no_job_from_its_results(
    root: Path, put: Callable[[Path], None]
) -> None:
    folder = root / "talk-1"
    folder.mkdir(parents=True)
    put(folder / "talk.job.json")
    before = (folder / "talk.job.json").lstat()
    done: list[dict[str, Path]] = []
    # A daemon, for one that waits for a pipe would keep the tests from their end.
    thread = threading.Thread(
        target=lambda: done.append(write_results(job(), transcript(), root)), daemon=True
    )
    thread.start()
    thread.join(10)
    assert done[0]["txt"].name.startswith("talk-")
    assert (folder / "talk.job.json").lstat() == before


def test_what_a_killed_try_had_half_written_is_gone_once_the_next_is_done(root: Path) -> None:
    folder = root / "talk-1"
    folder.mkdir(parents=True)
    for name in (".talk-1.abcdefgh.part", ".talk-1.other.abcdefgh.part"):
        (folder / name).write_text("half")
    write_results(job(), transcript(), root)
    left = {name for name in everything(folder) if name.endswith(".part")}
    assert left == {".talk-1.other.abcdefgh.part"}, "that one is another job's"


def test_a_link_in_the_way_is_not_followed(root: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (root / "talk-1").mkdir(parents=True)
    (root / "talk-1" / "talk.txt").symlink_to(precious)

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
    (root / "talk-1" / "talk.json" / "in the way").mkdir(parents=True)


def blocked_by_a_circle(root: Path) -> None:
    (root / "talk-1").symlink_to("talk-1")


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (blocked_by_a_file, "Not a directory"),
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
        results_path(job(output=output), root)
    assert caught.value.code == "PathTooLong"
    assert "shorter" in caught.value.message


@pytest.mark.parametrize("spare", [0, 1])
def test_the_longest_path_that_the_system_accepts_is_used(root: Path, spare: int) -> None:
    # A suffix has 7 bytes, the longest ending 16; the system counts one for the path's end.
    longest = os.pathconf(root.parent, "PC_PATH_MAX") - 1
    room = longest - len("/talk") - 7 - 16
    room -= len(f"{root}/") + len("/talk-1") + spare
    folders = "/".join("x" * 200 for _ in range(room // 201))
    output = f"{folders}/{'x' * (room - len(folders) - 1)}"

    files = write_results(job(output=output), transcript(), root)
    assert len(str(files["json"])) == longest - 7 - 16 + len(".json") - spare

    with pytest.raises(Permanent, match="too long"):
        results_path(job(output=output + "x" * (spare + 1)), root)


@pytest.mark.parametrize("name", ["talk.json", "Talk.SRT", "x.unredacted.json", "x.part"])
def test_no_folder_has_a_name_that_a_file_of_another_job_may_have(root: Path, name: str) -> None:
    for each in (job(output=f"other/{name}"), job(output="other").model_copy(update={"id": name})):
        files = write_results(each, transcript(), root)
        assert f"{name}_" in files["json"].parts


def test_a_job_beneath_anothers_folder_and_the_other_do_not_meet(root: Path) -> None:
    inner = job(output="talk-1").model_copy(update={"id": "inner"})
    write_results(inner, transcript("Inner."), root)
    write_results(job(), transcript("Outer."), root)
    discard_results(job(), root)
    assert everything(root) == {
        "talk-1",
        *(f"talk-1/inner{file}" for file in ("", *(f"/talk.{e}" for e in ENDINGS))),
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

    # The sidecar keeps the names for the next try.
    assert everything(root) == {"talk-1", "talk-1/talk.job.json"}


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
