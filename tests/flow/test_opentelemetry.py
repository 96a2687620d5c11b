"""Spans and GenAI metrics, as a collector gets them; and that no call waits for one."""

import asyncio
import contextlib
import subprocess
import sys
from time import monotonic

import pytest
from aiohttp import web
from support.gateways import (
    INPUT_UCR,
    MODEL,
    OUTPUT_UCR,
    PROVIDER_CREDENTIAL,
    free_port,
    running_gateway,
)
from support.otlp import Collector, running_collector, values
from support.redis_server import Server

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
CALLERS = f"00-{TRACE_ID}-b7ad6b7169203331-01"
PROMPT = "a-prompt-that-nobody-else-may-read"


class Provider:
    """Answers a chat completion and remembers what headers came with it."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        return web.json_response(
            {
                "id": "c",
                "object": "chat.completion",
                "model": MODEL,
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": "a-secret-completion"},
                        "finish_reason": "stop",
                    }
                ],
                "usage": {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107},
            }
        )


@pytest.fixture
async def provider():
    provider = Provider()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", provider.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield provider
    await runner.cleanup()


@pytest.fixture
def server():
    server = Server("redis").start()
    yield server
    server.stop()


def telemetry(url: str) -> str:
    return f'telemetry: {{otlp_url: "{url}"}}'


async def chat(gateway, **headers: str) -> int:
    messages = [{"role": "user", "content": PROMPT}]
    async with gateway.chat(messages=messages, headers=headers) as answer:
        await answer.read()
        return int(answer.status)


async def test_a_call_is_one_span_under_the_callers_and_above_the_providers(
    server, provider, tmp_path
) -> None:
    async with running_collector() as collector:
        async with running_gateway(
            tmp_path, server.url, provider_url=provider.url, more=telemetry(collector.url)
        ) as gateway:
            assert 200 == await chat(gateway, traceparent=CALLERS)
            key = gateway.key

    [span] = collector.spans
    assert (TRACE_ID, "b7ad6b7169203331") == (span.trace_id.hex(), span.parent_span_id.hex())
    assert f"00-{TRACE_ID}-{span.span_id.hex()}-01" == provider.headers[0]["traceparent"]
    assert f"chat {MODEL}" == span.name
    attributes = values(span.attributes)
    assert (
        attributes.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": MODEL,
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 7,
            "http.response.status_code": 200,
            "tollkeeper.provenance": "reported",
            "tollkeeper.cost_ucr": 100 * INPUT_UCR + 7 * OUTPUT_UCR,
        }.items()
    )
    assert "tollkeeper" == collector.resources[0]["service.name"]
    told = b"".join(collector.bodies)
    for secret in (PROMPT, "a-secret-completion", key, PROVIDER_CREDENTIAL):
        assert secret.encode() not in told
    tokens_and_time_are_measured(collector)


def tokens_and_time_are_measured(collector: Collector) -> None:
    points = collector.metrics["gen_ai.client.token.usage"].histogram.data_points
    used = {values(point.attributes)["gen_ai.token.type"]: point.sum for point in points}
    [duration] = collector.metrics["gen_ai.client.operation.duration"].histogram.data_points

    assert {"input": 100, "output": 7} == used
    assert (1, MODEL) == (duration.count, values(duration.attributes)["gen_ai.request.model"])
    assert "s" == collector.metrics["gen_ai.client.operation.duration"].unit


async def test_a_refusal_is_a_span_that_says_why_and_its_model_no_attribute_of_a_metric(
    server, provider, tmp_path
) -> None:
    async with running_collector() as collector:
        async with running_gateway(
            tmp_path, server.url, provider_url=provider.url, more=telemetry(collector.url)
        ) as gateway:
            async with gateway.chat(model="whatever-a-caller-makes-up") as answer:
                assert answer.status in (400, 403, 404)

    [span] = collector.spans
    assert 16 == len(span.trace_id)
    assert b"" == span.parent_span_id
    assert values(span.attributes)["error.type"]
    [duration] = collector.metrics["gen_ai.client.operation.duration"].histogram.data_points
    assert "other" == values(duration.attributes)["gen_ai.request.model"]


async def test_no_call_waits_for_a_collector_that_hangs(server, provider, tmp_path) -> None:
    hanging: list[tuple[asyncio.StreamWriter, asyncio.Event]] = []

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        over = asyncio.Event()
        hanging.append((writer, over))
        with contextlib.suppress(OSError):
            await reader.read()
            writer.close()
            await writer.wait_closed()
        over.set()

    collector = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{collector.sockets[0].getsockname()[1]}"
    async with collector:
        async with running_gateway(
            tmp_path, server.url, provider_url=provider.url, more=telemetry(url)
        ) as gateway:
            for _ in range(20):
                assert 200 == await chat(gateway)
            # Longer than between two attempts to send: the threads are at it.
            await asyncio.sleep(1.5)
            began = monotonic()
            assert 200 == await chat(gateway)
            assert monotonic() - began < 1.5
            leaving = monotonic()
        assert monotonic() - leaving < 15
        async with asyncio.timeout(20):
            for writer, over in hanging:
                writer.transport.abort()
                await over.wait()


async def test_a_collector_that_is_away_is_told_once(server, provider, tmp_path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    async with running_gateway(
        tmp_path, server.url, provider_url=provider.url, more=telemetry(nobody)
    ) as gateway:
        async with asyncio.timeout(40):
            while not (told := not_sent(gateway)):
                assert 200 == await chat(gateway)
                await asyncio.sleep(0.2)

    assert ["warning"] == [line["level"] for line in told]
    assert 1 == len(not_sent(gateway))


def not_sent(gateway) -> list[dict[str, object]]:
    return [line for line in gateway.lines.all() if line["event"] == "spans_not_sent"]


async def test_without_a_collector_the_callers_traceparent_crosses_as_it_came(
    server, provider, tmp_path
) -> None:
    async with running_gateway(tmp_path, server.url, provider_url=provider.url) as gateway:
        assert 200 == await chat(gateway, traceparent=CALLERS)

    assert CALLERS == provider.headers[0]["traceparent"]


def test_without_a_collector_what_sends_is_not_loaded() -> None:
    """redis-py looks for the SDK by itself; the exporters are ours alone."""
    script = (
        "import sys, gateway.cli, gateway.app.gateway\n"
        "print([name for name in sys.modules if 'otlp' in name])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "[]\n" == ran.stdout
