"""Sound that comes in frames with a header each: MPEG audio (MP3) and AAC in ADTS.

Walks from header to header, so that the length is what a decoder plays, whatever else the file
claims. MPEG audio: ISO/IEC 11172-3 2.4.2.3 and 13818-3 (lower rates); ADTS: ISO/IEC 14496-3 1.A.2;
ID3v2 tags before the sound are passed over (id3.org, "ID3v2.4.0 structure", 3.1).
"""

from functools import lru_cache

HEADER_BYTES = 7
ID3_BYTES = 10
# How often the next header may have to be searched for: what is lost more often is no such sound.
LOST_MAX = 4_096
_SYNC = b"\xff"
# What the second byte of a header looks like.
_ADTS_MASK, _ADTS, _MPEG = 0xF6, 0xF0, 0xE0
# kbit/s by index, which 4 bits of the header tell; 0 and 15 are no bit rates.
_LAYER_1 = (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 0)
_LAYER_2 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0)
_LAYER_3 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_LOW_LAYER_1 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, 0)
_LOW_OTHERS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
# The header's numbers for versions 1, 2 and 2.5, and for the layers.
_VERSION_1 = 3
_LAYER_I, _LAYER_III = 3, 1
_KBIT = {3: _LAYER_1, 2: _LAYER_2, 1: _LAYER_3}
_LOW_KBIT = {3: _LOW_LAYER_1, 2: _LOW_OTHERS, 1: _LOW_OTHERS}
_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_ADTS_HZ = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000),
    *(22_050, 16_000, 12_000, 11_025, 8_000, 7_350),
)
_ADTS_SAMPLES = 1_024


class Frames:
    """Fed in pieces, however they are cut."""

    __slots__ = ("_lost", "_rest", "_skip_bytes", "_started", "frame_bytes", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        """Of the frames whose beginning was seen."""
        self.frame_bytes = 0
        self._rest = b""
        # Of the frame, or the tag, that goes on in what is still to come.
        self._skip_bytes = 0
        self._started = False
        self._lost = 0

    def feed(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        if not self._started:
            if len(data) < ID3_BYTES:
                self._rest = data
                return
            self._started = True
            self._skip_bytes = tag_bytes(data)
        at, last = self._skip_bytes, len(data) - HEADER_BYTES
        while at <= last:
            frame = _frame(data, at)
            if frame is None:
                at = self._next_sync(data, at)
                continue
            size, seconds = frame
            self.frame_bytes += size
            self.seconds += seconds
            at += size
        self._rest = data[at:]
        self._skip_bytes = max(0, at - len(data))

    def _next_sync(self, data: bytes, at: int) -> int:
        """Out of step: where the next frame begins whose successor begins where it ends. Sound
        itself often looks like a header."""
        last = len(data) - HEADER_BYTES
        while self._lost < LOST_MAX:
            self._lost += 1
            at = data.find(_SYNC, at + 1)
            if at < 0:
                break
            frame = _frame(data, at) if at <= last else (0, 0.0)
            if frame is not None and (at + frame[0] > last or _frame(data, at + frame[0])):
                return at
        return len(data)


def _frame(data: bytes, at: int) -> tuple[int, float] | None:
    """Bytes and seconds of the frame that begins here, if one does."""
    second = data[at + 1]
    if data[at] != _SYNC[0]:
        return None
    if second & _ADTS_MASK != _ADTS:
        return _mpeg_frame(second, data[at + 2])
    size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    rate = data[at + 2] >> 2 & 0xF
    if size < HEADER_BYTES or rate >= len(_ADTS_HZ):
        return None
    return size, ((data[at + 6] & 3) + 1) * _ADTS_SAMPLES / _ADTS_HZ[rate]


@lru_cache(maxsize=4_096)
def _mpeg_frame(second: int, third: int) -> tuple[int, float] | None:
    """All of a frame's size stands in these two bytes of its header."""
    version, layer = second >> 3 & 3, second >> 1 & 3
    hz_of = _HZ.get(version)
    kbit_of = (_KBIT if version == _VERSION_1 else _LOW_KBIT).get(layer)
    index, rate = third >> 4, third >> 2 & 3
    if second & _MPEG != _MPEG or hz_of is None or kbit_of is None or rate >= len(hz_of):
        return None
    kbit, hz, padding = kbit_of[index], hz_of[rate], third >> 1 & 1
    if not kbit:
        return None
    if layer == _LAYER_I:
        return (12_000 * kbit // hz + padding) * 4, 384 / hz
    samples = 576 if layer == _LAYER_III and version != _VERSION_1 else 1_152
    return samples // 8 * 1_000 * kbit // hz + padding, samples / hz


def tag_bytes(data: bytes) -> int:
    """The length of an ID3v2 tag at the beginning; 0 without one."""
    if not data.startswith(b"ID3"):
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return ID3_BYTES + size
