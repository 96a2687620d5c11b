"""What is read of a form is what a server reads of it, byte for byte; the rest is refused."""

import asyncio
import re

import aiohttp
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.forms import HEADER_BYTES_MAX, PARTS_MAX, Form, is_form, read_form
from gateway.errors import BadCall

TYPE = "multipart/form-data; boundary=b0"
MODEL = b'Content-Disposition: form-data; name="model"\r\n\r\nwhisper-1'


def form(*parts: bytes, end: bytes = b"\r\n--b0--\r\n") -> bytes:
    return b"--b0\r\n" + b"\r\n--b0\r\n".join(parts) + end


def part(name: str, value: bytes = b"v", *, headers: str = "", more: str = "") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"{more}\r\n{headers}\r\n'.encode() + value


def read(*parts: bytes) -> Form:
    return read_form(form(*parts), TYPE)


def values(found: Form) -> list[tuple[str, bytes]]:
    return [(field.name, found.value(field)) for field in found.fields]


def test_fields_are_spans_of_the_body():
    found = read(
        MODEL,
        part(
            "file",
            b"\x00\r\n--b\r\n\xff",
            more='; filename="a.mp3"',
            headers="Content-Type: audio/mpeg\r\n",
        ),
        part("prompt", b""),
    )

    assert [
        ("model", b"whisper-1"),
        ("file", b"\x00\r\n--b\r\n\xff"),
        ("prompt", b""),
    ] == values(found)
    assert [False, True, False] == [field.is_file for field in found.fields]
    assert "a.mp3" == found.fields[1].filename
    assert "whisper-1" == found.model()


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=b0",
        'Multipart/Form-Data;BOUNDARY="b0"',
        "multipart/form-data; charset=UTF-8; boundary=b0",
        "multipart/form-data ; boundary=b0 ; charset=ISO-8859-1",
    ],
)
def test_a_boundary_may_be_told_in_these_ways(content_type):
    assert is_form(content_type)
    assert "whisper-1" == read_form(form(MODEL), content_type).model()


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=b0; boundary=b1",
        "multipart/form-data; boundary=b0; BOUNDARY=b0",
        "multipart/form-data; boundary*=utf-8''b0",
        "multipart/form-data; boundary*0=b; boundary*1=0",
        'multipart/form-data; boundary="b\\0"',
        'multipart/form-data; boundary="b0',
        "multipart/form-data; boundary=b0 x",
        "multipart/form-data, multipart/form-data; boundary=b0",
        "multipart/mixed; boundary=b0",
        f"multipart/form-data; boundary={'b' * 71}",
        "multipart/form-data; boundary=b\u00e90",
    ],
)
def test_a_boundary_that_another_parser_could_read_otherwise_is_refused(content_type):
    with pytest.raises(BadCall, match="The body must be a form"):
        read_form(form(MODEL), content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b0--\r\n",
        b"{}",
        b"preamble\r\n" + form(MODEL),
        b"\r\n" + form(MODEL),
        form(MODEL, end=b""),
        form(MODEL, end=b"\r\n--b0"),
        form(MODEL, end=b"\r\n--b0--x"),
        form(MODEL, end=b"\r\n--b0--\r\n\r\n" + form(MODEL)),
        form(MODEL, end=b"\r\n--b0\r\n"),
        form(MODEL + b"\r\n--b0x\r\n"),
        form(MODEL).replace(b"\r\n", b"\n"),
        form(b"\r\nv"),
        form(b"X: y\r\n\r\nv"),
        form(b'Content-Disposition: attachment; name="model"\r\n\r\nv'),
        form(b"Content-Disposition: form-data\r\n\r\nv"),
        form(b'Content-Disposition: form-data; name="model"\r\n'),
    ],
)
def test_what_is_no_plain_form_is_refused(body):
    with pytest.raises(BadCall, match="The form cannot be read"):
        read_form(body, TYPE)


@pytest.mark.parametrize(
    "odd",
    [
        part("model", more='; name="other"'),
        part("model", more="; name*=utf-8''other"),
        part("mod\\el"),
        part('mo\\"del'),
        part("mod%65l"),
        part("mod%22el"),
        part("a", more='; filename="x"; filename="y"'),
        part("a", more="; size=5"),
        b"Content-Disposition: form-data; name=\r\n\r\nv",
        b'Content-Disposition: form-data; name=""\r\n\r\nv',
        b'Content-Disposition : form-data; name="model"\r\n\r\nv',
        b'Content-Disposition: form-data;\r\n name="model"\r\n\r\nv',
        part("a", headers='content-disposition: form-data; name="model"\r\n'),
        part("model", headers="Content-Transfer-Encoding: base64\r\n"),
        part("model", headers="Content-Transfer-Encoding: quoted-printable\r\n"),
        part("model", headers="Content-Type: text/plain; charset=utf-16\r\n"),
        part("model", headers="Content-Type: text/plain; charset=utf-7\r\n"),
        part("model", headers="Content-Length: 9\r\n"),
        part("model", headers="X: a\0b\r\n"),
        part("model", headers="X: \xff\r\n").replace(b"\xc3\xbf", b"\xff"),
        part("model", headers=f"X: {'y' * HEADER_BYTES_MAX}\r\n"),
        part("model", headers="".join(f"X{n}: y\r\n" for n in range(9))),
    ],
)
def test_a_part_that_another_parser_could_read_otherwise_is_refused(odd):
    with pytest.raises(BadCall, match="The form cannot be read"):
        read(MODEL, odd)


def test_parts_are_bounded():
    assert PARTS_MAX == len(read(*[part("keywords[]")] * PARTS_MAX).fields)
    with pytest.raises(BadCall, match="too many"):
        read(*[part("keywords[]")] * (PARTS_MAX + 1))


def test_ways_of_writing_a_part_that_clients_do_use():
    found = read(
        part(
            "a",
            headers="Content-Type: text/plain; charset=ISO-8859-1\r\n"
            "Content-Transfer-Encoding: 8bit\r\n",
        ),
        b"content-disposition: form-data; name=b\r\n\r\nv",
        part("c", headers="Content-Length: 1\r\n"),
        part("file", more="; filename*=utf-8''a%20b.mp3"),
        part("file", more='; filename="a\\"b.mp3"; filename*=UTF-8\'\'a%22b.mp3'),
        part("image[]", more='; filename="道.png"'),
    )

    assert ["a", "b", "c", "file", "file", "image[]"] == [field.name for field in found.fields]
    assert [False, False, False, True, True, True] == [field.is_file for field in found.fields]


def test_what_counts_must_be_given_once_and_in_plain_text():
    with pytest.raises(BadCall, match="model was given more than once"):
        read(MODEL, MODEL).model()
    with pytest.raises(BadCall, match="model must be given"):
        read(part("file")).model()
    with pytest.raises(BadCall, match="model must be a text"):
        read(part("model", more='; filename="m"')).model()
    with pytest.raises(BadCall, match="model must be UTF-8 text"):
        read(part("model", b"\xff")).model()
    latin = "Content-Type: text/plain; charset=iso-8859-1\r\n"
    with pytest.raises(BadCall, match="model must be UTF-8 text"):
        read(part("model", "é".encode(), headers=latin)).model()
    with pytest.raises(BadCall, match="printable"):
        read(part("model", b"")).model()


@pytest.mark.parametrize(("word", "meant"), [(b"true", True), (b"True", True), (b"false", False)])
def test_booleans_are_spelt_out(word, meant):
    assert meant == read(part("stream", word)).boolean("stream")


def test_other_words_for_a_boolean_are_refused():
    assert not read(MODEL).boolean("stream")
    for word in (b"1", b"yes", b"", b"on"):
        with pytest.raises(BadCall, match="stream must be true or false"):
            read(part("stream", word)).boolean("stream")


def test_numbers_are_whole_and_bounded():
    assert 3 == read(part("n", b"3")).number("n", least=1, most=10)
    assert None is read(MODEL).number("n", least=1, most=10)
    for digits in (b"0", b"11", b"1.0", b"-1", b" 1", "\u0663".encode(), b"", b"1" * 20):
        with pytest.raises(BadCall, match="n must be a whole number from 1 to 10"):
            read(part("n", digits)).number("n", least=1, most=10)


def test_one_value_is_replaced_and_every_other_byte_stays():
    counted = part("model", b"alias", headers="Content-Length: 5\r\nContent-Type: text/plain\r\n")
    body = form(part("file", b"\r\r\n\n", more='; filename="a"'), counted, part("prompt", b"alias"))

    replaced = read_form(body, TYPE).with_value("model", b"whisper-1")

    assert (
        body.replace(b"Content-Length: 5", b"Content-Length: 9").replace(
            b"text/plain\r\n\r\nalias", b"text/plain\r\n\r\nwhisper-1"
        )
        == replaced
    )
    assert "whisper-1" == read_form(replaced, TYPE).model()


def test_a_field_that_is_missing_is_put_before_the_others():
    body = form(part("file", b"x", more='; filename="a"'))

    added = read_form(body, TYPE).with_value("model", b"whisper-1")

    assert added.endswith(body)
    assert [("model", b"whisper-1"), ("file", b"x")] == values(read_form(added, TYPE))


FIELDS = st.lists(
    st.tuples(
        st.from_regex(r"[A-Za-z_]{1,12}(\[\])?", fullmatch=True),
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=30),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda field: field[0],
)
FILES = st.lists(st.tuples(st.sampled_from(["file", "image"]), st.binary(max_size=200)), max_size=2)


@given(FIELDS, FILES)
def test_what_the_sdks_http_client_writes_is_read_as_it_was_meant(fields, files):
    request = httpx2.Request(
        "POST",
        "https://example.com",
        data=dict(fields),
        files=[(name, ("a b.mp3", data, "audio/mpeg")) for name, data in files] or {"x": b""},
    )
    request.read()

    found = read_form(request.content, request.headers["content-type"])

    written = [(name, text.encode()) for name, text in fields] + (files or [("x", b"")])
    assert written == values(found)


@given(FIELDS, FILES)
def test_a_server_reads_the_same_as_we_do(fields, files):
    """aiohttp's reader, which the simulator uses, over what aiohttp's client writes."""
    sent = aiohttp.FormData(default_to_multipart=True)
    for name, text in fields:
        sent.add_field(name, text)
    for name, data in files:
        sent.add_field(name, data, filename="a", content_type="audio/mpeg")

    async def both() -> tuple[bytes, str, list[tuple[str, bytes]]]:
        writer = sent()
        body = await writer.as_bytes()
        stream = aiohttp.StreamReader(_NoProtocol(), 2**16)
        stream.feed_data(body)
        stream.feed_eof()
        reader = aiohttp.MultipartReader(writer.headers, stream)
        parts = []
        while (one := await reader.next()) is not None:
            parts.append((one.name, bytes(await one.read())))
        return body, writer.headers["Content-Type"], parts

    body, content_type, read_there = asyncio.run(both())

    assert read_there == values(read_form(body, content_type))


class _NoProtocol:
    _reading_paused = False

    def pause_reading(self) -> None: ...

    def resume_reading(self, *, resume_parser: bool = True) -> None: ...


@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 20))
def test_a_damaged_form_is_read_or_refused(junk, at, cut):
    body = form(MODEL, part("file", b"abc", more='; filename="a"', headers="Content-Type: a/b\r\n"))
    damaged = body[:at] + junk + body[at + cut :]
    try:
        found = read_form(damaged, TYPE)
    except BadCall:
        return

    assert all(0 < field.start <= field.end < len(damaged) for field in found.fields)
    assert all(re.fullmatch(r"[^\x00]+", field.name) for field in found.fields)
    for _, value in values(found):
        assert b"\r\n--b0" not in value
