"""Tricks to be served more than is paid for: each is refused, or charged as what it is."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from support.abuse import besieged, chat
from support.gateways import INPUT_UCR, OUTPUT_UCR, account_with_key, post_chat, running_gateway
from support.raw_client import statuses, unlike

DIGITS = b'{"model":"gpt-4.1-mini","messages":[],"max_tokens":1%s}' % (b"0" * 30)


def asking(**more: Any) -> bytes:
    said: dict[str, Any] = {"model": "gpt-4.1-mini"}
    said["messages"] = [{"role": "user", "content": "hi"}]
    return chat(orjson.dumps(said | more))


REFUSED_400: Mapping[str, Mapping[str, Any]] = {
    "n of 0": {"n": 0},
    "n below 0": {"n": -1},
    "n of 129": {"n": 129},
    "n as text": {"n": "1"},
    "n as a fraction": {"n": 1.5},
    "n as true": {"n": True},
    "max_tokens below 0": {"max_tokens": -1},
    "max_tokens as a fraction": {"max_tokens": 5.5},
    "max_tokens as a whole fraction": {"max_tokens": 5.0},
    "max_tokens as text": {"max_tokens": "5"},
    "max_tokens as true": {"max_tokens": True},
    "max_tokens as a list": {"max_tokens": [5]},
    "max_tokens of 1e400": {"max_tokens": float(10**300)},
    "max_completion_tokens below 0": {"max_tokens": 5, "max_completion_tokens": -5},
    "stream as text": {"stream": "true"},
    "stream as 1": {"stream": 1},
    "stream_options as a list": {"stream": True, "stream_options": []},
    "messages as text": {"messages": "hi"},
    "messages missing": {"messages": None},
    "model as a list": {"model": ["gpt-4.1-mini"]},
    "model empty": {"model": ""},
    "model of 1 KB": {"model": "g" * 1_000},
    "model with a line break": {"model": "gpt-4.1-mini\n"},
    "model with NUL": {"model": "gpt-4.1-mini\0"},
    "model with a joiner": {"model": "gpt-4.1\u200d-mini"},
}

REFUSED_403: Mapping[str, Mapping[str, Any]] = {
    "model in capitals": {"model": "GPT-4.1-MINI"},
    "model with a space before": {"model": " gpt-4.1-mini"},
    "model with a space behind": {"model": "gpt-4.1-mini "},
    "model with another hyphen": {"model": "gpt\u20104.1\u2010mini"},
    "model in wide letters": {"model": "\uff47\uff50\uff54-4.1-mini"},
    "model with a Cyrillic letter": {"model": "g\u0440t-4.1-mini"},
    "model that is a pattern": {"model": "gpt-*"},
    "model of another vendor": {"model": "claude-opus-4"},
    "model that has no price": {"model": "gpt-unheard-of"},
    "model with a path": {"model": "../gpt-4.1-mini"},
    "model of a deployment": {"model": "gpt-4.1-mini/../gpt-5"},
}


async def test_what_cannot_be_sized_or_priced_is_refused_and_costs_nothing(
    tmp_path: Path, store_url: str
) -> None:
    async with besieged(tmp_path, store_url) as siege:
        bad = await siege.ask({name: asking(**more) for name, more in REFUSED_400.items()})
        assert {} == unlike(bad, [400])
        not_sold = await siege.ask({name: asking(**more) for name, more in REFUSED_403.items()})
        assert {} == unlike(not_sold, [403])
        assert [] == siege.upstream.taken()
        assert 0 == (await siege.tk.assert_books_balance()).charged_ucr


async def test_what_asks_for_more_than_there_is_is_told_so_before_the_provider_has_it(
    tmp_path: Path, store_url: str
) -> None:
    """Under `strict` a hold is the worst case: choices, candidates and either cap count."""
    completion = b'{"model":"gpt-4.1-mini","prompt":"hi","max_tokens":200,"best_of":20}'
    line = b"POST /v1/completions HTTP/1.1"
    dear = {
        "n": asking(n=128, max_tokens=100),
        "max_tokens": asking(max_tokens=1_000_000),
        "max_tokens of 30 digits": chat(DIGITS),
        "the larger of both caps": asking(max_tokens=1, max_completion_tokens=30_000),
        "the larger the other way": asking(max_tokens=30_000, max_completion_tokens=1),
        "no cap": asking(),
        "best_of": chat(completion, line=line),
    }
    # Credit for about 1 500 tokens of output.
    credit = 1_500 * OUTPUT_UCR / 1_000_000
    async with besieged(tmp_path, store_url, credit=credit, plan="{enforcement: strict}") as siege:
        answers = await siege.ask(dear)
        assert {} == unlike(answers, [429, 400])
        assert 6 <= sum(b"insufficient_quota" in each for each in answers.values())
        assert [] == siege.upstream.taken()
        assert [200] == statuses(await siege.one(asking(max_tokens=1_000)))


async def test_a_stream_is_metered_whatever_its_options_say(tmp_path: Path, store_url: str) -> None:
    charges = set()
    async with running_gateway(tmp_path, store_url) as tk:
        for options in ({}, {"include_usage": False}, {"include_usage": True}, None):
            more = {} if options == {} else {"stream_options": options}
            async with tk.chat(stream=True, simulate="tokens=50", **more) as answer:
                assert 200 == answer.status
                await answer.read()
            events = await tk.events()
            charges.add(events[-1]["charge_ucr"])
        assert 1 == len(charges)
        assert 50 * OUTPUT_UCR < charges.pop()
        await tk.assert_books_balance()


async def test_what_a_caller_says_of_its_own_usage_changes_no_charge(
    tmp_path: Path, store_url: str
) -> None:
    claims: Mapping[str, Mapping[str, Any]] = {
        "nothing": {},
        "usage": {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "cost": -1}},
        "cached": {"cached_tokens": 1_000, "prompt_cache_key": "x", "prompt_cache_hit_tokens": 9},
        "a price": {"price": 0, "cost": 0, "free": True, "rate_card": "none"},
        "another account": {"user": "other", "account_id": "other", "key": "tk_x"},
        "a mark to be cached": {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}
                    ],
                }
            ]
        },
    }
    async with besieged(tmp_path, store_url) as siege:
        for name, more in claims.items():
            assert [200] == statuses(await siege.one(asking(**more))), name
        events = await siege.tk.events()
        assert len(claims) == len(events)
        assert 1 == len({each["charge_ucr"] for each in events})
        assert {"reported"} == {each["provenance"] for each in events}
        await siege.tk.assert_books_balance()


async def test_who_leaves_just_before_the_usage_has_paid_for_all_of_it(
    tmp_path: Path, store_url: str
) -> None:
    """All words are there, and only the event with the usage is still to come."""
    async with running_gateway(tmp_path, store_url) as tk:
        async with tk.chat(stream=True, simulate="tokens=50") as answer:
            await answer.read()
        whole = (await tk.assert_books_balance()).charged_ucr
        async with tk.chat(stream=True, simulate="tokens=50,fail=silent_after:52") as answer:
            while b'"finish_reason":"stop"' not in (await answer.content.readline()):
                pass
        again = await tk.settled(charged=lambda ucr: ucr > whole)
        assert 0.95 * whole <= again.charged_ucr - whole <= 1.05 * whole


async def test_what_is_in_no_text_is_held_for_all_the_same(tmp_path: Path, store_url: str) -> None:
    """Files by URL or id: their tokens cannot be seen, so the context is held."""
    parts: Mapping[str, Mapping[str, Any]] = {
        "picture by URL": {"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/a.png"}},
        "file by id": {"type": "file", "file": {"file_id": "file-x"}},
        "of a kind unknown": {"type": "hologram", "hologram": {"url": "http://127.0.0.1:1/"}},
    }
    async with besieged(
        tmp_path, store_url, credit=100_000 * INPUT_UCR / 2_000_000, stored_objects="shared"
    ) as siege:
        for name, part in parts.items():
            request = asking(messages=[{"role": "user", "content": [part]}], max_tokens=1)
            answer = await siege.one(request)
            # A picture is counted as the dearest of its kind; what is opaque holds the context.
            assert [200 if name == "picture by URL" else 429] == statuses(answer), name


async def test_a_thousand_calls_at_once_on_credit_for_one_are_one_call(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url, credit=0, plan="{enforcement: strict}") as tk:
        # The prompt's bound is some 100 tokens, the output 1 000: credit for one and a half.
        key = await account_with_key(tk.session, granted_ucr=1_500 * OUTPUT_UCR, account="small")
        headers = {"Authorization": f"Bearer {key}", "x-simulate": "tokens=10,first_ms=12000"}

        async def one() -> int:
            async with post_chat(tk.http, tk.base_url, headers=headers, max_tokens=1_000) as answer:
                await answer.read()
                return int(answer.status)

        seen = await asyncio.gather(*(one() for _ in range(1_000)))
        assert 1 == seen.count(200)
        assert 999 == seen.count(429)
        assert 1 == tk.provider.journal.total


async def test_a_long_prompt_that_is_left_at_once_is_charged(
    tmp_path: Path, store_url: str
) -> None:
    words = 5_000
    body = orjson.dumps(
        {
            "model": "gpt-4.1-mini",
            "messages": [{"role": "user", "content": "toll " * words}],
        }
    )
    async with running_gateway(tmp_path, store_url) as tk:
        reader, writer = await asyncio.open_connection("127.0.0.1", tk.gateway.port)
        request = chat(body, b"x-simulate: first_ms=60000").replace(b"KEY", tk.key.encode())
        writer.write(request)
        async with asyncio.timeout(20):
            while not tk.provider.journal.total:
                await asyncio.sleep(0.01)
        writer.transport.abort()
        del reader
        await tk.settled(charged=lambda ucr: ucr > 0)
        found = await tk.assert_books_balance()
        assert words * INPUT_UCR <= found.charged_ucr <= 2 * words * INPUT_UCR


async def test_while_a_worker_is_late_who_begins_the_most_is_refused_first(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url, loop_lag_max_ms=5) as tk:
        quiet = await account_with_key(tk.session, granted_ucr=10_000_000, account="quiet")

        async def call() -> tuple[int, str]:
            async with tk.chat(max_tokens=1) as answer:
                code = orjson.loads(await answer.read()).get("error", {}).get("code", "")
                return int(answer.status), code

        async def block() -> None:
            while True:
                # The gateway's loop is this one.
                time.sleep(0.02)  # noqa: ASYNC251
                await asyncio.sleep(0.01)

        blocking = asyncio.ensure_future(block())
        told: set[tuple[int, str]] = set()
        async with asyncio.timeout(60):
            while (503, "overloaded") not in told:
                told.update(await asyncio.gather(*(call() for _ in range(60))))
        async with tk.chat(headers={"Authorization": f"Bearer {quiet}"}) as answer:
            assert 200 == answer.status
        blocking.cancel()
        await asyncio.gather(blocking, return_exceptions=True)

        assert told <= {(200, ""), (503, "overloaded")}
        # Nothing is counted any more when all is calm.
        async with asyncio.timeout(60):
            while (await call())[0] != 200:
                await asyncio.sleep(0.1)
        await tk.assert_books_balance()


async def test_a_noisy_account_leaves_room_for_others(tmp_path: Path, store_url: str) -> None:
    """At once, of a worker with room for eight: four of one account, and others still come in."""
    async with running_gateway(tmp_path, store_url, calls_max=8) as tk:

        async def hog() -> int:
            async with tk.chat(simulate="tokens=1,first_ms=60000") as answer:
                return int(answer.status)

        hogs = [asyncio.ensure_future(hog()) for _ in range(20)]
        async with asyncio.timeout(30):
            while sum(each.done() for each in hogs) < 16:
                await asyncio.sleep(0.01)
        assert {503} == {each.result() for each in hogs if each.done()}
        other = await account_with_key(tk.session, granted_ucr=10_000_000, account="quiet")
        for _ in range(3):
            async with tk.chat(headers={"Authorization": f"Bearer {other}"}) as answer:
                assert 200 == answer.status
        async with tk.chat() as answer:
            assert 503 == answer.status
            assert "1" == answer.headers["Retry-After"]
            assert "overloaded" == orjson.loads(await answer.read())["error"]["code"]
        for each in hogs:
            each.cancel()
        await asyncio.gather(*hogs, return_exceptions=True)
        await tk.settled()
        async with tk.chat() as answer:
            assert 200 == answer.status
