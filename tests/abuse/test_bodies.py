"""Bodies that are odd, huge, compressed or made to hurt: a clear refusal, at no cost."""

import gzip
import random
import zlib
from pathlib import Path
from string import ascii_lowercase
from time import monotonic
from typing import Any

import brotli
import orjson
from support.abuse import besieged, chat
from support.raw_client import statuses, unlike

SAID = '{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi"}]'


def call(more: str = "") -> bytes:
    return f"{SAID}{more}}}".encode()


def deep(levels: int, opening: str, closing: str) -> bytes:
    return call(f',"metadata":{opening * levels}1{closing * levels}')


REFUSED = {
    "empty": b"",
    "no JSON": b"model=gpt-4.1-mini",
    "half of it": call()[:-1],
    "something behind it": call() + b"{}",
    "array": b"[" + call() + b"]",
    "a string": b'"gpt-4.1-mini"',
    "null": b"null",
    "100 000 arrays in one another": deep(100_000, "[", "]"),
    "100 000 objects in one another": deep(100_000, '{"a":', "}"),
    "300 arrays in one another": deep(300, "[", "]"),
    "model twice": call(',"model":"gpt-tiered"'),
    "model twice, spelt differently": call(',"m\\u006fdel":"gpt-tiered"'),
    "messages twice": call(',"messages":[]'),
    "max_tokens twice": call(',"max_tokens":1,"max_tokens":100000'),
    "stream twice": call(',"stream":false,"stream":true'),
    "lone surrogate": call(',"user":"\\ud800"'),
    "no UTF-8": SAID.replace("hi", "\xff").encode("latin-1") + b"}",
    "UTF-8 longer than need be": SAID.replace("hi", "\xc0\xaf").encode("latin-1") + b"}",
    "NaN": call(',"temperature":NaN'),
    "Infinity": call(',"temperature":-Infinity'),
    "a comment": call(" /* free */"),
    "a comma too many": call(","),
    "single quotes": call().replace(b'"', b"'"),
    "NUL": call().replace(b"hi", b"h\0i"),
    "UTF-16": call().decode().encode("utf-16"),
    "UTF-32": call().decode().encode("utf-32"),
    "byte order mark": b"\xef\xbb\xbf" + call(),
}


async def test_what_is_no_single_json_object_is_refused_and_costs_nothing(
    tmp_path: Path, store_url: str
) -> None:
    async with besieged(tmp_path, store_url) as siege:
        answers = await siege.ask({name: chat(body) for name, body in REFUSED.items()})
        assert {} == unlike(answers, [400])
        assert all(b'"invalid_request_error"' in answer for answer in answers.values())
        assert [] == siege.upstream.taken()
        assert 0 == (await siege.tk.assert_books_balance()).charged_ucr


async def test_odd_bodies_that_are_json_go_on_as_they_came(tmp_path: Path, store_url: str) -> None:
    bodies = {
        "400 000 digits": call(f',"seed":{"9" * 400_000}'),
        "1 000 000 keys": call("," + ",".join(f'"{i}":1' for i in range(1_000_000))),
        "a key of 1 MB": call(f',"{"a" * 1_000_000}":1'),
        "spaces": b" " * 100_000 + call() + b"\n" * 100_000,
        "escapes": call(',"user":"\\u0000\\uD83D\\uDE00"'),
        "keys twice that do not matter": call(',"user":"a","user":"b"'),
    }
    async with besieged(tmp_path, store_url) as siege:
        answers = await siege.ask({name: chat(body) for name, body in bodies.items()})
        sent = siege.upstream.taken()
        for name, answer in answers.items():
            passed = any(request.endswith(b"\r\n\r\n" + bodies[name]) for request in sent)
            # Unchanged to the provider, or refused: nothing in between.
            assert (passed, statuses(answer)) in ((True, [200]), (False, [400])), name
        await siege.tk.assert_books_balance()


async def test_the_content_type_changes_nothing_but_a_form_is_no_chat(
    tmp_path: Path, store_url: str
) -> None:
    types = [b"text/plain", b"application/octet-stream", b"application/xml", b"", b"\xff"]
    form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt-4.1-mini\r\n--x--\r\n'
    async with besieged(tmp_path, store_url) as siege:
        requests = {repr(kind): chat(call()).replace(b"application/json", kind) for kind in types}
        requests["none"] = chat(call()).replace(b"Content-Type: application/json\r\n", b"")
        assert {} == unlike(await siege.ask(requests), [200])
        assert len(requests) == len(siege.upstream.taken())
        sent = chat(form).replace(b"application/json", b"multipart/form-data; boundary=x")
        assert [400] == statuses(await siege.one(sent))
        assert [] == siege.upstream.taken()


async def test_a_body_over_the_limit_is_413_however_it_is_announced(
    tmp_path: Path, store_url: str
) -> None:
    async with besieged(tmp_path, store_url) as siege:
        most = siege.tk.gateway._settings.listen.body_bytes_max
        over = chat(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % (most + 1))
        assert [413] == statuses(await siege.one(over))
        chunk = b"%x\r\n%s\r\n" % (1 << 20, b" " * (1 << 20))
        coded = chat(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        endless = await siege.one(coded + chunk * (most // (1 << 20) + 1))
        assert [413] == statuses(endless)
        assert [] == siege.upstream.taken()
        whole = call().ljust(most)
        assert [200] == statuses(await siege.one(chat(whole)))
        [sent] = siege.upstream.taken()
        assert sent.endswith(whole)


async def test_a_body_of_another_length_than_told_is_no_call(
    tmp_path: Path, store_url: str
) -> None:
    told, size = b"Content-Length: %d", len(call())
    wrong = {
        name: chat(call()).replace(told % size, told % length)
        for name, length in (("shorter", size - 1), ("longer", size + 1), ("none", 0))
    }
    async with besieged(tmp_path, store_url, body_s=1) as siege:
        answers = await siege.ask(wrong)
        # What stands behind a body that ended early is no request either.
        assert {400} == {status for each in answers.values() for status in statuses(each)}
        assert [] == siege.upstream.taken()
        assert 0 == (await siege.tk.assert_books_balance()).charged_ucr


def bombs() -> dict[str, tuple[bytes, bytes]]:
    """A few kilobytes that become tens of megabytes, and what only says so."""
    plain = call() + b" " * 50_000_000
    packed = gzip.compress(plain)
    return {
        "gzip bomb": (packed, b"gzip"),
        "gzip in gzip": (gzip.compress(packed), b"gzip, gzip"),
        "deflate bomb": (zlib.compress(plain), b"deflate"),
        "br bomb": (brotli.compress(plain, quality=1), b"br"),
        "zstd": (b"\x28\xb5\x2f\xfd" + b"\0" * 100, b"zstd"),
        "says gzip and is none": (call(), b"gzip"),
        "says x-gzip": (call(), b"x-gzip"),
        "unknown": (call(), b"rot13"),
        "packed and does not say so": (packed, b"identity"),
    }


async def test_a_compressed_body_is_refused_and_never_unpacked(
    tmp_path: Path, store_url: str
) -> None:
    requests = {
        name: chat(body, b"Content-Encoding: " + coding) for name, (body, coding) in bombs().items()
    }
    async with besieged(tmp_path, store_url) as siege:
        began_s = monotonic()
        answers = await siege.ask(requests)
        assert {} == unlike(answers, [400])
        assert monotonic() - began_s < 5
        assert [] == siege.upstream.taken()


DRAW = random.Random(6)
TEXTS = {
    "random letters": "".join(DRAW.choices(ascii_lowercase, k=1_000_000)),
    "one letter": "a" * 1_000_000,
    "spaces": " " * 1_000_000,
    "line breaks": "\n" * 1_000_000,
    "special tokens": "<|endoftext|><|im_start|>" * 20_000,
    "emoji joined": "\U0001f468\u200d\U0001f469\u200d" * 60_000,
    "Chinese": "\u6536\u8d39\u7ad9" * 100_000,
    "combining marks": "a" + "\u0308" * 300_000,
    "digits": "1234567890" * 100_000,
    "right to left": "\u202e" * 300_000,
    "controls": "\x01\x7f" * 300_000,
}


async def test_no_text_is_too_much_for_the_tokenizer(tmp_path: Path, store_url: str) -> None:
    """A small balance makes the gateway count each prompt exactly."""

    def body(text: str) -> bytes:
        said: dict[str, Any] = {"model": "gpt-4.1-mini", "max_tokens": 5}
        said["messages"] = [{"role": "user", "content": text}]
        return orjson.dumps(said)

    async with besieged(tmp_path, store_url, credit=0.5) as siege:
        answers = await siege.ask({name: chat(body(text)) for name, text in TEXTS.items()})
        assert {} == unlike(answers, [200, 429])
        await siege.tk.assert_books_balance()
