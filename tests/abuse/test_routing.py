"""What a request says of hosts, paths and routes changes nothing of where it goes."""

from pathlib import Path

from support.abuse import besieged, chat
from support.raw_client import statuses, unlike
from support.recording_upstream import response

BODY = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi"}]}'


def at(target: bytes, *fields: bytes, method: bytes = b"POST", body: bytes = BODY) -> bytes:
    return chat(body, *fields, line=b"%b %b HTTP/1.1" % (method, target))


REFUSED = {
    "CONNECT": at(b"evil:443", method=b"CONNECT", body=b""),
    "absolute URI": at(b"http://evil/v1/chat/completions"),
    "absolute URI of the metadata service": at(b"http://169.254.169.254/latest/"),
    "user before a host": at(b"@evil/v1/chat/completions"),
    "user in the path": at(b"/@evil/v1/chat/completions"),
    "two slashes and a host": at(b"//evil/v1/chat/completions"),
    "two slashes": at(b"//v1/chat/completions"),
    "backslashes": at(b"\\\\evil\\v1\\chat"),
    "asterisk": at(b"*", method=b"OPTIONS"),
    "dots": at(b"/v1/../admin"),
    "dots that come back": at(b"/v1/x/../chat/completions"),
    "dots before": at(b"/../v1/chat/completions"),
    "encoded dots": at(b"/v1/%2e%2e/chat/completions"),
    "encoded slash": at(b"/v1%2fchat/completions"),
    "encoded twice": at(b"/v1/%252e%252e/chat/completions"),
    "encoded letter": at(b"/v1/ch%61t/completions"),
    "encoded NUL": at(b"/v1/chat/completions%00"),
    "semicolon": at(b"/v1/chat/completions;x=y"),
    "slash behind": at(b"/v1/chat/completions/"),
    "capitals": at(b"/V1/CHAT/COMPLETIONS"),
    "fragment": at(b"/v1/chat/completions#/../x"),
    "line break encoded": at(b"/v1/chat/completions%0d%0aHost:%20evil"),
    "TRACE": at(b"/v1/chat/completions", method=b"TRACE"),
    "administration": at(b"/v1/organization/admin_api_keys"),
    "dots in a model's path": at(b"/v1/models/..%2f..%2ffiles", method=b"DELETE"),
}

CARRIED = {
    "Host": at(b"/v1/chat/completions").replace(b"Host: x", b"Host: evil"),
    "X-Forwarded-*": at(
        b"/v1/chat/completions",
        b"X-Forwarded-Host: evil",
        b"X-Forwarded-For: 10.0.0.1",
        b"X-Forwarded-Proto: gopher",
        b"X-Original-URL: /evil",
        b"X-Rewrite-URL: /evil",
        b"Forwarded: for=evil;host=evil",
        b"Via: 1.1 evil",
    ),
    "methods": at(
        b"/v1/chat/completions",
        b"X-HTTP-Method-Override: DELETE",
        b"X-HTTP-Method: DELETE",
        b"X-Method-Override: DELETE",
    ),
    "named in Connection": at(
        b"/v1/chat/completions",
        b"Connection: authorization, host, content-length, content-type, x-evil",
        b"X-Evil: evil",
    ),
    "of the hop": at(
        b"/v1/chat/completions", b"Keep-Alive: evil", b"TE: trailers, evil", b"Proxy-Evil: evil"
    ),
    "whom the provider bills": at(
        b"/v1/chat/completions", b"OpenAI-Organization: evil", b"OpenAI-Project: evil"
    ),
    "cookies": at(b"/v1/chat/completions", b"Cookie: session=evil", b"Cookie2: evil"),
    "ours": at(b"/v1/chat/completions", b"x-tollkeeper-account: evil"),
}

BASE_URLS = (
    b'{"api_base":"http://evil","base_url":"http://evil","custom_llm_provider":"evil",'
    b'"extra_headers":{"Host":"evil"},'
)


async def test_no_path_leads_anywhere_else(tmp_path: Path, store_url: str) -> None:
    async with besieged(tmp_path, store_url) as siege:
        answers = await siege.ask(REFUSED)
        assert {} == unlike(answers, [400, 403, 404])
        assert [] == siege.upstream.taken()
        assert 0 == (await siege.tk.assert_books_balance()).charged_ucr


async def test_no_field_selects_a_host_a_method_or_whom_the_provider_bills(
    tmp_path: Path, store_url: str
) -> None:
    async with besieged(tmp_path, store_url) as siege:
        assert {} == unlike(await siege.ask(CARRIED), [200])
        requests = siege.upstream.taken()
        assert len(CARRIED) == len(requests)
        host = b"localhost:%d" % siege.upstream.server.port
        for request in requests:
            head, _, body = request.partition(b"\r\n\r\n")
            assert BODY == body
            assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
            assert b"\r\nhost: %b\r\n" % host in head
            assert b"application/json" in head
            assert b"evil" not in head
            assert 1 == head.lower().count(b"\r\nauthorization:")


async def test_addresses_in_a_body_are_the_providers_business_and_never_fetched(
    tmp_path: Path, store_url: str
) -> None:
    """A base URL in the body is a field like any other; a picture's address is passed on."""
    async with besieged(tmp_path, store_url) as siege:
        own = f"http://127.0.0.1:{siege.tk.gateway.admin_port}/metrics".encode()
        picture = b'[{"type":"image_url","image_url":{"url":"%b"}}]' % own
        body = BASE_URLS + BODY[1:].replace(b'"hi"', picture)
        assert [200] == statuses(await siege.one(chat(body)))
        (request,) = siege.upstream.taken()
        assert request.endswith(body)
        assert b"evil" not in request.partition(b"\r\n\r\n")[0]


async def test_a_redirect_is_told_and_not_followed(tmp_path: Path, store_url: str) -> None:
    for status in (b"301 Moved Permanently", b"302 Found", b"307 Temporary Redirect", b"308 R"):
        moved = response(b"", b"Location: http://127.0.0.1:1/evil", status=status)
        async with besieged(tmp_path / status.decode()[:3], store_url, answer=moved) as siege:
            answer = await siege.one(chat(BODY))
            assert [int(status[:3])] == statuses(answer)
            assert 1 == len(siege.upstream.taken())
            assert 0 == (await siege.tk.assert_books_balance()).charged_ucr
