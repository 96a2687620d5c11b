import base64
import struct
import zlib

import pytest

from gateway.dialects.image_size import base64_payload, image_size


def png(width, height):
    head = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", zlib.crc32(b"IHDR" + head))


def gif(width, height):
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(30)


def jpeg(width, height, *, metadata_bytes=0, frame=0xC0):
    segment = lambda marker, data: struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data  # noqa: E731
    metadata = b""
    while metadata_bytes > 0:
        metadata += segment(0xE1, bytes(min(metadata_bytes, 60_000)))
        metadata_bytes -= 60_000
    tables = segment(0xDB, bytes(64)) + segment(0xC4, bytes(20))
    start = segment(frame, struct.pack(">BHHB", 8, height, width, 3) + bytes(9))
    return b"\xff\xd8" + segment(0xE0, b"JFIF\0" + bytes(9)) + metadata + tables + b"\xff" + start


def webp(kind, data):
    body = b"WEBP" + kind + struct.pack("<I", len(data)) + data + bytes(20)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_lossy(width, height):
    return webp(b"VP8 ", bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height))


def webp_lossless(width, height):
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14))


def webp_extended(width, height):
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp(b"VP8X", bytes(4) + sizes)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("make", [png, gif, jpeg, webp_lossy, webp_lossless, webp_extended])
@pytest.mark.parametrize("size", [(1, 1), (640, 480), (3000, 16000)])
def test_the_size_is_read_from_the_header(make, size):
    assert size == image_size(encoded(make(*size)))


@pytest.mark.parametrize("metadata_bytes", [1, 2, 3, 60_000, 1_000_000])
def test_a_photographs_metadata_is_stepped_over(metadata_bytes):
    data = encoded(jpeg(4032, 3024, metadata_bytes=metadata_bytes, frame=0xC2))

    assert (4032, 3024) == image_size(data)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "not base64!",
        encoded(b"\x89PNG\r\n\x1a\n"),
        encoded(png(0, 5)),
        encoded(b"\xff\xd8" + bytes(100)),
        encoded(b"\xff\xd8" + b"\xff" * 10_000),
        encoded(jpeg(5, 5)[:30]),
        encoded(webp(b"VP9 ", bytes(20))),
        encoded(b"%PDF-1.7" + bytes(40)),
        "é" * 80,
    ],
)
def test_what_cannot_be_read_has_no_size(data):
    assert None is image_size(data)


@pytest.mark.parametrize(
    ("url", "payload"),
    [
        ("data:image/png;base64,AAAA", "AAAA"),
        ("DATA:image/png;charset=x;BASE64,AAAA", "AAAA"),
        ("data:image/svg+xml,%3Csvg", None),
        ("data:image/png;base64", None),
        ("https://example.com/a.png?x=;base64,AAAA", None),
        ("", None),
    ],
)
def test_only_base64_data_urls_have_a_payload(url, payload):
    assert payload == base64_payload(url)


def test_either_alphabet_of_base64_is_read():
    data = encoded(
        jpeg(640, 480, metadata_bytes=100, frame=0xC2).replace(bytes(9), b"\xfb\xff" * 4 + b"x")
    )

    assert (640, 480) == image_size(data) == image_size(data.replace("+", "-").replace("/", "_"))
    assert {"+", "/"} & set(data)
