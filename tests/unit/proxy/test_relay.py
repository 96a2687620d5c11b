"""What reaches a client whose credit ends: whole events, whatever pieces they came in."""

import asyncio
from types import SimpleNamespace

import orjson
import pytest

from gateway.dialects import DIALECTS
from gateway.metering.call import Call
from gateway.metering.events import End
from gateway.metering.pricing import ModelPrice, Rates, Tier
from gateway.metering.sanity import UNBOUNDED
from gateway.metering.usage import Usage
from gateway.proxy.meter import Meter
from gateway.proxy.relay import Relay
from gateway.tokens.base import EncodingRule
from gateway.tokens.counter import TiktokenCounter

COUNTER = TiktokenCounter((EncodingRule(match="*", encoding="o200k_base"),))
CALL = Call(model="m", stream=True, wants_usage=True)
EVENT_TOKENS = 20


class Client:
    """Takes everything at once."""

    crowded = left = False

    def __init__(self):
        self.seen = b""
        self.finished = False

    def write(self, data):
        self.seen += data

    def finish(self):
        self.finished = True

    def flush(self):
        pass


PRICE = ModelPrice(model="m", tiers=(Tier(0, Rates.of({})),))


class Provider:
    """An answer that is handed over by hand."""

    over = cancelled = False
    error = None

    def relay_to(self, sink, *, ended):
        self.deliver, self._ended = sink, ended

    def end(self):
        self.over = True
        self._ended()

    def pause(self):
        pass

    def resume(self):
        pass

    def cancel(self):
        self.cancelled = True


class Hold:
    """Of so many tokens, and no more."""

    def __init__(self, tokens):
        self.tokens = tokens
        plan = SimpleNamespace(slice_tokens=16)
        self.ticket = SimpleNamespace(
            full=False, drain_s=0.0, call=CALL, caller=SimpleNamespace(plan=plan)
        )

    def covered(self, _meter):
        return Usage(output_text=self.tokens)

    async def extend(self, *_, **__):
        return False


def event(words: int, *, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": " toll" * words}, "finish_reason": finish_reason}
    delta = {"choices": [choice]}
    return b"data: " + orjson.dumps(delta) + b"\n\n"


async def relayed(pieces, *, tokens):
    """What the client got of these pieces on that much credit, how it ended, what is charged."""
    ticket = SimpleNamespace(
        model="m", prompt=Usage(input_uncached=1), prompt_exact=True, call=CALL, price=PRICE
    )
    reader = DIALECTS["openai_chat"].answer_reader(CALL, content_type="text/event-stream")
    meter = Meter(
        ticket,
        reader,
        counter=COUNTER,
        decode=None,
        most_tokens=UNBOUNDED.tokens,
        disbelieved=lambda: None,
    )
    client, provider = Client(), Provider()
    relay = Relay(provider, client, meter=meter, hold=Hold(tokens))
    running = asyncio.get_running_loop().create_task(relay.run())
    await asyncio.sleep(0)
    for piece in pieces:
        if not provider.cancelled:
            provider.deliver(piece)
        await asyncio.sleep(0)
    provider.end()
    return client, await running, meter.usage_so_far().output_text


@pytest.mark.parametrize("size", [1, 7, 19, 200])
@pytest.mark.parametrize("tokens", [21, 30, 45, 59])
async def test_a_stream_is_cut_between_events_only(size, tokens):
    stream = event(EVENT_TOKENS) * 4
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]

    client, end, charged_tokens = await relayed(pieces, tokens=tokens)

    assert (End.CUT_BY_QUOTA, True) == (end, client.finished)
    events = [line[6:] for line in client.seen.split(b"\n\n")][:-1]
    assert b"[DONE]" == events[-1]
    texts = [
        choice["delta"].get("content", "")
        for each in events[:-1]
        for choice in orjson.loads(each)["choices"]
    ]
    assert charged_tokens == sum(text.count("toll") for text in texts)


async def test_an_event_that_was_not_paid_for_ends_nothing():
    """The last one would have closed the choice; the client never saw it, so we close it."""
    stream = event(EVENT_TOKENS) + event(EVENT_TOKENS, finish_reason="stop")

    client, end, charged_tokens = await relayed([stream], tokens=25)

    assert (End.CUT_BY_QUOTA, EVENT_TOKENS) == (end, charged_tokens)
    assert b'"finish_reason":"length"' in client.seen
    assert b'"finish_reason":"stop"' not in client.seen
