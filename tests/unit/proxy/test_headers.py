"""Which fields cross the gateway, in both directions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.headers import request_headers
from gateway.proxy.response_head import lines_of, response_head

OURS = {b"host", b"authorization", b"x-tollkeeper-request-id", b"content-length"}


def to_provider(raw, **changed):
    arguments = {
        "host": b"api.example.com",
        "credential": [(b"Authorization", b"Bearer provider-key")],
        "body_bytes": 11,
        "request_id": b"req-1",
        "identity_only": False,
    }
    return request_headers(raw, **(arguments | changed))


def to_caller(raw, *, told=(), keep_length=True):
    ours = (tuple(name for name, _ in told), lines_of(told))
    lines, framed = response_head(raw, request_id=b"req-1", told=ours, keep_length=keep_length)
    fields = [(name, value) for name, _, value in map(read_line, lines.split(b"\r\n"))]
    assert framed is (b"content-length" in [name.lower() for name, _ in fields])
    return fields


def read_line(line):
    return line.partition(b": ")


def from_caller(raw, **changed):
    """What crosses of `raw`, without what the gateway adds."""
    return [field for field in to_provider(raw, **changed) if field[0].lower() not in OURS]


def test_an_sdk_request_crosses_in_order_and_case_with_our_credential():
    raw = [
        (b"Host", b"gateway.internal"),
        (b"Accept-Encoding", b"gzip, deflate, br"),
        (b"Connection", b"keep-alive"),
        (b"Accept", b"application/json"),
        (b"Content-Type", b"application/json"),
        (b"User-Agent", b"OpenAI/Python 3.54.0"),
        (b"X-Stainless-Lang", b"python"),
        (b"x-stainless-retry-count", b"0"),
        (b"Authorization", b"Bearer tk_caller"),
        (b"OpenAI-Beta", b"assistants=v2"),
        (b"OpenAI-Organization", b"org-of-the-caller"),
        (b"Idempotency-Key", b"k"),
        (b"X-Request-Id", b"of-the-caller"),
        (b"Content-Length", b"9"),
    ]

    assert to_provider(raw) == [
        (b"host", b"api.example.com"),
        (b"Accept-Encoding", b"gzip, deflate, br"),
        (b"Accept", b"application/json"),
        (b"Content-Type", b"application/json"),
        (b"User-Agent", b"OpenAI/Python 3.54.0"),
        (b"X-Stainless-Lang", b"python"),
        (b"x-stainless-retry-count", b"0"),
        (b"OpenAI-Beta", b"assistants=v2"),
        (b"Idempotency-Key", b"k"),
        (b"X-Request-Id", b"of-the-caller"),
        (b"Authorization", b"Bearer provider-key"),
        (b"x-tollkeeper-request-id", b"req-1"),
        (b"content-length", b"11"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        b"Authorization",
        b"AUTHORIZATION",
        b"x-api-key",
        b"Api-Key",
        b"X-Goog-Api-Key",
        b"Ocp-Apim-Subscription-Key",
        b"Proxy-Authorization",
        b"Cookie",
        b"X-Amz-Security-Token",
        b"X-Amz-Date",
        b"x-amz-content-sha256",
    ],
)
def test_no_way_of_presenting_a_key_crosses(name):
    assert b"tk_caller" not in str(to_provider([(name, b"tk_caller")])).encode()


@pytest.mark.parametrize(
    "name",
    [
        b"Host",
        b"Expect",
        b"Keep-Alive",
        b"TE",
        b"Trailer",
        b"Transfer-Encoding",
        b"Upgrade",
        b"Proxy-Connection",
        b"OpenAI-Organization",
        b"OpenAI-Project",
        b"X-Goog-User-Project",
        b"X-Forwarded-For",
        b"X-Forwarded-Client-Cert",
        b"Forwarded",
        b"Via",
        b"X-Real-IP",
        b"CF-Connecting-IP",
        b"X-HTTP-Method-Override",
        b"X-Original-URL",
        b"X-Goog-FieldMask",
        b"X-Tollkeeper-Request-Id",
    ],
)
def test_what_belongs_to_the_gateway_or_the_hop_stays_behind(name):
    assert b"canary" not in str(to_provider([(name, b"canary")])).encode()


@pytest.mark.parametrize("separator", [b", ", b",", b" ,\t"])
def test_what_connection_names_stays_behind(separator):
    named = separator.join([b"close", b"X-Hop", b"x-other"])
    raw = [(b"x-hop", b"1"), (b"Connection", named), (b"X-Other", b"2"), (b"X-Kept", b"3")]

    assert [(b"X-Kept", b"3")] == from_caller(raw)


def test_several_connection_fields_name_together():
    raw = [(b"Connection", b"x-a"), (b"X-A", b"1"), (b"X-B", b"2"), (b"connection", b"X-B")]

    assert [] == from_caller(raw)


def test_connection_cannot_take_away_what_both_ends_need():
    needed = [(b"Content-Type", b"application/json"), (b"Content-Encoding", b"gzip")]
    everything = b"host, authorization, content-length, content-type, content-encoding, accept"

    sent = to_provider([*needed, (b"Connection", everything)])

    assert sent == [
        (b"host", b"api.example.com"),
        *needed,
        (b"Authorization", b"Bearer provider-key"),
        (b"x-tollkeeper-request-id", b"req-1"),
        (b"content-length", b"11"),
    ]


def test_a_credential_under_an_unusual_name_replaces_the_callers_field():
    sent = to_provider([(b"X-Team-Key", b"mine")], credential=[(b"x-team-key", b"provider-key")])

    assert [b"provider-key"] == [value for name, value in sent if name.lower() == b"x-team-key"]


def test_identity_only_asks_for_a_plain_answer_once():
    sent = to_provider(
        [(b"Accept-Encoding", b"gzip"), (b"accept-encoding", b"br")], identity_only=True
    )

    assert [b"identity"] == [value for name, value in sent if name.lower() == b"accept-encoding"]


@pytest.mark.parametrize(
    ("raw", "body_bytes", "lengths"),
    [
        ([], 0, []),
        ([(b"Content-Length", b"0")], 0, [b"0"]),
        ([(b"Content-Length", b"5")], 7, [b"7"]),
        ([(b"Content-Length", b"5"), (b"content-length", b"6")], 7, [b"7"]),
        ([(b"Transfer-Encoding", b"chunked")], 7, [b"7"]),
    ],
)
def test_the_length_is_that_of_the_body_we_send(raw, body_bytes, lengths):
    sent = to_provider(raw, body_bytes=body_bytes)

    assert lengths == [value for name, value in sent if name.lower() == b"content-length"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [b"Host", b"AUTHORIZATION", b"Content-length", b"Connection", b"X-Any", b"te"]
            ),
            st.sampled_from([b"host", b"x-any, authorization", b"close", b"content-length"]),
        )
    )
)
def test_whatever_comes_the_gateways_own_fields_are_there_once(raw):
    names = [name.lower() for name, _ in to_provider(raw)]

    for name in OURS:
        assert names.count(name) == 1
    assert not {b"connection", b"te"} & set(names)


def test_an_answer_crosses_in_order_and_case_with_our_request_id():
    raw = [
        (b"Date", b"today"),
        (b"Content-Type", b"text/event-stream"),
        (b"Connection", b"keep-alive"),
        (b"openai-processing-ms", b"12"),
        (b"x-request-id", b"of-the-provider"),
        (b"X-RateLimit-Remaining-Tokens", b"5"),
        (b"Content-Encoding", b"gzip"),
        (b"Retry-After", b"1"),
        (b"Vary", b"a"),
        (b"vary", b"b"),
        (b"Content-Length", b"9"),
    ]

    assert to_caller(raw) == [
        *raw[:2],
        *raw[3:],
        (b"x-tollkeeper-request-id", b"req-1"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        b"Connection",
        b"Keep-Alive",
        b"Transfer-Encoding",
        b"Trailer",
        b"Upgrade",
        b"Proxy-Authenticate",
        b"Set-Cookie",
        b"SET-COOKIE",
        b"OpenAI-Organization",
        b"OpenAI-Project",
        b"Anthropic-Organization-Id",
        b"Alt-Svc",
        b"Strict-Transport-Security",
        b"X-Tollkeeper-Request-Id",
    ],
)
def test_what_is_the_operators_or_the_hops_does_not_reach_the_caller(name):
    assert b"canary" not in str(to_caller([(name, b"canary")])).encode()


def test_the_length_goes_when_the_body_is_framed_anew():
    raw = [(b"Content-Length", b"9"), (b"A", b"b")]

    assert [(b"A", b"b")] == to_caller(raw, keep_length=False)[:-1]


def test_a_rate_limit_of_ours_replaces_the_providers_family():
    raw = [
        (b"x-ratelimit-limit-requests", b"10000"),
        (b"X-RateLimit-Remaining-Tokens", b"9"),
        (b"anthropic-ratelimit-requests-limit", b"7"),
        (b"Retry-After", b"3"),
    ]
    ours = [(b"x-ratelimit-limit-requests", b"60")]

    assert [*raw[2:], *ours] == to_caller(raw, told=ours)[:-1]


def test_a_field_of_ours_replaces_the_providers_of_that_name():
    ours = [(b"Retry-After", b"9")]

    assert ours == to_caller([(b"retry-after", b"3")], told=ours)[:-1]


def test_without_fields_of_ours_the_providers_rate_limits_cross():
    raw = [(b"x-ratelimit-limit-requests", b"10000")]

    assert raw == to_caller(raw)[:-1]


def test_a_provider_cannot_take_away_what_says_how_to_read_the_body():
    raw = [
        (b"Connection", b"content-type, content-encoding, content-length, x-hop"),
        (b"Content-Type", b"application/json"),
        (b"Content-Encoding", b"gzip"),
        (b"Content-Length", b"9"),
        (b"X-Hop", b"1"),
    ]

    assert raw[1:4] == to_caller(raw)[:-1]


def test_every_connection_field_is_heard_whatever_it_names():
    raw = [
        (b"Connection", b"X-One, connection"),
        (b"X-One", b"1"),
        (b"connection", b"x-two"),
        (b"X-Two", b"2"),
        (b"A", b"b"),
    ]

    assert [(b"A", b"b")] == to_caller(raw)[:-1]


@pytest.mark.parametrize("bad", [b"a\r\nSet-Cookie: x", b"a\nb", b"a\rb", b"a\0b"])
def test_a_value_that_would_split_the_answer_is_left_out(bad):
    assert [(b"A", b"b")] == to_caller([(b"X-Bad", bad), (b"A", b"b")])[:-1]
    assert [(b"A", b"b")] == to_caller([(b"Content-Length", bad), (b"A", b"b")])[:-1]


def test_nothing_given_is_changed():
    raw, extra = [(b"A", b"b"), (b"Connection", b"x")], [(b"C", b"d")]
    before = (list(raw), list(extra))

    to_caller(raw, told=extra)
    to_provider(raw, credential=extra)

    assert before == (raw, extra)


NAMES = ["A", "a", "Content-Length", "Set-Cookie", "X-Ratelimit-Limit", "Connection", "X-Hop"]
VALUES = ["", "1", "x-hop", "close", "a: b", "a\nb", "a\rb", "a\0b"]


@given(
    st.lists(st.tuples(*(st.sampled_from(each).map(str.encode) for each in (NAMES, VALUES)))),
    st.booleans(),
    st.booleans(),
)
def test_every_field_is_judged_as_if_it_stood_alone(raw, limited, keep_length):
    told = [(b"x-ratelimit-limit", b"60"), (b"RateLimit", b"r")] if limited else []
    named = any(name == b"Connection" and value == b"x-hop" for name, value in raw)

    def crosses(name, value):
        gone = {b"set-cookie", b"connection"}
        gone |= {b"x-hop"} if named else set()
        gone |= {b"x-ratelimit-limit"} if limited else set()
        gone |= set() if keep_length else {b"content-length"}
        return name.lower() not in gone and not {*b"\r\n\0"} & {*value}

    assert [*(field for field in raw if crosses(*field)), *told] == to_caller(
        raw, told=told, keep_length=keep_length
    )[:-1]
