"""Where a request ends: whatever two readers could see differently is refused here, and what is
served is one request at the provider, framed anew."""

import asyncio
import re
from pathlib import Path

import pytest
from support.gateways import running_gateway
from support.raw_client import exchange, exchanges, statuses, unlike
from support.recording_upstream import RecordingUpstream

BODY = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi"}]}'
SIZE = len(BODY)
LENGTH = b"Content-Length: %d" % SIZE
CODED = b"Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (SIZE, BODY)
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
HELLO = bytes.fromhex("1603010200010001fc0303") + b"\x11" * 508


def head(
    *fields: bytes,
    line: bytes = b"POST /v1/chat/completions HTTP/1.1",
    host: bytes = b"Host: x",
) -> bytes:
    return b"\r\n".join((line, host, b"Authorization: Bearer KEY", *fields, b"", b""))


def lengths(*values: bytes) -> bytes:
    return head(*(b"Content-Length: " + value for value in values)) + BODY


def coded(*values: bytes) -> bytes:
    return head(*(b"Transfer-Encoding: " + value for value in values)) + CHUNKS


def field(line: bytes) -> bytes:
    return head(line, LENGTH) + BODY


def chunked(line: bytes, *, body: bytes = BODY, end: bytes = b"\r\n", rest: bytes = b"") -> bytes:
    """A chunk behind a size line of any form."""
    return head(CODED) + line + body + end + (rest or b"0\r\n\r\n")


REFUSED = {
    "CL.TE": head(LENGTH, CODED) + CHUNKS,
    "TE.CL": head(CODED, LENGTH) + CHUNKS,
    "CL.TE with a request behind": head(b"Content-Length: 6", CODED) + b"0\r\n\r\n" + SMUGGLED,
    "TE.TE": coded(b"chunked", b"chunked"),
    "TE.TE identity last": coded(b"chunked", b"identity"),
    "TE.TE identity first": coded(b"identity", b"chunked"),
    "TE in one line twice": coded(b"chunked, chunked"),
    "TE unknown": coded(b"xchunked"),
    "TE gzip below": coded(b"gzip, chunked"),
    "TE gzip above": coded(b"chunked, gzip"),
    "TE identity with a length": head(b"Transfer-Encoding: identity", LENGTH) + BODY,
    "TE quoted": coded(b'"chunked"'),
    "TE behind a control character": coded(b"\x0bchunked"),
    "TE empty": coded(b""),
    "TE folded": head(b"Transfer-Encoding:\r\n chunked") + CHUNKS,
    "TE space before the colon": head(b"Transfer-Encoding : chunked") + CHUNKS,
    "TE and a NUL": coded(b"chunked\0"),
    "TE behind a bare CR": head(b"X-A: b\rTransfer-Encoding: chunked", LENGTH) + CHUNKS,
    "TE in HTTP/1.0": head(CODED, line=b"POST /v1/chat/completions HTTP/1.0") + CHUNKS,
    "CL twice": lengths(b"%d" % SIZE, b"%d" % SIZE),
    "CL twice, different": lengths(b"%d" % SIZE, b"3"),
    "CL list": lengths(b"%d, %d" % (SIZE, SIZE)),
    "CL plus": lengths(b"+%d" % SIZE),
    "CL minus": lengths(b"-1"),
    "CL hexadecimal": lengths(b"0x44"),
    "CL two numbers": lengths(b"6 8"),
    "CL empty": lengths(b""),
    "CL beyond 64 bits": lengths(b"9" * 24),
    "CL with an underscore": lengths(b"6_8"),
    "CL in other digits": lengths("٦٨".encode()),
    "CL space before the colon": field(b"Content-Length : 3"),
    "CL folded": head(b"Content-Length:\r\n %d" % SIZE) + BODY,
    "CL comma": lengths(b"%d," % SIZE),
    "body without length": head() + BODY,
    "folded line": field(b"X-A: b\r\n c: d"),
    "bare CR": field(b"X-A: b\rX-B: c"),
    "bare LF": field(b"X-A: b\nX-B: c"),
    "lines that end in LF": head(LENGTH).replace(b"\r\n", b"\n") + BODY,
    "NUL in a value": field(b"X-A: b\0c"),
    "NUL in a name": field(b"X\0A: b"),
    "no colon": field(b"X-A b"),
    "spaces alone": field(b"  "),
    "empty name": field(b": b"),
    "space before the first field": field(b"X: y").replace(b"Host", b" Host", 1),
    "chunk extension ends in LF": chunked(b"%x;a\n" % SIZE),
    "chunk size ends in LF": chunked(b"%x\n" % SIZE),
    "chunk size 0x": chunked(b"0x%x\r\n" % SIZE),
    "chunk size plus": chunked(b"+%x\r\n" % SIZE),
    "chunk size minus": chunked(b"-1\r\n"),
    "chunk size and a space": chunked(b"%x \r\n" % SIZE),
    "chunk size missing": chunked(b"\r\n"),
    "chunk size and a bare CR": chunked(b"%x\rX\r\n" % SIZE),
    "chunk size with an underscore": chunked(b"0_%x\r\n" % SIZE),
    "chunk extension with a bare CR": chunked(b"%x;a\rb\r\n" % SIZE),
    "last chunk ends in LF": chunked(b"%x\r\n" % SIZE, rest=b"0\n\n"),
    "trailer that folds": chunked(b"%x\r\n" % SIZE, rest=b"0\r\nX-T: 1\r\n 2\r\n\r\n"),
    "trailer with a bare LF": chunked(b"%x\r\n" % SIZE, rest=b"0\r\nX-T: 1\n2\r\n\r\n"),
    "chunk size beyond 64 bits": chunked(b"f" * 18 + b"\r\n"),
    "chunk longer than told": chunked(b"%x\r\n" % SIZE, end=b"XX"),
    "chunk ends in LF": chunked(b"%x\r\n" % SIZE, end=b"\n"),
    "trailer that frames": chunked(b"%x\r\n" % SIZE, rest=b"0\r\nContent-Length: 5\r\n\r\n"),
    "trailer of 200 KB": chunked(b"%x\r\n" % SIZE, rest=b"0\r\nX: " + b"a" * 200_000),
    "HTTP/2 preface": PREFACE,
    "TLS hello": HELLO,
    "HTTP/0.9": b"GET /v1/models\r\n\r\n",
    "HTTP/1.2": head(LENGTH, line=b"POST /v1/chat/completions HTTP/1.2") + BODY,
    "HTTP/2.0 without its preface": head(LENGTH, line=b"POST /v1/chat/completions HTTP/2.0") + BODY,
    "version in small letters": head(LENGTH, line=b"POST /v1/chat/completions http/1.1") + BODY,
    "64 KB field": field(b"X-A: " + b"a" * 65_536),
    "2 000 fields": field(b"\r\n".join(b"X-%d: a" % i for i in range(2_000))),
    "64 KB path": head(line=b"GET /v1/" + b"a" * 65_536 + b" HTTP/1.1"),
    "Host twice": field(b"Host: y"),
    "no Host": head(LENGTH, host=b"X-N: 1") + BODY,
    "method in small letters": head(LENGTH, line=b"post /v1/chat/completions HTTP/1.1") + BODY,
    "method with a space": head(LENGTH, line=b"PO ST /v1/chat/completions HTTP/1.1") + BODY,
    "method of 300 letters": head(LENGTH, line=b"A" * 300 + b" / HTTP/1.1") + BODY,
    "tabs in the request line": head(line=b"POST\t/v1/chat/completions\tHTTP/1.1"),
    "a fourth word in the request line": field(b"X: y").replace(b"HTTP/1.1", b"HTTP/1.1 x", 1),
    "bare CR in the path": field(b"X: y").replace(b"chat", b"ch\rat", 1),
}

SERVED = {
    "plain": head(LENGTH) + BODY,
    "chunks": head(CODED) + CHUNKS,
    "TE after a tab": head(b"Transfer-Encoding:\tchunked") + CHUNKS,
    "TE in mixed letters": head(b"tRANSFER-eNCODING: cHUNKED") + CHUNKS,
    "TE lookalike": head(b"Transfer_Encoding: chunked", LENGTH) + BODY,
    "CL with zeros": head(b"Content-Length: 000%d" % SIZE) + BODY,
    "chunk extension": chunked(b"%x;a=b\r\n" % SIZE),
    "last chunk of many zeros": chunked(b"%x\r\n" % SIZE, rest=b"00000;a=b\r\n\r\n"),
    "chunk extension of 200 KB": chunked(b"%x;%s\r\n" % (SIZE, b"a" * 200_000)),
    "trailer": chunked(b"%x\r\n" % SIZE, rest=b"0\r\nX-T: 1\r\n\r\n"),
    "trailer named like a field": chunked(
        b"%x\r\n" % SIZE, rest=b"0\r\nAuthorization: Bearer evil\r\nHost: evil\r\n\r\n"
    ),
    "upgrade to h2c": field(
        b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ"
    ),
    "8 000 bytes of a field": field(b"X-A: " + b"a" * 8_000),
    "100 fields": field(b"\r\n".join(b"X-%d: a" % i for i in range(100))),
    "Expect of another kind": field(b"Expect: 200-ok"),
    "blank lines before": b"\r\n\r\n" + head(LENGTH) + BODY,
}


async def test_what_two_readers_could_frame_differently_reaches_nobody_and_is_not_quoted(
    tmp_path: Path, store_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream = RecordingUpstream()
    async with (
        upstream.server,
        running_gateway(tmp_path, store_url, provider_url=upstream.server.url) as tk,
    ):
        key = tk.key.encode()
        answers = await exchanges(
            tk.gateway.port, {name: raw.replace(b"KEY", key) for name, raw in REFUSED.items()}
        )
        assert {} == unlike(answers, [400])
        assert [] == upstream.taken()
        assert 0 == (await tk.assert_books_balance()).charged_ucr
        # Nothing of what could not be read is repeated: it may be a prompt or a key.
        told = b"".join(answers.values())
        assert b"invalid_request" in told
        assert b"aiohttp" not in told
    told += tk.lines.path.read_bytes() + "".join(capfd.readouterr()).encode()
    for canary in (key, b"messages", b"Traceback"):
        assert canary not in told


async def test_what_is_served_is_one_request_at_the_provider_framed_anew(
    tmp_path: Path, store_url: str
) -> None:
    upstream = RecordingUpstream()
    async with (
        upstream.server,
        running_gateway(tmp_path, store_url, provider_url=upstream.server.url) as tk,
    ):
        key = tk.key.encode()
        answers = await exchanges(
            tk.gateway.port, {name: raw.replace(b"KEY", key) for name, raw in SERVED.items()}
        )
        assert {} == unlike(answers, [200])
        requests = upstream.taken()
        assert len(SERVED) == len(requests)
        for request in requests:
            names = [line.partition(b":")[0].lower() for line in request.split(b"\r\n")[1:]]
            assert 1 == names.count(b"content-length") == names.count(b"host")
            assert not {b"transfer-encoding", b"trailer", b"expect", b"upgrade"} & set(names)
            assert request.endswith(b"\r\n\r\n" + BODY)
            assert key not in request
            assert b"evil" not in request


async def test_requests_behind_one_another_are_each_authenticated_and_charged(
    tmp_path: Path, store_url: str
) -> None:
    """Pipelining, and what an attacker in front hopes to be read with another's key."""
    upstream = RecordingUpstream()
    async with (
        upstream.server,
        running_gateway(tmp_path, store_url, provider_url=upstream.server.url) as tk,
    ):
        port, one = tk.gateway.port, (head(LENGTH) + BODY).replace(b"KEY", tk.key.encode())
        stranger = re.sub(rb"Bearer \S+", b"Bearer tk_wrong", one)

        assert [200, 200] == statuses(await exchange(port, one + one))
        assert [200, 401, 200] == statuses(await exchange(port, one + stranger + one))
        # Byte by byte, it is the same request.
        assert [200] == statuses(await exchange(port, *(one[i : i + 1] for i in range(len(one)))))
        assert 5 == len(upstream.taken())
        charges = [event["charge_ucr"] for event in await tk.events()]
        assert 5 == len(charges)
        assert 1 == len(set(charges))


async def test_what_stands_in_a_body_is_never_a_request(tmp_path: Path, store_url: str) -> None:
    """CL.0: who refuses before it has read the body, or expects none, must not read on in it."""
    upstream = RecordingUpstream()
    async with (
        upstream.server,
        running_gateway(tmp_path, store_url, provider_url=upstream.server.url) as tk,
    ):
        key = tk.key.encode()
        smuggled = SMUGGLED.replace(b"KEY", key)

        def at(line: bytes, *fields: bytes, key: bytes = key) -> bytes:
            length = b"Content-Length: %d" % len(smuggled)
            asked = head(*fields, length, line=line + b" HTTP/1.1")
            return asked.replace(b"KEY", key) + smuggled

        chat = b"POST /v1/chat/completions"
        behind = {
            "a wrong key": at(chat, key=b"x"),
            "an unknown path": at(b"POST /v1/unheard-of"),
            "vendors' figures": at(b"GET /v1/organization/costs"),
            "a page": at(b"GET /dashboard"),
            "a file of the pages": at(b"HEAD /dashboard/assets/none.js"),
            "the Metering API": at(b"GET /metering/v1/balance"),
            "an operation that is not there": at(b"POST /metering/v1/none"),
            "a free endpoint": at(b"GET /v1/models/x"),
            "OPTIONS": at(b"OPTIONS /v1/chat/completions"),
            "no JSON": at(chat),
            "an expectation": at(chat, b"Expect: 100-continue"),
            "an upgrade": at(chat, b"Upgrade: x", b"Connection: Upgrade"),
            "a socket": at(
                b"GET /v1/realtime?model=talk",
                b"Upgrade: websocket",
                b"Connection: Upgrade",
                b"Sec-WebSocket-Version: 13",
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ),
        }
        for parts in (1, len(smuggled)):
            answers = await asyncio.gather(
                *(exchange(tk.gateway.port, raw[:-parts], raw[-parts:]) for raw in behind.values())
            )
            told = {name: statuses(each) for name, each in zip(behind, answers, strict=True)}
            assert {} == {name: each for name, each in told.items() if len(each) != 1}
        assert not [each for each in upstream.taken() if each.startswith(b"GET /v1/models HTTP")]
        assert 0 == (await tk.assert_books_balance()).charged_ucr
