"""The simulated provider over real sockets: what a client sees, and what the journal says."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import aiohttp
import brotli
import orjson
import pytest

from gateway.simulator.journal import Departure
from gateway.simulator.provider import SimulatedProvider
from gateway.simulator.script import Script

BEARER = {"Authorization": "Bearer sk-simulated"}


class Caller:
    """A client that sends chat completions and keeps compressed answers as they came."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session = session
        self.base = base

    def post(self, simulate: str = "", *, data: bytes | None = None, headers=BEARER, **fields):
        body = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hello"}], **fields}
        return self.session.post(
            f"{self.base}/v1/chat/completions",
            data=orjson.dumps(body) if data is None else data,
            headers={**headers, "x-simulate": simulate},
        )

    async def json(self, simulate: str = "", **fields):
        async with self.post(simulate, **fields) as response:
            return response, orjson.loads(await response.read())

    async def stream(self, simulate: str = "", **fields) -> bytes:
        async with self.post(simulate, stream=True, **fields) as response:
            assert "text/event-stream; charset=utf-8" == response.headers["Content-Type"]

            return await response.read()


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    simulated = SimulatedProvider()
    yield simulated
    await simulated.stop()


@pytest.fixture
async def caller(provider) -> AsyncIterator[Caller]:
    port = await provider.start()
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Caller(session, f"http://127.0.0.1:{port}")


def parsed(stream: bytes) -> list[dict]:
    return [
        orjson.loads(event.removeprefix(b"data: "))
        for event in stream.split(b"\n\n")
        if event.startswith(b"data: {")
    ]


async def test_a_document_has_the_fields_and_headers_of_the_real_one(caller, provider) -> None:
    response, answer = await caller.json("tokens=12,cached=4,reasoning=5")

    assert "chat.completion" == answer["object"]
    assert "stop" == answer["choices"][0]["finish_reason"]
    assert 17 == answer["usage"]["completion_tokens"]
    assert 4 == answer["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert 5 == answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert {"x-request-id", "openai-processing-ms", "x-ratelimit-remaining-tokens"} <= {
        name.lower() for name in response.headers
    }
    entry = provider.journal.entries[-1]
    assert (17, Departure.COMPLETED) == (entry.tokens, entry.departure)
    assert [answer["choices"][0]["message"]["content"]] == entry.texts


async def test_a_stream_tells_the_role_first_and_usage_last_when_asked(caller) -> None:
    raw = await caller.stream("tokens=5", stream_options={"include_usage": True})

    events = parsed(raw)
    assert "assistant" == events[0]["choices"][0]["delta"]["role"]
    assert "stop" == events[-2]["choices"][0]["finish_reason"]
    assert [] == events[-1]["choices"]
    assert 5 == events[-1]["usage"]["completion_tokens"]
    assert {None} == {event["usage"] for event in events[:-1]}
    assert raw.endswith(b"data: [DONE]\n\n")


async def test_a_stream_says_nothing_of_usage_unless_asked(caller) -> None:
    events = parsed(await caller.stream("tokens=5"))

    assert not any("usage" in event for event in events)
    assert 5 + 2 == len(events)


async def test_stream_and_document_tell_the_same_story(caller) -> None:
    _, answer = await caller.json("tokens=30")
    events = parsed(await caller.stream("tokens=30,chunk_chars=7"))

    streamed = "".join(event["choices"][0]["delta"].get("content") or "" for event in events)
    assert answer["choices"][0]["message"]["content"] == streamed


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_the_cap_on_output_ends_the_answer_for_length(caller, field) -> None:
    _, answer = await caller.json("tokens=50", **{field: 8})

    assert "length" == answer["choices"][0]["finish_reason"]
    assert 8 == answer["usage"]["completion_tokens"]


async def test_several_choices_stream_in_turns_and_are_all_counted(caller, provider) -> None:
    events = parsed(await caller.stream("tokens=6", n=3, stream_options={"include_usage": True}))

    assert {0, 1, 2} == {event["choices"][0]["index"] for event in events[:-1]}
    assert 18 == events[-1]["usage"]["completion_tokens"]
    assert 18 == provider.journal.entries[-1].tokens
    assert 3 == len(provider.journal.entries[-1].texts)


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        },
    },
}


async def test_a_demanded_tool_is_called_with_arguments_of_its_schema(caller) -> None:
    _, answer = await caller.json(tools=[WEATHER], tool_choice="required")
    events = parsed(await caller.stream(tools=[WEATHER], tool_choice="required"))

    call = answer["choices"][0]["message"]["tool_calls"][0]
    assert {"city": "Paris", "days": 3} == orjson.loads(call["function"]["arguments"])
    assert "tool_calls" == answer["choices"][0]["finish_reason"]
    deltas = [event["choices"][0]["delta"].get("tool_calls") for event in events]
    streamed = "".join(delta[0]["function"]["arguments"] for delta in deltas if delta)
    assert call["function"]["arguments"] == streamed


async def test_tools_stay_unused_until_the_prompt_asks(caller) -> None:
    _, silent = await caller.json(tools=[WEATHER])
    _, asked = await caller.json(
        tools=[WEATHER], messages=[{"role": "user", "content": "Please use the tool."}]
    )

    assert "stop" == silent["choices"][0]["finish_reason"]
    assert "tool_calls" == asked["choices"][0]["finish_reason"]


async def test_usage_can_be_missing_zero_or_a_lie(caller) -> None:
    asked = {"stream_options": {"include_usage": True}}

    assert not any("usage" in e for e in parsed(await caller.stream("no_usage", **asked)))
    zero = parsed(await caller.stream("usage_zero", **asked))
    assert 0 == zero[-1]["usage"]["total_tokens"]
    lie = parsed(await caller.stream("completion_tokens=9999999", **asked))
    assert 9999999 == lie[-1]["usage"]["completion_tokens"]
    with_choice = parsed(await caller.stream("usage_with_choice,tokens=3", **asked))
    assert 1 == len(with_choice[-1]["choices"])
    assert 3 == with_choice[-1]["usage"]["completion_tokens"]


async def test_a_stream_can_lack_its_terminator_and_carry_comments(caller) -> None:
    raw = await caller.stream("no_done,comments,tokens=3")

    assert b"[DONE]" not in raw
    assert raw.startswith(b": ")


@pytest.mark.parametrize(
    ("encoding", "decompress"), [("gzip", gzip.decompress), ("br", brotli.decompress)]
)
async def test_compressed_answers_hold_the_same_bytes(caller, encoding, decompress) -> None:
    plain = parsed(await caller.stream("tokens=9"))
    async with caller.post(f"tokens=9,{encoding}", stream=True) as response:
        assert encoding == response.headers["Content-Encoding"]
        squeezed = parsed(decompress(await response.read()))

    assert [event["choices"] for event in plain] == [event["choices"] for event in squeezed]


async def test_each_compressed_event_can_be_read_at_once(caller) -> None:
    async with caller.post("tokens=9,gzip,fail=silent_after:3", stream=True) as response:
        inflate = zlib.decompressobj(wbits=31)
        seen = b""
        while seen.count(b"\n\n") < 3:
            seen += inflate.decompress(await response.content.readany())

    assert 3 == len(parsed(seen))


async def test_cutting_the_answer_into_single_bytes_changes_nothing(caller) -> None:
    whole = parsed(await caller.stream("tokens=4"))
    pieces = parsed(await caller.stream("tokens=4,split_bytes=1"))

    assert [event["choices"] for event in whole] == [event["choices"] for event in pieces]


@pytest.mark.parametrize("fault", ["reset_after", "close_after"])
async def test_a_broken_stream_is_seen_as_broken_and_journalled(caller, provider, fault) -> None:
    with pytest.raises(aiohttp.ClientError):
        await caller.stream(f"tokens=30,fail={fault}:10")

    entry = provider.journal.entries[-1]
    await provider.journal.wait_for(lambda _: entry.departure is not Departure.RUNNING)
    assert Departure.BROKEN_OFF is entry.departure
    # The first of the ten chunks brought the role only.
    assert 9 == entry.tokens


async def test_a_broken_document_is_seen_as_broken(caller) -> None:
    with pytest.raises(aiohttp.ClientError):
        await caller.json("fail=close_after:0")


async def test_a_client_that_leaves_during_the_delay_is_noticed(caller, provider) -> None:
    call = asyncio.ensure_future(caller.json("delay_ms=20000"))
    await provider.journal.wait_for(lambda journal: journal.total == 1)
    call.cancel()
    left_s = asyncio.get_running_loop().time()

    await provider.journal.wait_for(
        lambda journal: journal.entries[-1].departure is Departure.CLIENT_LEFT
    )
    entry = provider.journal.entries[-1]
    assert entry.ended_s - left_s < 0.05
    assert 0 == entry.tokens


async def test_a_client_that_leaves_a_silent_stream_is_noticed(caller, provider) -> None:
    async with caller.post("tokens=9,fail=silent_after:5", stream=True) as response:
        await provider.journal.wait_for(lambda journal: journal.entries[-1].tokens == 4)
        response.close()

    await provider.journal.wait_for(
        lambda journal: journal.entries[-1].departure is Departure.CLIENT_LEFT
    )


async def test_the_delay_paces_the_chunks(caller, provider) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await caller.stream("tokens=5,delay_ms=20,first_ms=0")

    # Seven chunks and the terminator: seven waits between them.
    assert loop.time() - began_s >= 7 * 0.02


@pytest.mark.parametrize(
    ("headers", "data", "status", "param"),
    [
        ({}, b"{}", 401, None),
        ({"Authorization": "Basic eDp5"}, b"{}", 401, None),
        (BEARER, b"{nonsense", 400, None),
        (BEARER, b"[]", 400, None),
        (BEARER, b'{"model":"gpt-4.1"}', 400, "messages"),
        (BEARER, b'{"messages":[{"role":"user","content":"x"}]}', 400, None),
        (BEARER, b'{"model":"m","messages":[{}],"n":0}', 400, "n"),
    ],
)
async def test_bad_requests_get_the_real_error_object(caller, headers, data, status, param) -> None:
    async with caller.post(data=data, headers=headers) as response:
        document = orjson.loads(await response.read())

    assert status == response.status
    assert {"message", "type", "param", "code"} == set(document["error"])
    assert param == document["error"]["param"]


async def test_another_key_than_the_configured_one_is_refused() -> None:
    provider = SimulatedProvider(api_key="sk-right")
    port = await provider.start()
    async with aiohttp.ClientSession() as session:
        _, document = await Caller(session, f"http://127.0.0.1:{port}").json()
    await provider.stop()

    assert "invalid_api_key" == document["error"]["code"]


async def test_scripted_errors_come_with_their_headers(caller, provider) -> None:
    response, document = await caller.json("status=429,retry_after=2")

    assert (429, "2") == (response.status, response.headers["Retry-After"])
    assert "rate_limit_exceeded" == document["error"]["code"]
    assert (429, 0) == (provider.journal.entries[-1].status, provider.journal.entries[-1].tokens)


async def test_an_unknown_option_is_refused_rather_than_ignored(caller) -> None:
    response, document = await caller.json("tokenz=3")

    assert 400 == response.status
    assert "tokenz" in document["error"]["message"]


async def test_the_instance_decides_what_the_header_leaves_open() -> None:
    provider = SimulatedProvider(script=Script(tokens=7))
    port = await provider.start()
    async with aiohttp.ClientSession() as session:
        _, answer = await Caller(session, f"http://127.0.0.1:{port}").json("cached=1")
    await provider.stop()

    assert 7 == answer["usage"]["completion_tokens"]


async def test_models_are_listed(caller) -> None:
    async with caller.session.get(f"{caller.base}/v1/models", headers=BEARER) as response:
        document = orjson.loads(await response.read())

    assert "list" == document["object"]
    assert "gpt-4.1" in {model["id"] for model in document["data"]}


async def test_the_published_journal_holds_neither_credential_nor_prompt(caller) -> None:
    secret = "canary-prompt-4711"
    await caller.json(messages=[{"role": "user", "content": secret}])
    async with caller.session.get(f"{caller.base}/_simulator/journal") as response:
        raw = await response.read()

    assert 1 == orjson.loads(raw)["total"]
    assert secret.encode() not in raw
    assert b"sk-simulated" not in raw
