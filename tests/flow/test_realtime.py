"""Realtime sessions by the official SDK, through a real gateway: what they hear, what they pay."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from support.gateways import TestGateway, running_gateway
from websockets.exceptions import InvalidStatus

MODEL = "gpt-realtime"
# 4, 32, 16 and 64 US$ per million: µcr per token.
TEXT_IN, AUDIO_IN, TEXT_OUT, AUDIO_OUT = 400, 3_200, 1_600, 6_400
SECOND_OF_SPEECH = bytes(48_000)


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url) as gateway:
        yield gateway


def client_of(gateway: TestGateway, key: str | None = None) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=gateway.base_url, api_key=key or gateway.key, max_retries=0)


def connect(gateway: TestGateway, *, simulate: str = "", model: str = MODEL, **query: str) -> Any:
    return client_of(gateway).realtime.connect(
        model=model, extra_headers={"x-simulate": simulate}, extra_query=query
    )


def said(text: str) -> Any:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


async def until(connection: Any, kind: str) -> list[Any]:
    """The events up to the first of that kind, which is the last of them."""
    events: list[Any] = []
    async with asyncio.timeout(10):
        async for event in connection:
            events.append(event)
            if event.type == kind:
                return events
    raise AssertionError(f"no {kind} among {[event.type for event in events]}")


async def test_a_response_is_heard_as_it_was_said_and_charged_as_it_was_reported(gateway):
    async with connect(gateway, simulate="tokens=7") as connection:
        await connection.conversation.item.create(item=said("What is a toll road?"))
        await connection.response.create()
        events = await until(connection, "response.done")
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    usage = events[-1].response.usage
    books = await gateway.assert_books_balance()
    (event,) = await gateway.events()

    assert gateway.provider.journal.entries[-1].texts == [text]
    assert 7 == usage.output_tokens
    assert usage.input_tokens * TEXT_IN + 7 * TEXT_OUT == books.charged_ucr
    assert ("openai_realtime", "gpt-realtime", "reported", "completed") == tuple(
        event[name] for name in ("dialect", "model", "provenance", "end")
    )


async def test_each_response_is_an_event_of_its_own_and_the_last_hold_is_given_back(gateway):
    async with connect(gateway, simulate="tokens=3") as connection:
        for _ in range(3):
            await connection.response.create()
            await until(connection, "response.done")
        held = (await gateway.balance()).held_ucr
    events = await gateway.events()
    books = await gateway.assert_books_balance()

    assert held > 0
    assert 3 == len({event["event_id"] for event in events})
    # The instructions and what was said before are read again each time.
    assert (10 + 13 + 16) * TEXT_IN + 9 * TEXT_OUT == books.charged_ucr


async def test_speech_is_charged_by_its_own_classes_and_its_transcription_by_its_own_model(gateway):
    async with connect(gateway, simulate="tokens=4") as connection:
        await connection.session.update(
            session={
                "type": "realtime",
                "output_modalities": ["audio"],
                "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}},
            }
        )
        await until(connection, "session.updated")
        await connection.input_audio_buffer.append(
            audio=base64.b64encode(SECOND_OF_SPEECH).decode()
        )
        await connection.input_audio_buffer.commit()
        await until(connection, "conversation.item.input_audio_transcription.completed")
        await connection.response.create()
        await until(connection, "response.done")
    transcription, response = await gateway.events()
    await gateway.assert_books_balance()

    assert ("gpt-4o-transcribe", 10 * 600 + 5 * 1_000) == (
        transcription["model"],
        transcription["charge_ucr"],
    )
    assert 10 * TEXT_IN + 10 * AUDIO_IN + 4 * TEXT_OUT + 4 * AUDIO_OUT == response["charge_ucr"]


async def test_a_transcriber_without_a_price_never_reaches_the_provider(gateway):
    async with connect(gateway) as connection:
        await until(connection, "session.created")
        transcription = {"model": "gpt-unpriced-transcribe"}
        await connection.session.update(
            session={"type": "realtime", "audio": {"input": {"transcription": transcription}}},
            event_id="mine",
        )
        (error,) = await until(connection, "error")

    assert ("model_not_priced", "mine") == (error.error.code, error.error.event_id)


async def test_when_credit_ends_the_response_is_cancelled_and_the_session_closed_with_a_reason(
    tmp_path, store_url
):
    """A fifth of a credit is some 40 tokens; the simulator would say 500."""
    plan = "{enforcement: rolling, slice_tokens: 16}"
    async with running_gateway(tmp_path, store_url, credit=0.2, plan=plan) as gateway:
        async with connect(gateway, simulate="tokens=500,delay_ms=5") as connection:
            await connection.response.create()
            events = await until(connection, "response.done")
            (error,) = await until(connection, "error")
            # The SDK ends its iteration without an error: the session closed normally.
            assert [] == [event async for event in connection]
        books = await gateway.assert_books_balance()
        (event,) = await gateway.events()

    produced = gateway.provider.journal.entries[-1].tokens
    assert "cancelled" == events[-1].response.status
    assert "insufficient_quota" == error.error.code
    assert ("cut_by_quota", 10 * TEXT_IN + produced * TEXT_OUT) == (
        event["end"],
        event["charge_ucr"],
    )
    assert produced < 100
    # What the provider said before it heard the cancellation is charged: a debt, and bounded.
    assert books.debt_ucr <= 20 * TEXT_OUT


async def test_without_credit_no_session_opens(tmp_path, store_url):
    async with running_gateway(tmp_path, store_url, credit=0) as gateway:
        with pytest.raises(InvalidStatus) as refused:
            await connect(gateway).enter()

        assert 429 == refused.value.response.status_code
        assert b"insufficient_quota" in refused.value.response.body
        assert [] == list(gateway.provider.journal.entries)


async def test_a_client_that_leaves_pays_for_what_was_said_and_the_provider_is_left(gateway):
    connection = await connect(gateway, simulate="tokens=500,delay_ms=10").enter()
    await connection.response.create()
    for _ in range(8):
        await connection.recv()
    await connection.close()
    books = await gateway.assert_books_balance()
    (event,) = await gateway.events()
    entry = gateway.provider.journal.entries[-1]

    assert "client_left" == event["end"]
    assert "counted" == event["provenance"]
    assert 0 < books.charged_ucr <= 2_000 * TEXT_IN + entry.tokens * TEXT_OUT
    assert entry.tokens < 100


async def test_a_refused_upgrade_is_told_and_costs_nothing(gateway):
    with pytest.raises(InvalidStatus) as refused:
        await connect(gateway, simulate="status=503").enter()

    assert 502 == refused.value.response.status_code
    assert 0 == (await gateway.assert_books_balance()).charged_ucr


async def test_a_browser_presents_its_key_as_a_subprotocol(gateway):
    url = f"{gateway.base_url}/realtime?model={MODEL}"
    offered = ["realtime", f"openai-insecure-api-key.{gateway.key}"]
    async with gateway.http.ws_connect(url, protocols=offered) as socket:
        created = await socket.receive_json()
    sent = gateway.provider.journal.entries[-1].headers

    assert ("session.created", "realtime") == (created["type"], socket.protocol)
    assert gateway.key not in str(sent)


async def test_an_alias_is_told_to_the_provider_under_its_own_name(gateway):
    async with connect(gateway, model="talk") as connection:
        await until(connection, "session.created")

    assert f"/v1/realtime?model={MODEL}" == gateway.provider.journal.entries[-1].path


async def test_the_path_asked_without_an_upgrade_says_what_it_is_for(gateway):
    headers = {"Authorization": f"Bearer {gateway.key}"}
    async with gateway.http.get(f"{gateway.base_url}/realtime", headers=headers) as answer:
        assert 400 == answer.status
        assert "WebSocket" in (await answer.json())["error"]["message"]


async def test_a_draining_gateway_ends_sessions_and_settles_them(tmp_path, store_url):
    async with running_gateway(tmp_path, store_url, drain_s=0.2) as gateway:
        connection = await connect(gateway, simulate="tokens=500,delay_ms=10").enter()
        await connection.response.create()
        for _ in range(6):
            await connection.recv()
        await gateway.gateway.drain()
        (event,) = await gateway.events()
        await gateway.assert_books_balance()
        await connection.close()

    assert "cut_by_shutdown" == event["end"]
    assert event["charge_ucr"] > 0


async def test_a_key_that_is_not_valid_opens_nothing(gateway):
    url = f"{gateway.base_url}/realtime?model={MODEL}"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await gateway.http.ws_connect(url, headers={"Authorization": "Bearer tk_x"})

    assert 401 == refused.value.status
