"""Several providers of one model: which is asked, which next, and that it stays one charge."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.gateways import (
    INPUT_UCR,
    MODEL,
    OUTPUT_UCR,
    PROVIDER_CREDENTIAL,
    TestGateway,
    running_gateway,
)
from support.raw_server import Peer, RawServer, answering
from support.routed import Routed, routed

from gateway.simulator.journal import Entry

A_THEN_B = "{name: a}, {name: b, priority: 2}"
DEAR = """\
version: dear
effective_from: 2026-11-23
source: tests
checked: 2026-11-23
models:
  gpt-4.1-mini: {input: "0.80", output: "3.20", context_tokens: 100000, max_output_tokens: 32768}
"""


async def test_calls_are_shared_by_weight(tmp_path: Path, store_url: str) -> None:
    async with routed(tmp_path, store_url, "{name: a, weight: 3}, {name: b}") as tk:
        for _ in range(60):
            assert 200 == (await tk.call())[0]
        await tk.gateway.assert_books_balance()

        # Three quarters of sixty, within five standard deviations.
        assert 60 == tk.asked("a") + tk.asked("b")
        assert 28 <= tk.asked("a") <= 59


async def test_the_next_priority_waits_until_it_is_needed(tmp_path: Path, store_url: str) -> None:
    async with routed(tmp_path, store_url, A_THEN_B) as tk:
        for _ in range(10):
            assert "a" == await tk.served()

        assert 0 == tk.asked("b")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("trouble", ["status=503", "status=500", "status=429"])
async def test_what_is_not_answered_goes_to_the_next_within_one_hold(
    tmp_path: Path, store_url: str, trouble: str, *, stream: bool
) -> None:
    async with routed(tmp_path, store_url, A_THEN_B) as tk:
        tk.set("a", trouble)
        async with tk.gateway.chat(stream=stream, max_tokens=5) as answer:
            body = await answer.read()
            assert 200 == answer.status, body
        balance = await tk.gateway.assert_books_balance()
        [event] = await tk.gateway.events()
        [line] = await told(tk.gateway, "call")

        assert (1, 1) == (tk.asked("a"), tk.asked("b"))
        assert ("b", 2) == (event["provider"], event["attempts"])
        assert ("b", 2, 200) == (line["provider"], line["attempts"], line["status"])
        [entry] = tk.providers["b"].journal.entries
        owed_ucr = entry.prompt_tokens * INPUT_UCR + entry.tokens * OUTPUT_UCR
        assert owed_ucr == balance.charged_ucr
        assert 1 == await tk.gateway.metric(r"tollkeeper_failovers_total\{[^}]*\}")


async def test_a_provider_that_is_not_reached_is_passed_over(
    tmp_path: Path, store_url: str
) -> None:
    async with routed(tmp_path, store_url, A_THEN_B, down=["a"]) as tk:
        assert "b" == await tk.served()
        await tk.gateway.assert_books_balance()

        assert 1 == await tk.gateway.metric(r'tollkeeper_failovers_total\{attempt="connect",.*\}')


async def test_one_that_breaks_off_before_it_answers_is_passed_over(
    tmp_path: Path, store_url: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.reset()

    async with RawServer(script) as server:
        first, route = before_simulated(server.url)
        async with running_gateway(tmp_path, store_url, providers=first, routes=route) as gateway:
            async with gateway.chat() as answer:
                assert 200 == answer.status
            await gateway.assert_books_balance()
            [event] = await gateway.events()

            assert ("simulated", 2) == (event["provider"], event["attempts"])
            assert 1 == await gateway.metric(r'tollkeeper_failovers_total\{attempt="reset",.*\}')


async def test_one_that_may_still_be_at_work_is_not_doubled(tmp_path: Path, store_url: str) -> None:
    settings = {"a": "first_byte_timeout_s: 0.3"}
    async with routed(tmp_path, store_url, A_THEN_B, settings=settings) as tk:
        tk.set("a", "first_ms=60000")
        status, _ = await tk.call()

        assert (504, 0) == (status, tk.asked("b"))
        assert 0 == (await tk.gateway.assert_books_balance()).charged_ucr


async def test_what_is_wrong_with_the_request_is_not_asked_twice(
    tmp_path: Path, store_url: str
) -> None:
    async with routed(tmp_path, store_url, A_THEN_B) as tk:
        tk.set("a", "status=400")
        status, _ = await tk.call()

        assert (400, 0) == (status, tk.asked("b"))
        assert 0 == (await tk.gateway.assert_books_balance()).charged_ucr


async def test_after_the_first_byte_nothing_is_asked_again(tmp_path: Path, store_url: str) -> None:
    async with routed(tmp_path, store_url, A_THEN_B) as tk:
        tk.set("a", "tokens=50,fail=reset_after:10")
        async with tk.gateway.chat(stream=True) as answer:
            assert 200 == answer.status
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
        balance = await tk.gateway.assert_books_balance()
        [event] = await tk.gateway.events()

        assert ("a", "upstream_failed", 1) == (event["provider"], event["end"], event["attempts"])
        assert 0 < balance.charged_ucr
        assert 0 == tk.asked("b")


async def test_when_all_fail_the_last_ones_error_passes_as_it_came(
    tmp_path: Path, store_url: str
) -> None:
    overloaded = (
        b"HTTP/1.1 529 Overloaded Now\r\nX-Theirs: kept\r\nContent-Length: 9\r\n\r\nnot today"
    )
    async with RawServer(answering(overloaded)) as server:
        last = f'  last: {{base_url: "{server.url}", auth: none}}\n'
        route = (
            f'  - {{match: "{MODEL}", providers: [{{name: simulated}}, '
            "{name: last, priority: 2}]}\n"
        )
        async with running_gateway(tmp_path, store_url, providers=last, routes=route) as gateway:
            async with gateway.chat(simulate="status=503") as answer:
                body = await answer.read()
            balance = await gateway.assert_books_balance()
            [line] = await told(gateway, "call")

    assert (529, "Overloaded Now", b"not today") == (answer.status, answer.reason, body)
    assert "kept" == answer.headers["X-Theirs"]
    assert 0 == balance.charged_ucr
    assert ("last", 2) == (line["provider"], line["attempts"])


async def test_no_more_are_asked_than_may_be(tmp_path: Path, store_url: str) -> None:
    three = "{name: a}, {name: b, priority: 2}, {name: c, priority: 3}"
    async with routed(
        tmp_path, store_url, three, names=("a", "b", "c"), more="failover: {attempts_max: 2}"
    ) as tk:
        tk.set("a", "status=503")
        tk.set("b", "status=502")

        assert 502 == (await tk.call())[0]
        assert 0 == tk.asked("c")
        assert 0 == (await tk.gateway.assert_books_balance()).charged_ucr


async def test_a_models_own_policy_stands_in_place_of_the_common_one(
    tmp_path: Path, store_url: str
) -> None:
    own, common = "retry_on: [502], attempts_max: 2", "failover: {attempts_max: 1}"
    async with routed(tmp_path, store_url, A_THEN_B, failover=own, more=common) as tk:
        tk.set("a", "status=502")
        assert "b" == await tk.served()
        tk.set("a", "status=503")

        assert 503 == (await tk.call())[0]
        assert 1 == tk.asked("b")
        await tk.gateway.assert_books_balance()
        assert 1 == len(await tk.gateway.events())


async def test_in_another_round_the_same_provider_is_asked_within_the_same_hold(
    tmp_path: Path, store_url: str
) -> None:
    policy = "rounds: 10, attempts_max: 16, round_pause_s: 0.1"
    health = {"a": "health: {failures_max: 100}"}
    async with routed(
        tmp_path, store_url, "{name: a}", names=("a",), failover=policy, settings=health
    ) as tk:
        tk.set("a", "status=503")
        call = asyncio.ensure_future(tk.served())
        await until(lambda: tk.asked("a") >= 2)
        tk.set("a", "")

        assert "a" == await call
        await tk.gateway.assert_books_balance()
        [event] = await tk.gateway.events()
        assert tk.asked("a") == event["attempts"] >= 3


async def test_what_no_attempt_answered_by_its_deadline_is_given_up_and_costs_nothing(
    tmp_path: Path, store_url: str
) -> None:
    own = "answer_deadline_s: 0.5, retry_on: [503, timeout]"
    health = {"b": "health: {failures_max: 1, ejection_s: 600}"}
    async with routed(tmp_path, store_url, A_THEN_B, failover=own, settings=health) as tk:
        tk.set("a", "status=503")
        tk.set("b", "first_ms=60000")
        status, answer = await tk.call()
        balance = await tk.gateway.assert_books_balance()

        assert (504, "upstream_timeout") == (status, answer["error"]["code"])
        assert (1, 1) == (tk.asked("a"), tk.asked("b"))
        assert 0 == balance.charged_ucr
        # A call's own deadline says nothing against a provider that had a moment only.
        assert 0 == await tk.gateway.metric(r'tollkeeper_provider_ejections_total\{provider="b"\}')


async def test_an_answer_that_goes_on_beyond_its_deadline_is_broken_off_and_charged(
    tmp_path: Path, store_url: str
) -> None:
    own = "total_deadline_s: 0.7"
    async with routed(tmp_path, store_url, A_THEN_B, failover=own) as tk:
        tk.set("a", "tokens=2000,delay_ms=50")
        async with tk.gateway.chat(stream=True) as answer:
            assert 200 == answer.status
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
        balance = await tk.gateway.assert_books_balance()
        [event] = await tk.gateway.events()

        assert ("upstream_failed", "counted") == (event["end"], event["provenance"])
        [entry] = tk.providers["a"].journal.entries
        assert 0 < balance.charged_ucr <= entry.prompt_tokens * INPUT_UCR + 2000 * OUTPUT_UCR
        assert 0 == tk.asked("b")


async def test_a_probe_brings_a_provider_back_before_its_time_and_costs_nothing(
    tmp_path: Path, store_url: str
) -> None:
    probed = "health: {failures_max: 1, ejection_s: 600}, probe: {interval_s: 1}"
    async with routed(tmp_path, store_url, A_THEN_B, settings={"a": probed}) as tk:
        tk.set("a", "status=500")
        assert "b" == await tk.served()
        charged_ucr = (await tk.gateway.assert_books_balance()).charged_ucr
        tk.set("a", "")
        await until(lambda: bool(probes_at(tk, "a")))
        assert charged_ucr == (await tk.gateway.assert_books_balance()).charged_ucr
        await until_served_by(tk, "a")

        [first, *_] = probes_at(tk, "a")
        assert f"Bearer {PROVIDER_CREDENTIAL}" == first.headers["Authorization"]
        assert tk.gateway.key not in str(first.headers)
        assert 1 <= await tk.gateway.metric(r'tollkeeper_provider_probes_total\{.*"well".*\}')


async def test_probes_that_fail_take_a_provider_out_before_a_call_meets_it(
    tmp_path: Path, store_url: str
) -> None:
    probed = "health: {failures_max: 1, ejection_s: 600}, probe: {interval_s: 1}"
    async with routed(tmp_path, store_url, A_THEN_B, settings={"a": probed}, down=["a"]) as tk:
        await told(tk.gateway, "provider_ejected")

        assert "b" == await tk.served()
        [event] = await tk.gateway.events()
        assert 1 == event["attempts"]


async def test_the_hold_covers_the_dearest_and_the_charge_is_by_who_served(
    tmp_path: Path, store_url: str
) -> None:
    (tmp_path / "dear.yaml").write_text(DEAR)
    async with routed(tmp_path, store_url, A_THEN_B, settings={"b": "prices: [dear.yaml]"}) as tk:
        assert "a" == await tk.served()
        tk.set("a", "status=503")
        assert "b" == await tk.served()
        await tk.gateway.assert_books_balance()
        cheap, dear = await tk.gateway.events()

        assert cheap["held_ucr"] == dear["held_ucr"] >= dear["charge_ucr"]
        assert 2 * cheap["charge_ucr"] == dear["charge_ucr"]
        assert cheap["rate_version"] != dear["rate_version"]


async def test_each_is_asked_by_its_own_name_for_the_model(tmp_path: Path, store_url: str) -> None:
    upstreams = (
        "{name: a, upstream_model: gpt-4.1-mini}, "
        "{name: b, priority: 2, upstream_model: gpt-tiered}"
    )
    async with routed(tmp_path, store_url, upstreams, match="quick") as tk:
        tk.set("a", "status=503")
        status, _ = await tk.call(model="quick")
        await tk.gateway.settled()
        [event] = await tk.gateway.events()

        assert (200, "quick", "gpt-tiered") == (status, event["model_requested"], event["model"])
        [entry] = tk.providers["b"].journal.entries
        assert b'"model":"gpt-tiered"' in entry.body.replace(b" ", b"")


async def test_too_many_requests_cool_the_model_there_for_as_long_as_it_says(
    tmp_path: Path, store_url: str
) -> None:
    async with routed(
        tmp_path, store_url, A_THEN_B, settings={"a": "health: {cooling_longest_s: 600}"}
    ) as tk:
        tk.set("a", "status=429,retry_after=600")
        assert "b" == await tk.served()
        tk.set("a", "")
        for _ in range(5):
            assert "b" == await tk.served()
        [cooled] = await told(tk.gateway, "provider_cooled")

        assert 1 == tk.asked("a")
        assert ("a", MODEL, 600) == (cooled["provider"], cooled["model"], cooled["for_s"])
        assert 1 == await tk.gateway.metric(r'tollkeeper_provider_coolings_total\{provider="a"\}')


async def test_what_is_cooled_is_asked_again_afterwards(tmp_path: Path, store_url: str) -> None:
    async with routed(
        tmp_path, store_url, A_THEN_B, settings={"a": "health: {cooling_longest_s: 0.3}"}
    ) as tk:
        tk.set("a", "status=429,retry_after=600")
        assert "b" == await tk.served()
        tk.set("a", "")

        await until_served_by(tk, "a")


async def test_failures_in_a_row_eject_and_one_good_answer_brings_back(
    tmp_path: Path, store_url: str
) -> None:
    settings = {"a": "health: {failures_max: 2, ejection_s: 0.5}"}
    async with routed(tmp_path, store_url, A_THEN_B, settings=settings) as tk:
        tk.set("a", "status=500")
        assert ["b", "b"] == [await tk.served(), await tk.served()]
        assert 1 == await tk.gateway.metric(r'tollkeeper_provider_ejections_total\{provider="a"\}')
        tk.set("a", "")
        await until_served_by(tk, "a")
        await tk.gateway.assert_books_balance()

        assert 1 == len(await told(tk.gateway, "provider_ejected"))
        assert 1 == len(await told(tk.gateway, "provider_returned"))
        assert 0 == await tk.gateway.metric(r'tollkeeper_provider_ejected_workers\{provider="a"\}')


async def test_the_only_provider_is_asked_whatever_it_did_before(
    tmp_path: Path, store_url: str
) -> None:
    settings = {"a": "health: {failures_max: 1, ejection_s: 600}"}
    async with routed(tmp_path, store_url, "{name: a}", settings=settings) as tk:
        tk.set("a", "status=500")
        assert [500, 500] == [(await tk.call())[0], (await tk.call())[0]]
        tk.set("a", "")

        assert "a" == await tk.served()


async def test_beyond_its_budget_calls_go_to_the_next_and_then_nowhere(
    tmp_path: Path, store_url: str
) -> None:
    settings = dict.fromkeys("ab", "calls_max: 1")
    async with routed(tmp_path, store_url, A_THEN_B, settings=settings) as tk:
        tk.set("a", "first_ms=60000")
        tk.set("b", "first_ms=60000")
        waiting = [asyncio.ensure_future(tk.call())]
        await until(lambda: tk.asked("a") == 1)
        waiting.append(asyncio.ensure_future(tk.call()))
        await until(lambda: tk.asked("b") == 1)
        async with tk.gateway.chat() as answer:
            refused = await answer.json()
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        # What left while the provider was at work owes its prompt.
        await tk.gateway.assert_books_balance()

        assert (503, "upstream_at_limit") == (answer.status, refused["error"]["code"])
        assert 1 <= int(answer.headers["Retry-After"])
        tk.set("a", "")
        await until_served_by(tk, "a")


async def test_calls_per_minute_are_a_budget_too(tmp_path: Path, store_url: str) -> None:
    settings = {"a": "calls_per_minute: 2"}
    async with routed(tmp_path, store_url, A_THEN_B, settings=settings) as tk:
        assert ["a", "a", "b", "b"] == [await tk.served() for _ in range(4)]


async def test_what_is_stored_stays_with_the_provider_that_is_asked_for_it(
    tmp_path: Path, store_url: str
) -> None:
    upstreams = "{name: a}, {name: simulated, priority: 2}"
    async with routed(tmp_path, store_url, upstreams, names=("a",)) as tk:
        # Kept by the first provider of the API, whatever the priorities.
        gateway = tk.gateway
        headers = {"Authorization": f"Bearer {gateway.key}"}
        body = {"model": MODEL, "input": "Hello", "max_output_tokens": 16}
        async with gateway.http.post(
            f"{gateway.base_url}/responses", json=body, headers=headers
        ) as answer:
            made = await answer.json()
            assert 200 == answer.status, made
        async with gateway.http.get(
            f"{gateway.base_url}/responses/{made['id']}", headers=headers
        ) as answer:
            await answer.read()
        # What is not stored goes by the routes.
        async with gateway.http.post(
            f"{gateway.base_url}/responses", json=body | {"store": False}, headers=headers
        ) as answer:
            assert 200 == answer.status
        await gateway.assert_books_balance()

        assert ["simulated", "a"] == [event["provider"] for event in await gateway.events()]
        paths = [entry.path for entry in gateway.provider.journal.entries]
        assert ["/v1/responses", f"/v1/responses/{made['id']}"] == paths


async def test_a_stored_call_is_not_moved_when_its_provider_fails(
    tmp_path: Path, store_url: str
) -> None:
    async with routed(tmp_path, store_url, "{name: a}, {name: b}") as tk:
        tk.set("a", "status=503")
        status, _ = await tk.call(store=True)

        assert (503, 0) == (status, tk.asked("b"))
        assert 0 == (await tk.gateway.assert_books_balance()).charged_ucr


async def test_the_slower_one_gets_less(tmp_path: Path, store_url: str) -> None:
    async with routed(tmp_path, store_url, "{name: a}, {name: b}", balance="latency") as tk:
        tk.set("a", "first_ms=150")
        for _ in range(40):
            assert 200 == (await tk.call())[0]

        # A tenth of the weight once both are known; evenly it would be 20, give or take 3.
        assert tk.asked("a") <= 15


async def test_a_client_that_left_meanwhile_is_not_asked_for_again(
    tmp_path: Path, store_url: str
) -> None:
    reached, release = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        reached.set()
        await release.wait()
        await peer.send(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

    async with RawServer(script) as server:
        first, route = before_simulated(server.url)
        async with running_gateway(tmp_path, store_url, providers=first, routes=route) as gateway:
            call = asyncio.ensure_future(ask(gateway))
            await reached.wait()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            balance = await gateway.settled()
            release.set()
            [event] = await gateway.events()

            assert ("first", "client_left") == (event["provider"], event["end"])
            assert 0 < balance.charged_ucr
            assert 0 == gateway.provider.journal.total


def before_simulated(url: str) -> tuple[str, str]:
    """The lines of a provider that is there, and of a route that asks it before the simulated."""
    route = (
        f'  - {{match: "{MODEL}", providers: [{{name: first}}, {{name: simulated, priority: 2}}]}}'
    )
    return f'  first: {{base_url: "{url}", auth: none}}\n', f"{route}\n"


async def told(gateway: TestGateway, event: str) -> list[dict[str, Any]]:
    """The lines of this event, once there is one: a thread writes them."""
    await until(lambda: any(line["event"] == event for line in gateway.lines.all()))
    return [line for line in gateway.lines.all() if line["event"] == event]


def probes_at(tk: Routed, name: str) -> list[Entry]:
    entries = tk.providers[name].journal.entries
    return [entry for entry in entries if entry.path == "/v1/models"]


async def ask(gateway: TestGateway) -> None:
    async with gateway.chat() as answer:
        await answer.read()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def until_served_by(tk: Routed, name: str) -> None:
    async with asyncio.timeout(30):
        while await tk.served() != name:
            await asyncio.sleep(0.05)
