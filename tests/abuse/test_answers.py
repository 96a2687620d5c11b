"""What a hostile provider's head may do to a caller, and what of it never crosses."""

from pathlib import Path

from support.abuse import besieged, chat
from support.raw_client import statuses
from support.recording_upstream import ANSWER, response

BODY = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi"}]}'

MALFORMED = {
    "no HTTP": b"hello\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "status of four digits": response(status=b"2000 OK"),
    "status 99": response(status=b"099 OK"),
    "status 700": response(status=b"700 OK"),
    "HTTP/2": response().replace(b"HTTP/1.1", b"HTTP/2.0"),
    "CL and TE": response(ANSWER, b"Transfer-Encoding: chunked"),
    "CL twice": response(ANSWER, b"Content-Length: 3"),
    "CL minus": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "TE unknown": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n" + ANSWER,
    "bare CR in a field": response(ANSWER, b"X-A: b\rSet-Cookie: evil=1"),
    "bare LF in a field": response(ANSWER, b"X-A: b\nX-Evil: 1"),
    "folded field": response(ANSWER, b"X-A: b\r\n evil"),
    "NUL in a field": response(ANSWER, b"X-A: b\0evil"),
    "1 MB of a field": response(ANSWER, b"X-A: " + b"evil" * 262_144),
    "1 000 fields": response(ANSWER, *(b"X-%d: evil" % i for i in range(1_000))),
    "switches protocols": response(b"", b"Upgrade: evil", status=b"101 Switching Protocols"),
    "interim answers for ever": b"HTTP/1.1 103 Early Hints\r\nLink: </evil>\r\n\r\n" * 5_000,
    "nothing": b"",
}

DROPPED = (
    b"Set-Cookie: evil=1",
    b"Set-Cookie2: evil=1",
    b"OpenAI-Organization: evil-org",
    b"OpenAI-Project: evil-project",
    b"Anthropic-Organization-Id: evil",
    b"Alt-Svc: evil",
    b"Strict-Transport-Security: evil",
    b"NEL: evil",
    b"Report-To: evil",
    b'Clear-Site-Data: "evil"',
    b"Keep-Alive: evil",
    b"Connection: X-Named, Content-Type",
    b"X-Named: evil",
    b"Proxy-Authenticate: evil",
    b"x-tollkeeper-request-id: evil",
)
CROSSING = (
    b"X-Request-Id: req-of-the-provider",
    b"OpenAI-Processing-Ms: 12",
    b"OpenAI-Version: 2020-10-01",
    b"X-Custom: \xe9",
)


async def test_a_malformed_head_is_502_and_costs_nothing(tmp_path: Path, store_url: str) -> None:
    async with besieged(tmp_path, store_url, first_byte_s=3) as siege:
        for name, raw in MALFORMED.items():
            siege.upstream.answer = raw
            answer = await siege.one(chat(BODY, b"Connection: close"))
            assert statuses(answer) in ([502], [504]), name
            assert b"evil" not in answer, name
            siege.upstream.taken()
        assert 0 == (await siege.tk.assert_books_balance()).charged_ucr


async def test_fields_cross_by_list_and_none_starts_a_line_of_its_own(
    tmp_path: Path, store_url: str
) -> None:
    answer = response(ANSWER, *DROPPED, *CROSSING, status=b"200 \x01evil\x7f")
    async with besieged(tmp_path, store_url, answer=answer) as siege:
        told = await siege.one(chat(BODY))
        assert [200] == statuses(told)
        assert b"evil" not in told
        for field in CROSSING:
            assert b"\r\n" + field + b"\r\n" in told
        assert told.endswith(ANSWER)


async def test_early_hints_are_skipped_and_the_answer_behind_them_counts(
    tmp_path: Path, store_url: str
) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </evil>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    async with besieged(tmp_path, store_url, answer=hints + response()) as siege:
        told = await siege.one(chat(BODY))
        assert [200] == statuses(told)
        assert b"evil" not in told
        assert (await siege.tk.assert_books_balance()).charged_ucr
