"""Decodes recordings of any format to 16 kHz PCM; memory does not grow with their length."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from localaws.errors import AudioError

#: Hertz; what the acoustic model was trained on.
RATE = 16_000
BYTES_PER_SECOND = 2 * RATE
#: Seconds; from the service's quotas.
MIN_SECONDS, MAX_SECONDS = 0.5, 4 * 3600.0
#: Hertz; from the service model (MediaSampleRateHertz).
MIN_RATE, MAX_RATE = 8_000, 48_000
MAX_CHANNELS = 2

# FFmpeg's demuxers for the service's formats. Its playlist formats (concat, HLS) would let an
# upload name other files of this machine, so nothing else may open.
_DEMUXERS = {
    "mov": ("mp4", "m4a"),
    "mp3": ("mp3",),
    "wav": ("wav",),
    "flac": ("flac",),
    "ogg": ("ogg",),
    "amr": ("amr",),
    "amrnb": ("amr",),
    "amrwb": ("amr",),
    "matroska": ("webm",),
}


class Audio:
    """An opened recording. `pcm` may be read once."""

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self._container = container
        self._stream = stream
        #: the service's names for the format that was detected, the likeliest first
        self.formats = _formats(container)
        self.sample_rate = stream.rate
        self.channels = stream.channels
        #: seconds, as the container claims, or less; None if it does not
        self.duration = _duration(container)

    def check(self, media_format: str | None = None, sample_rate: int | None = None) -> None:
        """Compare with the service's limits and with what the request said of the recording.

        Raises AudioError with a reason that begins as the service's does (FailureReason in the
        API reference of TranscriptionJob).
        """
        if media_format and media_format not in self.formats:
            raise AudioError(
                "The media format provided does not match the detected media format. "
                f"MediaFormat is {media_format}; the file is {self.formats[0]}."
            )
        if not MIN_RATE <= self.sample_rate <= MAX_RATE:
            raise AudioError(
                f"Invalid sample rate for audio file. It is {self.sample_rate} Hz and must be "
                f"{MIN_RATE} to {MAX_RATE}."
            )
        if sample_rate and sample_rate != self.sample_rate:
            raise AudioError(
                "The sample rate provided does not match the detected sample rate. "
                f"MediaSampleRateHertz is {sample_rate}; the file has {self.sample_rate}."
            )
        if self.channels > MAX_CHANNELS:
            raise AudioError(
                "Invalid number of channels: number of channels too large. "
                f"The file has {self.channels}; at most {MAX_CHANNELS} can be processed."
            )
        if self.duration:
            check_not_too_long(self.duration)

    def pcm(self, channels: int = 1) -> Iterator[bytes]:
        """Little-endian 16-bit samples at 16 kHz, interleaved; one channel is a mix of all.

        Damaged packets are left out. Raises AudioError where nothing could be decoded.
        """
        layout = "mono" if channels == 1 else "stereo"
        decoded = False
        for frame in _same_format(self._frames(), layout):
            decoded = True
            # The plane is padded to an alignment: only the samples are sound.
            yield bytes(frame.planes[0])[: frame.samples * channels * 2]
        if not decoded:
            raise AudioError("Failed to parse audio file: no sound could be decoded from it.")

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.FFmpegError):
                return
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                if isinstance(frame, AudioFrame) and frame.samples:
                    yield frame


def _same_format(frames: Iterator[AudioFrame], layout: str) -> Iterator[AudioFrame]:
    """Resample; a recording whose rate or layout changes needs a new resampler."""
    resampler: AudioResampler | None = None
    current: tuple[str, str, int] | None = None
    for frame in frames:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or kind != current:
            if resampler is not None:
                yield from resampler.resample(None)
            resampler, current = AudioResampler("s16", layout, RATE), kind
        # Timestamps of damaged files jump; the samples' order is what counts here.
        frame.pts = None
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)


@contextmanager
def open_audio(path: Path) -> Iterator[Audio]:
    """Open a recording of any format that the service accepts.

    Raises AudioError where it is not audio, is damaged beyond its header, or has no audio track.
    """
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join([*_DEMUXERS, "mp4", "m4a", "webm"]),
    }
    try:
        container = av.open(str(path), options=options, metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise AudioError(
            "Failed to parse audio file: it is not a recording in a format that is supported "
            "(amr, flac, m4a, mp3, mp4, ogg, wav, webm)."
        ) from error
    with container:
        if not container.streams.audio:
            raise AudioError("Failed to parse audio file: it has no audio track.")
        yield Audio(container, container.streams.audio[0])


def check_not_too_long(seconds: float) -> None:
    """Raises AudioError beyond four hours."""
    if seconds > MAX_SECONDS:
        raise AudioError(
            "Invalid file size: file size too large. Maximum audio duration is 4.000000 hours."
            "Check the length of the file and try your request again."
        )


def check_not_too_short(seconds: float) -> None:
    """Raises AudioError below half a second."""
    if seconds < MIN_SECONDS:
        raise AudioError(
            "The input media file length is too small. Minimum audio duration is 0.500000 seconds. "
            "Check the length of the file and try your request again."
        )


def _duration(container: InputContainer) -> float | None:
    if not container.duration:
        return None
    # Times in ogg may start at any, and its duration then counts from 0.
    return (container.duration - max(0, container.start_time or 0)) / av.time_base


def _formats(container: InputContainer) -> tuple[str, ...]:
    formats = _DEMUXERS[container.format.name.split(",")[0]]
    # One family, two names: the service accepts either for both.
    if formats[0] == "mp4" and not container.streams.video:
        return formats[::-1]
    return formats
