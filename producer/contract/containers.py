"""Which container a file is, by its content: names of files are not reliable.

What reads a file raises OSError if that fails.
"""

import codecs
import re
from typing import BinaryIO, get_args

from producer.contract.frames import adts_frame, find_row, mpeg_frame
from producer.contract.media import Container
from producer.contract.options import MediaFormat

#: Bytes to read at the beginning of the file and after each tag.
_WINDOW = 64 * 1024
#: Characters that no text contains: control characters other than white space and escapes.
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
#: Some programs write a new tag before the old one.
_MAX_TAGS = 8

#: Those that Transcribe reads, by its names, which are those of people.
_READ = {name: Container(name, name) for name in get_args(MediaFormat)}
_QUICKTIME, _3GP = Container("QuickTime (mov)"), Container("3GP")
#: Copies the sound, which is fast and lossless.
_AAC = Container("AAC without a container (ADTS)", conversion="ffmpeg -i IN -c copy OUT.m4a")
#: The first bytes of files.
_SIGNATURES = {
    b"fLaC": _READ["flac"],
    b"OggS": _READ["ogg"],
    b"#!AMR": _READ["amr"],
    b"riff\x2e\x91\xcf\x11": Container("Wave64 (w64)"),
    b"caff": Container("Core Audio (caf)"),
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": Container("Windows Media (wma, asf)"),
    b".snd": Container("Sun audio (au)"),
    b"FLV\x01": Container("Flash video (flv)"),
    b".RMF": Container("RealMedia"),
    b".ra\xfd": Container("RealAudio"),
    b"TTA1": Container("True Audio (tta)"),
    b"wvpk": Container("WavPack (wv)"),
    b"MAC ": Container("Monkey's Audio (ape)"),
    b"DSD ": Container("DSD (dsf)"),
    b"\x0b\x77": Container("AC-3 without a container"),
    b"\x7f\xfe\x80\x01": Container("DTS without a container"),
    b"\x02dss": Container("dictation (dss)"),
    b"\x03dss": Container("dictation (dss)"),
    b"\x03ds2": Container(
        "encrypted dictation (ds2)",
        conversion="export it as WAV with the software that came with it",
    ),
    b"#!iLBC": Container("iLBC"),
    b"NIST_1A": Container("NIST SPHERE"),
    b"Creative Voice File": Container("Creative Voice (voc)"),
    b"ADIF": Container("AAC without a container (ADIF)"),
    b"\0\0\1\xba": Container("an MPEG program stream (mpg, vob)"),
}
#: RIFF, RF64 and FORM files name their content at byte 8.
_FORMS = {
    (b"RIFF", b"WAVE"): _READ["wav"],
    (b"RF64", b"WAVE"): _READ["wav"],
    (b"RIFF", b"AVI "): Container("AVI video"),
    (b"FORM", b"AIFF"): Container("AIFF"),
    (b"FORM", b"AIFC"): Container("AIFF-C (aifc)"),
    (b"FORM", b"8SVX"): Container("8SVX"),
}
#: Brands of MP4's relatives; any other brand is MP4.
_BRANDS = {
    b"M4A": _READ["m4a"],
    b"M4B": _READ["m4a"],
    b"M4P": _READ["m4a"],
    b"qt ": _QUICKTIME,
    b"3gp": _3GP,
    b"3g2": _3GP,
}
#: Brands of pictures: HEIF, AVIF, raw pictures of cameras.
_PICTURES = frozenset({b"hei", b"hev", b"mif", b"msf", b"avi", b"crx"})
#: The first atom of QuickTime files that are older than brands.
_ATOMS = frozenset({b"moov", b"mdat", b"wide", b"pnot"})
#: Bytes before each packet of a transport stream, and the packet's bytes: broadcasts, camcorders.
_PACKETS = ((0, 188), (4, 192))
_STREAMS = {"mp3": mpeg_frame, "aac": adts_frame}


def detect_container(file: BinaryIO) -> Container | None:
    """Which container a file is; None if it does not seem to be a recording.

    Skips tags (ID3v2, APEv2) and NUL bytes before the sound. Reads 64 KiB, and as much again after
    each tag; the position in the file afterwards is undefined.
    """
    offset, data, is_tagged = 0, b"", False
    for _ in range(_MAX_TAGS):
        file.seek(offset)
        data = file.read(_WINDOW)
        if found := _by_signature(data):
            return found
        tag = _tag_length(data)
        is_tagged = is_tagged or tag > 0
        skipped = tag or len(data) - len(data.lstrip(b"\0"))
        if not skipped:
            break
        offset += skipped
    if stream := find_row(data, _STREAMS):
        return _AAC if stream == "aac" else _READ["mp3"]
    # A file with such a tag is nearly always mp3, and Transcribe decides. So is a file that begins
    # with a frame of layer III. Files of the other layers are rare, and text can begin with FF FE.
    is_layer_3 = offset == 0 and mpeg_frame(data, 0) is not None and data[1] & 6 == 2
    return _READ["mp3"] if is_tagged or is_layer_3 else None


def is_text(file: BinaryIO) -> bool:
    """Whether a file is text, as settings, keys and transcripts are, and recordings are not.

    Reads 64 KiB; the position in the file afterwards is undefined.
    """
    file.seek(0)
    try:
        # Ignores a character that the end of the window cuts in two.
        text = codecs.getincrementaldecoder("utf-8")().decode(file.read(_WINDOW))
    except UnicodeDecodeError:
        return False
    return _CONTROLS.search(text) is None


def _by_signature(data: bytes) -> Container | None:
    for signature, container in _SIGNATURES.items():
        if data.startswith(signature):
            return container
    if data[4:8] == b"ftyp":
        brand = data[8:11]
        return None if brand in _PICTURES else _BRANDS.get(brand, _READ["mp4"])
    if data[4:8] in _ATOMS:
        return _QUICKTIME
    if data.startswith(b"\x1aE\xdf\xa3"):
        # Its first bytes say `webm` or `matroska`; without either it counts as WebM.
        is_matroska = b"matroska" in data[:64]
        return Container("Matroska (mkv, mka)") if is_matroska else _READ["webm"]
    if any(data[before:][::size][:4] == b"GGGG" for before, size in _PACKETS):
        return Container("an MPEG transport stream (ts, mts)")
    return _FORMS.get((data[:4], data[8:12]))


def _tag_length(data: bytes) -> int:
    """The length in bytes of the tag that `data` begins with; 0 if there is none."""
    if data.startswith(b"ID3") and len(data) >= 10 and 2 <= data[3] <= 4:
        # Source: id3.org, ID3v2.4.0: seven bits a byte, and a footer as long as the header.
        size = sum(
            (byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True)
        )
        return 10 + size + (10 if data[5] & 0x10 else 0)
    if data.startswith(b"APETAGEX") and len(data) >= 32:
        # Source: the APEv2 specification: the size is without the header.
        return 32 + int.from_bytes(data[12:16], "little")
    return 0
