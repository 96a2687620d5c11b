"""Usage that nobody foresaw: told, kept and counted, never silently free."""

from pathlib import Path

from aiohttp import web
from support.gateways import running_gateway

from gateway.simulator.provider import SimulatedProvider

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4.1-mini",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    ],
    "service_tier": "priority",
    "usage": {
        "prompt_tokens": 10,
        "completion_tokens": 2,
        "total_tokens": 12,
        "completion_tokens_details": {"dreamt_tokens": 5},
        "new_units": 1.5,
        "server_tool_use": {"web_search_requests": 3},
    },
}


class OddProvider(SimulatedProvider):
    """Answers every chat as it likes."""

    def app(self) -> web.Application:
        async def answer(request: web.Request) -> web.Response:
            await request.read()
            return web.json_response(ANSWER)

        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        return app


async def test_what_has_no_price_is_told_counted_and_kept_with_the_event(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url, provider=OddProvider()) as tk:
        async with tk.chat() as answer:
            assert 200 == answer.status
        await tk.assert_books_balance()
        name = "tollkeeper_unpriced_uses_total"
        assert 1 == await tk.metric(rf'{name}{{unpriced="web_search"}}')
        assert 1 == await tk.metric(rf'{name}{{unpriced="service_tier"}}')
        assert 3 == await tk.metric(r'tollkeeper_pieces_total{piece="web_search"}')
        name = "tollkeeper_unmapped_usage_fields_total"
        assert 2 == await tk.metric(rf'{name}{{dialect="openai_chat"}}')
        [event] = [each.event for each in await tk.ledger.events(tk.account) if each.charges]

    assert [["web_search", 3]] == event["usage"]["pieces"]
    assert {"completion_tokens_details.dreamt_tokens": 5, "new_units": 1.5} == event["unmapped"]
    [line] = [line for line in tk.lines.all() if line["event"] == "used_without_price"]
    assert ("warning", "web_search, priority") == (line["level"], line["used"])
    assert event["event_id"] == line["request_id"]
