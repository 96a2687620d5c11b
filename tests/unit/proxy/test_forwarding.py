"""What a request becomes on its way: written as the policy has it, whatever is remembered."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.credentials import FixedHeaders
from gateway.proxy.forwarding import outgoing
from gateway.proxy.framing import field_lines
from gateway.proxy.headers import request_headers
from gateway.proxy.notes import Notes
from gateway.proxy.plain_head import PlainHeaders

FIELDS = (
    (b"Host", b"gateway"),
    (b"Authorization", b"Bearer k"),
    (b"Accept-Encoding", b"gzip"),
    (b"X-Key", b"the caller's"),
    (b"traceparent", b"the caller's"),
    (b"Connection", b"X-Hop"),
    (b"X-Hop", b"1"),
    (b"Content-Length", b"2"),
)
PROVIDERS = [
    SimpleNamespace(name=name.decode(), host=name, credential=FixedHeaders(((key, b"secret"),)))
    for name, key in ((b"one", b"authorization"), (b"other", b"x-key"))
]


def exchange(notes: Notes, *, span: bool, number: int, fields: Any = FIELDS) -> Any:
    headers = PlainHeaders({name.lower(): value for name, value in fields})
    return SimpleNamespace(
        request=SimpleNamespace(method="POST", raw_headers=fields, headers=headers, notes=notes),
        trace=SimpleNamespace(
            request_id=f"req_{number}", span=SimpleNamespace(traceparent=b"ours") if span else None
        ),
    )


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2))))
async def test_requests_that_share_a_head_are_each_written_as_if_they_had_their_own(
    asked: list[tuple[bool, bool, bool, int]],
):
    notes = Notes()
    for number, (one, span, plain, size) in enumerate(asked):
        provider: Any = PROVIDERS[one]
        traceparent = [(b"traceparent", b"ours")] if span else []
        written = await outgoing(
            exchange(notes, span=span, number=number),
            provider,
            "/x",
            b"a" * size,
            plain=plain,
            now_ms=0,
        )
        assert written == field_lines(
            request_headers(
                FIELDS,
                host=provider.host,
                credential=[*provider.credential.fixed, *traceparent],
                body_bytes=size,
                request_id=b"req_%d" % number,
                identity_only=plain,
            )
        )


@pytest.mark.parametrize(
    ("fields", "body", "told"), [(FIELDS, b"", 1), (FIELDS[:-1], b"", 0), (FIELDS[:-1], b"a", 1)]
)
async def test_a_length_is_told_where_there_is_a_body_or_the_caller_told_one(
    fields: Any, body: bytes, told: int
):
    provider: Any = PROVIDERS[0]
    asked = exchange(Notes(), span=False, number=1, fields=fields)
    for _ in range(2):
        written = await outgoing(asked, provider, "/x", body, plain=False, now_ms=0)
        assert told == written.count(b"content-length: %d\r\n" % len(body))
