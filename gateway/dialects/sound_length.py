"""How long a sound is, from its bytes: what a recognizer is going to hear, and be paid for.

WAV: Microsoft, "Multiple Channel Audio Data and WAVE Files"; FLAC: RFC 9639 8.2; Ogg: RFC 3533 6,
Opus in it: RFC 7845 4, Vorbis: Vorbis I 4.2.2. The others have files of their own. A header that
claims less than its bytes can hold is not believed; time and memory are bounded whatever comes.
A file of an unknown kind is as long as it would be at the lowest bit rate.
"""

from collections.abc import Callable, Iterator
from math import ceil

from gateway.dialects.sound_boxes import mp4_seconds, webm_seconds
from gateway.dialects.sound_frames import Frames, tag_bytes

# Speech in Opus may take as little as 6 kbit/s (RFC 6716 2); nothing accepted goes below.
LEAST_BYTES_PER_S = 750
# The most that sound compressed with losses takes: Opus and Vorbis stay below 512 kbit/s.
LOSSY_BYTES_PER_S = 64_000
# No vendor takes a day of sound in one file.
SECONDS_MAX = 86_400
# Longer files are looked at in so many windows: a bit rate differs from part to part.
WINDOW_BYTES = 262_144
WINDOWS = 4

FLAC_COMPRESSION = 4
# Pages hold at most 65 307 bytes.
OGG_TAIL_BYTES = 131_072

_CHUNKS_MAX = 256
_PCM_FORMATS = (1, 3, 6, 7, 0xFFFE)
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)
_STREAMINFO_END = 26
_OGG_HEAD_BYTES = 512
_OGG_PAGE_BYTES = 27
_OPUS_HZ = 48_000


def whole_seconds(data: bytes) -> int:
    """Rounded up, as they are billed; at least one for any byte."""
    return ceil(seconds(data))


def seconds(data: bytes) -> float:
    """Never raises, and at most SECONDS_MAX."""
    found = _told(data)
    if found is None:
        found = len(data) / LEAST_BYTES_PER_S
    return min(found, SECONDS_MAX)


def _told(data: bytes) -> float | None:
    """None for an unknown kind, or one that does not tell."""
    for at, beginnings, read in KINDS:
        if data[at : at + 4].startswith(beginnings):
            return read(data)
    return None


def _wav(data: bytes) -> float | None:
    """By the size of its data, which files written as they are recorded do not know."""
    if data[8:12] != b"WAVE":
        return None
    sound_bytes = sum(
        len(data) - start if size in _UNKNOWN_SIZES else min(size, len(data) - start)
        for kind, start, size in _chunks(data)
        if kind == b"data"
    )
    bytes_per_s = wav_bytes_per_s(data)
    return sound_bytes / bytes_per_s if bytes_per_s and sound_bytes else None


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, where it begins and how long it says it is."""
    at = 12
    for _ in range(_CHUNKS_MAX):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if at > len(data):
            return
        yield kind, at, size
        at += size + size % 2


def wav_bytes_per_s(data: bytes) -> int:
    """0 when its head does not tell."""
    start = next((start for kind, start, _ in _chunks(data) if kind == b"fmt "), len(data))
    fmt = data[start : start + 16]
    kind, channels = int.from_bytes(fmt[:2], "little"), int.from_bytes(fmt[2:4], "little")
    hz, stated = int.from_bytes(fmt[4:8], "little"), int.from_bytes(fmt[8:12], "little")
    counted = hz * channels * int.from_bytes(fmt[14:16], "little") // 8
    # Decoders of plain samples do not ask what the header says of their rate in bytes.
    return counted if kind in _PCM_FORMATS else min(filter(None, (counted, stated)), default=0)


def _flac(data: bytes) -> float | None:
    bytes_per_s = flac_bytes_per_s(data)
    if not bytes_per_s:
        return None
    packed = int.from_bytes(data[18:26], "big")
    samples, hz = packed & ((1 << 36) - 1), packed >> 44
    # It never takes more than the samples themselves, and speech seldom a quarter of them.
    least = len(data) / bytes_per_s
    return max(samples / hz, least) if samples else FLAC_COMPRESSION * least


def flac_bytes_per_s(data: bytes) -> float:
    """Of the samples it unpacks to; 0 when its head does not tell."""
    packed = int.from_bytes(data[18:26], "big") if len(data) >= _STREAMINFO_END else 0
    return (packed >> 44) * ((packed >> 41 & 7) + 1) * ((packed >> 36 & 31) + 1) / 8


def _ogg(data: bytes) -> float | None:
    found = ogg_seconds(data[:_OGG_HEAD_BYTES], data[-OGG_TAIL_BYTES:])
    return None if found is None else max(found, len(data) / LOSSY_BYTES_PER_S)


def ogg_seconds(head: bytes, tail: bytes) -> float | None:
    """By the position that the last page tells."""
    hz, skipped = _ogg_rate(head)
    end = len(tail)
    while hz and (at := tail.rfind(b"OggS", 0, end)) >= 0:
        position = int.from_bytes(tail[at + 6 : at + 14], "little", signed=True)
        # -1: no packet ends on that page. A page that is cut off here does not count.
        if position >= 0 and at + _OGG_PAGE_BYTES <= len(tail):
            return max(0, position - skipped) / hz
        end = at
    return None


def _ogg_rate(first_page: bytes) -> tuple[int, int]:
    """Samples per second, and how many of the first are not played; zeros for another codec."""
    at = first_page.find(b"OpusHead")
    if at >= 0:
        return _OPUS_HZ, int.from_bytes(first_page[at + 10 : at + 12], "little")
    at = first_page.find(b"\x01vorbis")
    if at >= 0:
        return int.from_bytes(first_page[at + 12 : at + 16], "little"), 0
    at = first_page.find(b"\x7fFLAC")
    if at >= 0:
        return int.from_bytes(first_page[at + 27 : at + 30], "big") >> 4, 0
    return 0, 0


def _framed(data: bytes) -> float | None:
    """MP3 or AAC. Of a long file a window in each quarter stands for all of it."""
    first = tag_bytes(data)
    if len(data) - first <= WINDOWS * WINDOW_BYTES:
        frames = Frames()
        frames.feed(data)
        return frames.seconds or None
    found, quarter = 0.0, -(-(len(data) - first) // WINDOWS)
    for start in range(first, len(data), quarter):
        frames = Frames()
        frames.feed(data[start : start + WINDOW_BYTES])
        if frames.frame_bytes:
            found += frames.seconds * min(quarter, len(data) - start) / frames.frame_bytes
    return found or None


KINDS: tuple[tuple[int, tuple[bytes, ...], Callable[[bytes], float | None]], ...] = (
    (0, (b"RIFF",), _wav),
    (0, (b"fLaC",), _flac),
    (0, (b"OggS",), _ogg),
    (0, (b"\x1aE\xdf\xa3",), webm_seconds),
    (4, (b"ftyp", b"moov", b"wide", b"mdat", b"free"), mp4_seconds),
    (0, (b"ID3", b"\xff"), _framed),
)
"""What stands where at the beginning of a kind of file, and who reads it."""
