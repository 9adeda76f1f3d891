"""Make the recordings in this folder, and the text that each of them says.

Run `python samples/make_samples.py` from anywhere: it rewrites every recording and the `.txt` file
beside it. Needs flite, which speaks, and PyAV (of the `local` extra), which compresses.
The same versions of the two make the same bytes, so a second run changes nothing.
"""

import io
import shutil
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

HERE: Final = Path(__file__).resolve().parent

#: Samples per second. Recognisers work at this rate and flite's voices slt and rms speak at it.
RATE_HZ: Final = 16_000
#: 16-bit samples, one channel.
SAMPLE_BYTES: Final = 2
#: Enough for one voice at 16 kHz: less costs the recogniser words.
BIT_RATES: Final = {"aac": 48_000, "libmp3lame": 48_000}
#: Which container takes which of PyAV's encoders.
ENCODERS: Final = {".m4a": ("ipod", "aac"), ".mp3": ("mp3", "libmp3lame")}


@dataclass(frozen=True)
class Sample:
    """One recording: `sentences` spoken by `voice` with `pause_s` seconds of silence between them.

    Without sentences it is `pause_s` seconds of silence.
    """

    file: str
    voice: Literal["slt", "rms"]
    sentences: tuple[str, ...]
    pause_s: float


#: Plain sentences that an offline recogniser gets right, so that a test can hold it to the text.
SAMPLES: Final = (
    Sample(
        "hello-world.m4a",
        "slt",
        ("Hello world. This is a short test of the transcription service.",),
        pause_s=0,
    ),
    Sample(
        "two-sentences.wav",
        "slt",
        (
            "We will meet again at the station tomorrow morning.",
            "Dinner will be ready in about twenty minutes.",
        ),
        pause_s=1.0,  # flite adds silence of its own around each sentence: about 1.2 s in all
    ),
    Sample(
        "weather-report.mp3",
        "rms",
        (
            "Good morning, and here is the weather report for the weekend.",
            "Today will be cold and cloudy, with some rain in the afternoon.",
            "On Sunday the sun will return, and it will be warm in the afternoon.",
        ),
        pause_s=0,
    ),
    Sample("silence.wav", "slt", (), pause_s=2),
)


class FliteFailedError(Exception):
    """flite is missing, or did not speak a sentence as we need it."""


def speak(sentence: str, voice: str) -> bytes:
    """Return `sentence` as raw 16-bit mono samples at `RATE_HZ`; raise `FliteFailedError`."""
    flite = shutil.which("flite")
    if flite is None:
        raise FliteFailedError("flite, which speaks the samples, is missing: apt-get install flite")
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder, "spoken.wav")
        command = [flite, "-voice", voice, "-t", sentence, "-o", str(spoken)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        # flite answers an unknown voice with status 0 and another voice: its rate gives it away.
        if run.returncode or not spoken.exists():
            raise FliteFailedError(f"flite failed with voice {voice}: {run.stderr.strip()}")
        with wave.open(str(spoken)) as sound:
            shape = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
            if shape != (RATE_HZ, 1, SAMPLE_BYTES):
                raise FliteFailedError(f"flite's voice {voice} is not 16 kHz, 16 bit, mono")
            return sound.readframes(sound.getnframes())


def pcm(sample: Sample) -> bytes:
    """Return all of a sample as raw 16-bit mono samples at `RATE_HZ`."""
    silence = bytes(round(sample.pause_s * RATE_HZ) * SAMPLE_BYTES)
    if not sample.sentences:
        return silence
    return silence.join(speak(sentence, sample.voice) for sentence in sample.sentences)


def wav(samples: bytes) -> bytes:
    """Return raw 16-bit mono samples as a wav file's bytes."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(SAMPLE_BYTES)
        sound.setframerate(RATE_HZ)
        sound.writeframes(samples)
    return out.getvalue()


def compress(samples: bytes, suffix: str) -> bytes:
    """Return raw 16-bit mono samples as an `.m4a` or `.mp3` file's bytes."""
    # Imported here so that a machine without the `local` extra gets main's sentence, no traceback.
    import av  # noqa: PLC0415

    container, encoder = ENCODERS[suffix]
    out = io.BytesIO()
    # bitexact leaves out the library's version and the date, which would change from run to run.
    with (
        av.open(io.BytesIO(wav(samples))) as source,
        av.open(out, "w", format=container, options={"fflags": "bitexact"}) as target,
    ):
        stream = target.add_stream(encoder, rate=RATE_HZ, layout="mono")
        stream.bit_rate = BIT_RATES[encoder]
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out.getvalue()


def make(sample: Sample, folder: Path = HERE) -> Path:
    """Write one sample's recording and text into `folder`; return the recording's path."""
    recording = folder / sample.file
    samples = pcm(sample)
    suffix = recording.suffix
    recording.write_bytes(wav(samples) if suffix == ".wav" else compress(samples, suffix))
    text = " ".join(sample.sentences)
    recording.with_suffix(".txt").write_text(f"{text}\n" if text else "", encoding="utf-8")
    return recording


def main() -> int:
    """Make every sample; return 0, or 1 after one sentence on stderr."""
    try:
        for sample in SAMPLES:
            recording = make(sample)
            print(f"{recording.name}: {recording.stat().st_size:,} bytes")
    except FliteFailedError as error:
        print(error, file=sys.stderr)
        return 1
    except ImportError:
        print("PyAV is missing: pip install '.[local]'", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
