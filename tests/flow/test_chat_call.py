"""A chat completion end to end: the provider's bytes reach the client, and are paid for."""

import gzip
from pathlib import Path

import brotli
import orjson
import pytest
from support.gateways import INPUT_UCR, MODEL, OUTPUT_UCR, running_gateway

JSON_ANSWER = "tokens=12"


def data_of(stream: bytes) -> list[bytes]:
    return [line[6:] for line in stream.split(b"\n") if line.startswith(b"data: ")]


async def test_a_json_answer_passes_and_is_charged_as_reported(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        async with tk.chat(simulate=JSON_ANSWER) as answer:
            document = orjson.loads(await answer.read())
            assert 200 == answer.status
        usage = document["usage"]
        expected = usage["prompt_tokens"] * INPUT_UCR + usage["completion_tokens"] * OUTPUT_UCR
        balance = await tk.assert_books_balance()
        assert expected == balance.charged_ucr
        [event] = await tk.events()
        assert "reported" == event["provenance"]
        assert MODEL == event["model"]


async def test_a_stream_hides_the_usage_nobody_asked_for_and_nothing_else(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        async with tk.chat(simulate="tokens=20", stream=True) as answer:
            assert "text/event-stream" in answer.headers["Content-Type"]
            events = data_of(await answer.read())
        [entry] = tk.provider.journal.entries
        assert orjson.loads(entry.body)["stream_options"] == {"include_usage": True}
        assert b"[DONE]" == events[-1]
        chunks = [orjson.loads(event) for event in events[:-1]]
        assert all(chunk["choices"] for chunk in chunks)
        text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
        assert entry.texts[0] == text
        balance = await tk.assert_books_balance()
        assert entry.prompt_tokens * INPUT_UCR + 20 * OUTPUT_UCR == balance.charged_ucr


async def test_a_stream_keeps_the_usage_that_was_asked_for(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        async with tk.chat(
            simulate="tokens=5", stream=True, stream_options={"include_usage": True}
        ) as answer:
            events = data_of(await answer.read())
        usage = orjson.loads(events[-2])
        assert [] == usage["choices"]
        assert 5 == usage["usage"]["completion_tokens"]


@pytest.mark.parametrize("asked", [True, False])
async def test_bytes_are_those_of_the_provider(
    tmp_path: Path, store_url: str, *, asked: bool
) -> None:
    """The same scripted answer, fetched directly and through the gateway."""
    body = {
        "model": MODEL,
        "stream": True,
        "messages": [{"role": "user", "content": "Ünïcode, please"}],
        "stream_options": {"include_usage": asked},
    }
    script = {"x-simulate": "tokens=30,split_bytes=7", "Authorization": "Bearer any"}
    async with running_gateway(tmp_path, store_url) as tk:
        direct_url = tk.gateway._settings.providers["simulated"].base_url
        direct_url += "/v1/chat/completions"
        async with tk.http.post(direct_url, json=body, headers=script) as answer:
            direct = await answer.read()
        async with tk.chat(simulate="tokens=30,split_bytes=7", **body) as answer:
            through = await answer.read()
    assert _without_ids(direct) == _without_ids(through)


def _without_ids(stream: bytes) -> list[object]:
    """Ids, times and the null usage that comes with asking differ from call to call."""
    chunks: list[object] = []
    for event in data_of(stream):
        if event == b"[DONE]":
            chunks.append("done")
            continue
        chunk = orjson.loads(event)
        for name in ("id", "created", "usage", "obfuscation"):
            chunk.pop(name, None)
        chunks.append(chunk)
    return chunks


@pytest.mark.parametrize("encoding", ["gzip", "br"])
@pytest.mark.parametrize("stream", [True, False])
async def test_compressed_answers_pass_untouched_and_are_metered(
    tmp_path: Path, store_url: str, encoding: str, *, stream: bool
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        options = {"stream_options": {"include_usage": True}} if stream else {}
        async with tk.chat(
            simulate=f"tokens=40,{encoding}",
            headers={"Accept-Encoding": encoding},
            stream=stream,
            **options,
        ) as answer:
            raw = await answer.read()
            assert encoding == answer.headers["Content-Encoding"]
        plain = gzip.decompress(raw) if encoding == "gzip" else brotli.decompress(raw)
        assert b"chat.completion" in plain
        [event] = await _events_after(tk)
        assert "reported" == event["provenance"]
        assert 40 == event["usage"]["output_text"]


async def _events_after(tk) -> list:
    await tk.settled()
    return await tk.events()


async def test_an_alias_is_resolved_and_priced_as_its_model(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        async with tk.chat(model="fast", simulate=JSON_ANSWER) as answer:
            assert 200 == answer.status
        [entry] = tk.provider.journal.entries
        assert MODEL == orjson.loads(entry.body)["model"]
        [event] = await _events_after(tk)
        assert ("fast", MODEL) == (event["model_requested"], event["model"])


async def test_an_error_of_the_provider_is_passed_on_and_costs_nothing(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        async with tk.chat(simulate="status=429,retry_after=7") as answer:
            assert 429 == answer.status
            assert "7" == answer.headers["Retry-After"]
            assert b"rate_limit" in await answer.read()
        balance = await tk.assert_books_balance()
        assert 0 == balance.charged_ucr
        assert [] == await tk.events()


@pytest.mark.parametrize(
    "simulate", ["tokens=25,no_usage", "tokens=25,usage_zero", "tokens=25,no_usage,no_done"]
)
async def test_a_stream_without_believable_usage_is_counted_never_free(
    tmp_path: Path, store_url: str, simulate: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        async with tk.chat(simulate=simulate, stream=True) as answer:
            await answer.read()
        await tk.assert_books_balance()
        [event] = await tk.events()
        assert "counted" == event["provenance"]
        assert 25 == event["usage"]["output_text"]
        assert event["usage"]["input_uncached"] > 0


async def test_free_endpoints_need_a_key_and_charge_nothing(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        async with tk.http.get(f"{tk.base_url}/models") as answer:
            assert 401 == answer.status
        headers = {"Authorization": f"Bearer {tk.key}"}
        async with tk.http.get(f"{tk.base_url}/models", headers=headers) as answer:
            assert 200 == answer.status
            assert "list" == orjson.loads(await answer.read())["object"]
        assert 0 == (await tk.assert_books_balance()).charged_ucr


async def test_the_log_has_one_line_per_call_with_the_charge(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        async with tk.chat(simulate=JSON_ANSWER) as answer:
            request_id = answer.headers["x-tollkeeper-request-id"]
            await answer.read()
        balance = await tk.assert_books_balance()
        lines = tk.lines
    [line] = lines.calls()
    assert request_id == line["request_id"]
    assert balance.charged_ucr == line["cost_ucr"]
    assert "completed" == line["end"]
    assert "toll roads" not in lines.text()
    assert tk.key not in lines.text()


async def test_the_same_idempotency_key_twice_is_two_calls_for_the_provider_and_for_us(
    tmp_path: Path, store_url: str
) -> None:
    """It is the provider's to honour: it comes there as it was sent, with each call."""
    key = {"Idempotency-Key": "order-17"}
    async with running_gateway(tmp_path, store_url) as tk:
        for _ in range(2):
            async with tk.chat(simulate="tokens=5", headers=key) as answer:
                assert 200 == answer.status
                await answer.read()
        first, second = tk.provider.journal.entries
        assert ["order-17"] * 2 == [each.headers["Idempotency-Key"] for each in (first, second)]
        balance = await tk.assert_books_balance()
        made_ucr = first.prompt_tokens * INPUT_UCR + first.tokens * OUTPUT_UCR
        assert 2 * made_ucr == balance.charged_ucr
