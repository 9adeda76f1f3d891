"""Results on a person's own disk lie where their recordings do."""

from __future__ import annotations

from pathlib import Path

import pytest

from producer.cli.inputs.result_names import beside
from producer.contract.job import Job
from producer.contract.request import TranscriptionRequest
from worker.stages.result_paths import results_path


@pytest.mark.parametrize("audio", ["here/link/a.wav", "here/../far/a.wav", "far/a.wav"])
def test_beside_is_next_to_the_recording_by_whatever_path_it_is_named(
    tmp_path: Path, audio: str
) -> None:
    for name in ("here", "far"):
        (tmp_path / name).mkdir()
    (tmp_path / "here/link").symlink_to(tmp_path / "far")
    named = [f"{tmp_path}/{audio}", f"{tmp_path}/here/b.wav"]
    root, requests = beside([TranscriptionRequest(audio=each) for each in named])
    record = {"state": "QUEUED", "at.QUEUED": "1700000000"}
    paths = [
        results_path(Job.from_record("id", {**record, "request": each.canonical()}), root)
        for each in requests
    ]
    assert paths == [tmp_path / "far/a", tmp_path / "here/b"]
