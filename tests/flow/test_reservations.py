"""Credit for calls outside the gateway: the same ledger, the same limits."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.gateways import (
    ACCOUNT,
    INPUT_UCR,
    MODEL,
    OUTPUT_UCR,
    TestGateway,
    account_with_key,
    running_gateway,
)
from support.service import ask

CALL = {"account_id": ACCOUNT, "model": MODEL, "input_tokens": 100, "max_output_tokens": 1000}
HELD_UCR = 100 * INPUT_UCR + 1000 * OUTPUT_UCR
USED = {"input_uncached": 100, "output_text": 300}
USED_UCR = 100 * INPUT_UCR + 300 * OUTPUT_UCR


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url) as gateway:
        yield gateway


async def reserve(gateway: TestGateway, once: str = "r", **more: object) -> tuple[int, dict]:
    return await ask(gateway, "POST", "/reservations", once=once, **(CALL | more))


async def test_a_reservation_is_held_then_charged_for_what_was_used(gateway):
    status, held = await reserve(gateway)
    between = await gateway.balance()
    settled, told = await ask(
        gateway, "POST", f"/reservations/{held['id']}/settle", once="s", usage=USED
    )
    books = await gateway.assert_books_balance()
    [event] = await gateway.events()

    assert (201, "held", HELD_UCR) == (status, held["status"], held["held"]["microcredits"])
    assert (HELD_UCR, 1) == (between.held_ucr, between.live_holds)
    assert (200, "settled", False) == (settled, told["status"], told["late"])
    assert (USED_UCR, HELD_UCR - USED_UCR) == (
        told["charged"]["microcredits"],
        told["released"]["microcredits"],
    )
    assert USED_UCR == books.charged_ucr == event["charge_ucr"]
    assert ("reported", held["rate_version"], "simulated", HELD_UCR) == (
        event["provenance"],
        event["rate_version"],
        event["provider"],
        event["held_ucr"],
    )


async def test_the_same_reserve_is_the_same_hold_even_where_its_answer_was_forgotten(gateway):
    _, first = await reserve(gateway)
    replay = await reserve(gateway)
    client = gateway.gateway.stores.client
    for key in await client.command("KEYS", "idem:*"):
        await client.command("DEL", key)
    _, again = await reserve(gateway)

    assert (201, first) == replay
    assert (first["id"], first["held"]) == (again["id"], again["held"])
    assert 1 == (await gateway.balance()).live_holds


async def test_a_second_ending_is_answered_and_not_applied(gateway):
    _, held = await reserve(gateway)
    path = f"/reservations/{held['id']}"
    await ask(gateway, "POST", f"{path}/settle", once="s", usage=USED)
    settle = await ask(gateway, "POST", f"{path}/settle", once="s2", usage=USED)
    release = await ask(gateway, "POST", f"{path}/release", once="s3")
    extend = await ask(gateway, "POST", f"{path}/extend", once="s4", ttl_s=60)
    told = [
        (status, answer["code"], answer["ending"]) for status, answer in (settle, release, extend)
    ]
    _, seen = await ask(gateway, "GET", path)

    assert [(409, "reservation_ended", "settled")] * 3 == told
    assert ("settled", None) == (seen["status"], seen["expires_at"])
    assert USED_UCR == (await gateway.assert_books_balance()).charged_ucr


async def test_what_is_released_is_free_again(gateway):
    _, held = await reserve(gateway)
    status, told = await ask(gateway, "POST", f"/reservations/{held['id']}/release", once="x")

    assert (200, HELD_UCR) == (status, told["released"]["microcredits"])
    assert 100_000_000 == (await gateway.assert_books_balance()).available_ucr


async def test_what_does_not_fit_says_what_would(gateway):
    status, told = await reserve(gateway, input_tokens=2_400_000, max_output_tokens=30_000)
    fits, smaller = await reserve(
        gateway, "again", input_tokens=2_400_000, max_output_tokens=told["affordable_max_tokens"]
    )

    assert (402, "insufficient_quota", "100.000000") == (status, told["code"], told["available"])
    assert (100_000_000 - 2_400_000 * INPUT_UCR) // OUTPUT_UCR == told["affordable_max_tokens"]
    assert (201, "held") == (fits, smaller["status"])


async def test_credit_that_only_others_hold_is_worth_a_retry(gateway):
    await reserve(gateway, "a", input_tokens=2_000_000)
    status, told = await reserve(gateway, "b", input_tokens=2_000_000)

    assert (429, "balance_held") == (status, told["code"])
    assert told["held"] > "80"


async def test_a_dry_run_holds_nothing(gateway):
    before = await gateway.balance()
    status, told = await reserve(gateway, dry_run=True)
    refused, why = await reserve(gateway, "b", dry_run=True, input_tokens=5_000_000)
    after = await gateway.balance()

    assert (201, "fits", None, HELD_UCR) == (
        status,
        told["status"],
        told["id"],
        told["held"]["microcredits"],
    )
    assert (402, "insufficient_quota") == (refused, why["code"])
    assert (before.available_ucr, 0) == (after.available_ucr, after.live_holds)


async def test_it_counts_against_the_limits_of_the_plan(tmp_path, store_url):
    plan = "{limits: [{unit: tokens, per: day, ceiling: 1500}, {unit: calls, ceiling: 1}]}"
    async with running_gateway(tmp_path, store_url, plan=plan) as gateway:
        _, held = await reserve(gateway)
        parallel, told = await reserve(gateway, "b")
        await ask(gateway, "POST", f"/reservations/{held['id']}/settle", once="s", usage=USED)
        _, dry = await reserve(gateway, "c", dry_run=True, max_output_tokens=900)
        tokens, day = await reserve(gateway, "d", max_output_tokens=1100)

    assert (429, "rate_limit_exceeded", "tokens_per_day") == (parallel, told["code"], told["limit"])
    assert "fits" == dry["status"]
    assert (429, 1100) == (tokens, day["available"])


async def test_an_extension_holds_more_and_longer(gateway):
    _, held = await reserve(gateway, ttl_s=5)
    path = f"/reservations/{held['id']}"
    _, longer = await ask(
        gateway, "POST", f"{path}/extend", once="e", ttl_s=600, more_output_tokens=500
    )
    _, replayed = await ask(
        gateway, "POST", f"{path}/extend", once="e", ttl_s=600, more_output_tokens=500
    )
    refused, why = await ask(
        gateway, "POST", f"{path}/extend", once="f", more_output_tokens=900_000
    )
    _, seen = await ask(gateway, "GET", path)

    assert HELD_UCR + 500 * OUTPUT_UCR == longer["held"]["microcredits"]
    assert longer == replayed
    assert longer["expires_at"] > held["expires_at"]
    assert (402, "insufficient_quota") == (refused, why["code"])
    assert longer["held"] == seen["held"]


async def test_extensions_at_once_all_count(gateway):
    _, held = await reserve(gateway)
    path = f"/reservations/{held['id']}/extend"
    answers = await asyncio.gather(
        *(ask(gateway, "POST", path, once=f"e{n}", more_output_tokens=10) for n in range(4))
    )
    won = sum(status == 200 for status, _ in answers)

    assert HELD_UCR + won * 10 * OUTPUT_UCR == (await gateway.balance()).held_ucr
    assert {200, 409} >= {status for status, _ in answers}
    assert won >= 1


async def expired(gateway: TestGateway, reservation_id: str) -> None:
    async with asyncio.timeout(10):
        while True:
            _, seen = await ask(gateway, "GET", f"/reservations/{reservation_id}")
            if seen["status"] == "expired":
                return
            await asyncio.sleep(0.1)


async def test_an_expired_one_costs_nothing_and_a_late_settlement_is_charged_once(gateway):
    _, held = await reserve(gateway, ttl_s=1)
    await expired(gateway, held["id"])
    nothing = await gateway.assert_books_balance()
    path = f"/reservations/{held['id']}"
    _, late = await ask(gateway, "POST", f"{path}/settle", once="s", usage=USED)
    status, told = await ask(gateway, "POST", f"{path}/settle", once="t", usage=USED)

    assert 0 == nothing.charged_ucr
    assert (True, USED_UCR) == (late["late"], late["charged"]["microcredits"])
    assert (409, "settled") == (status, told["ending"])
    assert USED_UCR == (await gateway.assert_books_balance()).charged_ucr


async def test_an_expired_one_is_charged_to_what_it_told_last(gateway):
    _, held = await reserve(gateway)
    path = f"/reservations/{held['id']}"
    some = {"input_uncached": 100, "output_text": 50}
    await ask(gateway, "POST", f"{path}/extend", once="e", ttl_s=1, used=some)
    await expired(gateway, held["id"])
    checkpoint = (await gateway.assert_books_balance()).charged_ucr
    _, late = await ask(gateway, "POST", f"{path}/settle", once="s", usage=USED)

    assert 100 * INPUT_UCR + 50 * OUTPUT_UCR == checkpoint
    assert USED_UCR - checkpoint == late["charged"]["microcredits"]
    assert USED_UCR == (await gateway.assert_books_balance()).charged_ucr


async def test_another_gateway_settles_what_one_reserved(tmp_path, store_url, gateway):
    _, held = await reserve(gateway)
    async with running_gateway(tmp_path / "other", store_url, credit=0) as other:
        status, told = await ask(
            other, "POST", f"/reservations/{held['id']}/settle", once="s", usage=USED
        )

    assert (200, USED_UCR) == (status, told["charged"]["microcredits"])


async def test_the_key_it_counts_against_must_be_the_accounts_and_may_be_revoked(gateway):
    key_id = gateway.key.split("_")[1]
    fine, _ = await reserve(gateway, key_id=key_id)
    other = await account_with_key(gateway.session, granted_ucr=0, account="other")
    foreign, _ = await reserve(gateway, "b", key_id=other.split("_")[1])
    await ask(gateway, "DELETE", f"/keys/{key_id}")
    revoked, told = await reserve(gateway, "c", key_id=key_id)

    assert (201, 404) == (fine, foreign)
    assert (403, "key_inactive") == (revoked, told["code"])


@pytest.mark.parametrize(
    ("usage", "status", "code"),
    [
        ({"output_text": -1}, 400, "invalid_request"),
        ({"output_text": 1.5}, 400, "invalid_request"),
        ({"output": 1}, 400, "invalid_request"),
        ({"pieces": {"web_search": 1}}, 403, "model_not_priced"),
        ({"pieces": {"nonsense": 1}}, 400, "invalid_request"),
        ({"service_tier": "priority"}, 403, "model_not_priced"),
        ({"service_tier": "golden"}, 400, "invalid_request"),
    ],
)
async def test_usage_that_cannot_be_charged_is_refused_and_can_be_corrected(
    gateway, usage, status, code
):
    _, held = await reserve(gateway)
    path = f"/reservations/{held['id']}/settle"
    refused, told = await ask(gateway, "POST", path, once="s", usage=usage)
    settled, _ = await ask(gateway, "POST", path, once="s2", usage=USED)

    assert (status, code, 200) == (refused, told["code"], settled)


@pytest.mark.parametrize(
    "path", ["rsv-0.acme", "rsv-0", "x", "rsv-.", "rsv-\u00e9.acme", "rsv-0.a%2fb", "h:1.acme"]
)
async def test_an_unknown_reservation_is_not_found(gateway, path):
    status, told = await ask(gateway, "GET", f"/reservations/{path}")

    assert (404, "not_found") == (status, told["code"])


async def test_a_hold_of_a_call_is_no_reservation(gateway):
    _, held = await reserve(gateway)
    calls = [key.decode() for key in await gateway.gateway.stores.client.command("KEYS", "*h:*")]
    assert [held["id"]] == [key.partition("h:")[2] for key in calls]


async def test_a_model_needs_a_price_and_the_plans_leave_and_no_route(tmp_path, store_url):
    sells = {"elsewhere-1": '{input: "1", output: "2"}'}
    plan = "{models: ['gpt-*', 'elsewhere-*']}"
    async with running_gateway(tmp_path, store_url, plan=plan, sells=sells) as gateway:
        fine, _ = await reserve(gateway, model="elsewhere-1")
        unpriced, told = await reserve(gateway, "b", model="gpt-unpriced")
        not_allowed, why = await reserve(gateway, "c", model="other")

    assert 201 == fine
    assert (403, "model_not_priced") == (unpriced, told["code"])
    assert (403, "model_not_allowed") == (not_allowed, why["code"])


# Estimates


async def test_an_estimate_says_what_a_call_may_cost_and_holds_nothing(gateway):
    _, told = await ask(
        gateway,
        "POST",
        "/estimate",
        bearer=gateway.key,
        model=MODEL,
        input_tokens=100,
        max_output_tokens=1000,
    )

    assert (HELD_UCR, True, None) == (
        told["worst_case"]["microcredits"],
        told["fits"],
        told["code"],
    )
    assert 100 * INPUT_UCR + 500 * OUTPUT_UCR == told["typical"]["microcredits"]
    assert 0 == (await gateway.balance()).live_holds


async def test_an_estimate_counts_messages_as_a_call_would(gateway):
    messages = [{"role": "user", "content": "Tell me about toll roads."}]
    _, told = await ask(
        gateway, "POST", "/estimate", bearer=gateway.key, model=MODEL, messages=messages
    )
    async with gateway.chat(messages=messages) as answer:
        usage = (await answer.json())["usage"]

    # The simulated provider frames a prompt in its own way.
    assert abs(usage["prompt_tokens"] - told["input_tokens"]) <= 2


async def test_an_estimate_of_what_does_not_fit_says_why_and_what_would(gateway):
    asked = {"model": MODEL, "max_output_tokens": 30_000, "choices": 40}
    _, told = await ask(gateway, "POST", "/estimate", bearer=gateway.key, characters=1000, **asked)
    asked["max_output_tokens"] = told["affordable_max_tokens"]
    _, fits = await ask(gateway, "POST", "/estimate", bearer=gateway.key, characters=1000, **asked)
    asked["max_output_tokens"] += 1
    _, more = await ask(gateway, "POST", "/estimate", bearer=gateway.key, characters=1000, **asked)

    assert (False, "insufficient_quota") == (told["fits"], told["code"])
    assert (True, False) == (fits["fits"], more["fits"])


@pytest.mark.parametrize(
    "prompt", [{}, {"input_tokens": 1, "characters": 1}, {"messages": "x"}, {"input_tokens": -1}]
)
async def test_an_estimate_needs_one_prompt(gateway, prompt):
    status, told = await ask(
        gateway, "POST", "/estimate", bearer=gateway.key, model=MODEL, **prompt
    )

    assert (400, "invalid_request") == (status, told["code"])
