"""How much sound has come of an answer that is sound: by its format, as it arrives.

Every kind that OpenAI sends is known by its first bytes, but for raw samples, which have none.
"""

from gateway.dialects.sound_frames import Frames
from gateway.dialects.sound_length import (
    FLAC_COMPRESSION,
    OGG_TAIL_BYTES,
    flac_bytes_per_s,
    ogg_seconds,
    wav_bytes_per_s,
)

# OpenAI's raw samples: 24 kHz, 16 bits, one channel.
PCM_BYTES_PER_S = 48_000
WAV_HEADER_BYTES = 44
# Long enough for the first page of Ogg, the head of a WAV, and FLAC's STREAMINFO.
HEAD_BYTES = 512
MAGIC_BYTES = 4
# FLAC of speech takes about half of the samples.
_SPEECH_COMPRESSION = FLAC_COMPRESSION // 2


class SoundStream:
    """Fed in pieces, however they are cut. `raw`: samples, whatever they look like."""

    __slots__ = ("_frames", "_head", "_size", "_tail")

    def __init__(self, *, raw: bool) -> None:
        self._head = b""
        self._tail = b""
        self._size = 0
        self._frames = None if raw else Frames()

    def feed(self, data: bytes) -> None:
        if self._size < MAGIC_BYTES:
            # Nothing is known before; then all of it is looked at again.
            data = self._head + data
            self._head, self._size = b"", 0
        self._head += data[: max(0, HEAD_BYTES - self._size)]
        self._size += len(data)
        if self._size < MAGIC_BYTES or self._frames is None:
            return
        if self._head.startswith(b"OggS"):
            self._tail = (self._tail + data[-OGG_TAIL_BYTES:])[-OGG_TAIL_BYTES:]
        elif self._head.startswith((b"\xff", b"ID3")):
            self._frames.feed(data)

    @property
    def seconds(self) -> float:
        head = self._head
        if self._frames is None:
            return self._size / PCM_BYTES_PER_S
        if head.startswith((b"\xff", b"ID3")):
            return self._frames.seconds
        if head.startswith(b"OggS"):
            return ogg_seconds(head, self._tail) or 0.0
        if head.startswith(b"fLaC"):
            return _SPEECH_COMPRESSION * self._size / (flac_bytes_per_s(head) or PCM_BYTES_PER_S)
        if head.startswith(b"RIFF"):
            sound_bytes = max(0, self._size - WAV_HEADER_BYTES)
            return sound_bytes / (wav_bytes_per_s(head) or PCM_BYTES_PER_S)
        return self._size / PCM_BYTES_PER_S
