"""Real recognition through the endpoint: what is heard, what fails, and what is killed."""

# ruff: noqa: S310 - the only URLs opened are those of our own endpoint

import json
import math
import os
import re
import signal
import struct
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest

from localaws.server import Endpoint
from tests.emulator.server import serve
from tests.support.account import UNLIMITED, client
from tests.support.waiting import until

SAMPLES = Path(__file__).parents[2] / "samples"


class Account:
    def __init__(self, endpoint: Endpoint) -> None:
        self.url = endpoint.url
        self.s3 = client("s3", self.url)
        self.transcribe = client("transcribe", self.url)
        self.names = iter(range(1000))

    def start(self, media: Path, **options: Any) -> str:
        name = f"job-{next(self.names)}"
        self.s3.upload_file(str(media), "media", f"{name}/{media.name}")
        request = {
            "TranscriptionJobName": name,
            "Media": {"MediaFileUri": f"s3://media/{name}/{media.name}"},
            "OutputBucketName": "media",
            "OutputKey": f"{name}/result.json",
            **({} if options.keys() & {"IdentifyLanguage"} else {"LanguageCode": "en-US"}),
            **options,
        }
        self.transcribe.start_transcription_job(**request)
        return name

    def get(self, name: str) -> dict[str, Any]:
        answer = self.transcribe.get_transcription_job(TranscriptionJobName=name)
        return dict(answer["TranscriptionJob"])

    def ended(self, name: str) -> dict[str, Any]:
        until(lambda: self.get(name)["TranscriptionJobStatus"] != "IN_PROGRESS")
        return self.get(name)

    def heard(self, media: Path, **options: Any) -> dict[str, Any]:
        """The results of a job that completes."""
        name = self.start(media, **options)
        job = self.ended(name)
        assert job["TranscriptionJobStatus"] == "COMPLETED", job
        return self.results(name)

    def results(self, name: str) -> dict[str, Any]:
        document = self.s3.get_object(Bucket="media", Key=f"{name}/result.json")
        return dict(json.load(document["Body"])["results"])

    def reason(self, media: Path, **options: Any) -> str:
        """Why a job failed."""
        job = self.ended(self.start(media, **options))
        assert job["TranscriptionJobStatus"] == "FAILED"
        return str(job["FailureReason"])

    def processes(self) -> dict[str, int]:
        with urlopen(f"{self.url}/_localaws/jobs") as answer:
            jobs = json.load(answer)["jobs"]
        return {job["name"]: job["pid"] for job in jobs if job["pid"]}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with serve(buckets=["media"], quota=UNLIMITED) as endpoint:
        account = Account(endpoint)
        yield account
        account.s3.close()
        account.transcribe.close()


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def expected(sample: str) -> list[str]:
    return words((SAMPLES / sample).with_suffix(".txt").read_text())


def said(results: dict[str, Any]) -> list[str]:
    return words(results["transcripts"][0]["transcript"])


def errors(heard: list[str], spoken: list[str]) -> float:
    """The word error rate: the edits that lead from one to the other, for each word spoken."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(spoken, 1):
        diagonal, row[0] = row[0], number
        for column, other in enumerate(heard, 1):
            diagonal, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, diagonal + (word != other)),
            )
    return row[-1] / len(spoken)


def test_speech_is_recognised(account: Account) -> None:
    name = account.start(SAMPLES / "hello-world.m4a", IdentifyLanguage=True)
    job = account.ended(name)

    assert errors(said(account.results(name)), expected("hello-world.m4a")) <= 0.15
    # What was detected, and assumed, is in the record too.
    assert job["MediaFormat"] == "m4a"
    assert job["MediaSampleRateHertz"] == 16000
    assert job["LanguageCode"] == "en-US"
    assert job["IdentifiedLanguageScore"] == 0.0


def test_words_lie_in_time_and_in_their_segments(account: Account) -> None:
    results = account.heard(
        SAMPLES / "two-sentences.wav",
        MediaFormat="wav",
        MediaSampleRateHertz=16000,
        Settings={
            "ShowAlternatives": True,
            "MaxAlternatives": 3,
            "ShowSpeakerLabels": True,
            "MaxSpeakerLabels": 2,
        },
    )

    assert errors(said(results), expected("two-sentences.wav")) <= 0.15
    first, second = results["audio_segments"]
    assert float(first["end_time"]) <= float(second["start_time"])
    for segment in (first, second):
        spoken = [
            (float(results["items"][n]["start_time"]), float(results["items"][n]["end_time"]))
            for n in segment["items"][:-1]
        ]
        times = [each for pair in spoken for each in pair]
        assert times == sorted(times)
        assert float(segment["start_time"]) <= times[0]
        assert times[-1] <= float(segment["end_time"])
    confidences = [float(item["alternatives"][0]["confidence"]) for item in results["items"]]
    assert max(confidences) > 0.5
    assert all(0 <= each <= 1 for each in confidences)
    assert results["speaker_labels"]["speakers"] == 1
    for segment in results["segments"]:
        readings = [each["transcript"] for each in segment["alternatives"]]
        assert 2 <= len(set(readings)) == len(readings) <= 3
        assert readings[0] in results["transcripts"][0]["transcript"]
        for item in segment["alternatives"][1]["items"][:-1]:
            assert float(item["start_time"]) < float(item["end_time"])


def test_silence_is_an_empty_transcript(account: Account) -> None:
    results = account.heard(SAMPLES / "silence.wav")

    assert results["transcripts"] == [{"transcript": ""}]
    assert results["items"] == []


def test_each_channel_is_recognised_alone(account: Account, tmp_path: Path) -> None:
    with wave.open(str(SAMPLES / "two-sentences.wav")) as file:
        spoken = file.readframes(3 * 16000)  # the first sentence
    stereo = tmp_path / "stereo.wav"
    with wave.open(str(stereo), "wb") as file:
        file.setparams((2, 2, 16000, 0, "NONE", ""))
        # Silence on the left: only the right channel may have words.
        file.writeframes(b"".join(b"\0\0" + spoken[n : n + 2] for n in range(0, len(spoken), 2)))

    results = account.heard(stereo, Settings={"ChannelIdentification": True})

    left, right = results["channel_labels"]["channels"]
    assert left["items"] == []
    text = [item["alternatives"][0]["content"].lower() for item in right["items"]]
    first = expected("two-sentences.wav")[:9]
    assert errors([each for each in text if each != "."], first) <= 0.15
    assert results["channel_labels"]["number_of_channels"] == 2


def tone(path: Path, seconds: float, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, 16000, 0, "NONE", ""))
        for n in range(round(seconds * 16000)):
            sample = struct.pack("<h", round(8000 * math.sin(n / 8)))
            file.writeframesraw(sample * channels)
    return path


def test_recordings_that_cannot_be_transcribed_fail_with_the_reason(
    account: Account, tmp_path: Path
) -> None:
    text = tmp_path / "text.wav"
    text.write_bytes(b"This is no audio. " * 100)
    wav = tone(tmp_path / "a.wav", 1.0)

    assert "Failed to parse audio" in account.reason(text)
    assert "Minimum audio duration is 0.500000" in account.reason(tone(tmp_path / "short.wav", 0.3))
    assert "number of channels too large" in account.reason(tone(tmp_path / "3.wav", 1.0, 3))
    assert "does not match the detected media" in account.reason(wav, MediaFormat="mp3")
    assert "detected sample rate" in account.reason(wav, MediaSampleRateHertz=8000)
    vocabulary = account.reason(wav, Settings={"VocabularyName": "mine"})
    assert "localaws does not support custom vocabularies" in vocabulary
    assert "English only" in account.reason(wav, LanguageCode="de-DE")
    assert "English only" in account.reason(
        wav, IdentifyLanguage=True, LanguageOptions=["de-DE", "fr-FR"]
    )
    assert "speech segment long enough" in account.reason(
        SAMPLES / "silence.wav", IdentifyLanguage=True
    )


def long_speech(tmp_path: Path) -> Path:
    with wave.open(str(SAMPLES / "two-sentences.wav")) as file:
        spoken = file.readframes(file.getnframes())
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        for _ in range(60):
            file.writeframes(spoken)
    return path


def test_a_killed_recogniser_fails_its_job_alone(account: Account, tmp_path: Path) -> None:
    victim = account.start(long_speech(tmp_path))
    until(lambda: victim in account.processes())
    other = account.start(SAMPLES / "hello-world.m4a")

    os.kill(account.processes()[victim], signal.SIGKILL)

    assert "Internal error" in account.ended(victim)["FailureReason"]
    assert account.ended(other)["TranscriptionJobStatus"] == "COMPLETED"


def test_more_jobs_than_workers_wait_and_the_end_kills_them_all(tmp_path: Path) -> None:
    with serve(buckets=["media"], quota=UNLIMITED, workers=2) as endpoint:
        account = Account(endpoint)
        media = long_speech(tmp_path)
        names = [account.start(media) for _ in range(3)]
        until(lambda: len(account.processes()) == 2)
        jobs = [psutil.Process(pid) for pid in account.processes().values()]
        assert set(account.processes()) == set(names[:2])
        assert account.get(names[2])["TranscriptionJobStatus"] == "IN_PROGRESS"
        account.s3.close()
        account.transcribe.close()

    assert not any(process.is_running() for process in jobs)
