"""The Metering API for services: keys, accounts and credit, each thing done once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.gateways import ACCOUNT, SERVICE_KEY, TestGateway, post_chat, running_gateway
from support.service import ROOT, ask


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url) as gateway:
        yield gateway


async def test_an_account_gets_credit_and_a_key_and_its_call_is_charged(gateway):
    _, account = await ask(gateway, "POST", "/accounts", once="a", id="lab", plan="test")
    _, granted = await ask(
        gateway, "POST", "/accounts/lab/grants", once="g", id="invoice-1", microcredits=50_000_000
    )
    status, made = await ask(
        gateway, "POST", "/keys", once="k", account_id="lab", models=["gpt-4.1*"]
    )
    sent = {"Authorization": f"Bearer {made['key']}"}
    async with post_chat(gateway.http, gateway.base_url, headers=sent) as answer:
        assert 200 == answer.status
    async with post_chat(gateway.http, gateway.base_url, headers=sent, model="gpt-9") as answer:
        assert 403 == answer.status
    _, balance = await ask(gateway, "GET", "/accounts/lab/balance")

    assert (201, "lab", "50.000000") == (status, account["id"], granted["available"]["credits"])
    assert 0 < balance["charged"]["microcredits"] + balance["held"]["microcredits"] < 50_000_000


async def test_the_same_request_under_one_key_is_done_once_and_answered_alike(gateway):
    first = await ask(
        gateway, "POST", f"/accounts/{ACCOUNT}/grants", once="one", id="x", microcredits=7
    )
    again = await ask(
        gateway, "POST", f"/accounts/{ACCOUNT}/grants", once="one", id="x", microcredits=7
    )
    status, told = await ask(
        gateway, "POST", f"/accounts/{ACCOUNT}/grants", once="one", id="x", microcredits=8
    )

    assert first == again
    assert (422, "idempotency_key_reused") == (status, told["code"])
    assert 100_000_007 == (await gateway.balance()).available_ucr


async def test_twenty_at_once_make_one_key(gateway):
    answers = await asyncio.gather(
        *(ask(gateway, "POST", "/keys", once="race", account_id=ACCOUNT) for _ in range(20))
    )
    made = {told["key"] for status, told in answers if status == 201}
    others = {told["code"] for status, told in answers if status != 201}
    _, listed = await ask(gateway, "GET", f"/keys?account_id={ACCOUNT}")

    assert 1 == len(made)
    assert others <= {"idempotency_in_flight"}
    # The account's own from the beginning, and this one.
    assert 2 == len(listed["data"])


async def test_without_an_idempotency_key_nothing_is_made(gateway):
    status, told = await ask(gateway, "POST", "/keys", account_id=ACCOUNT)

    assert (400, "idempotency_key_missing") == (status, told["code"])


async def test_introspection_tells_of_valid_keys_and_nothing_of_others(gateway):
    _, told = await ask(gateway, "POST", "/keys/introspect", token=gateway.key)
    mistyped = gateway.key[:-1] + ("x" if gateway.key[-1] != "x" else "y")
    unknown = [
        await ask(gateway, "POST", "/keys/introspect", token=token)
        for token in (mistyped, "tk_x", "sk-something", SERVICE_KEY)
    ]

    assert (True, ACCOUNT, "100.000000") == (told["active"], told["sub"], told["available"])
    assert [{"active": False}] * 4 == [each for _, each in unknown]


async def test_introspection_is_asked_by_form_as_the_standard_has_it(gateway):
    url = f"{gateway.origin}{ROOT}/keys/introspect"
    sent = {"Authorization": f"Bearer {SERVICE_KEY}"}
    form = {"token": gateway.key, "token_type_hint": "access_token"}
    async with gateway.http.post(url, headers=sent, data=form) as answer:
        told = await answer.json()
    async with gateway.http.post(url, headers=sent, data={"key": gateway.key}) as answer:
        wrong = await answer.json()

    assert (True, ACCOUNT) == (told["active"], told["sub"])
    assert (400, "field token: it is missing") == (wrong["status"], wrong["detail"].split(";")[0])


async def test_an_account_gets_its_ids_at_billing_systems(gateway):
    ids = {"stripe": "cus_1", "lago": "sub_1"}
    _, made = await ask(
        gateway, "POST", "/accounts", once="a", id="lab", plan="test", external={"stripe": "cus_0"}
    )
    _, both = await ask(gateway, "PATCH", "/accounts/lab", external=ids)
    _, named = await ask(gateway, "PATCH", "/accounts/lab", name="Lab")
    _, one = await ask(gateway, "PATCH", "/accounts/lab", external={"lago": None})
    account = await gateway.session.stores.keys.account("lab")

    assert {"stripe": "cus_0"} == made["external"]
    assert ids == both["external"] == named["external"]
    assert {"stripe": "cus_1"} == one["external"] == account.external


async def test_a_misspelt_field_is_told_with_the_one_that_may_be_meant(gateway):
    _, told = await ask(
        gateway, "POST", f"/accounts/{ACCOUNT}/grants", once="g", id="x", credits="5"
    )

    assert "field credits: unknown; did you mean microcredits?" in told["detail"]
    assert "field microcredits: it is missing" in told["detail"]


async def test_verifying_says_why_not(gateway):
    codes = [
        (await ask(gateway, "POST", "/keys/verify", **asked))[1]["code"]
        for asked in (
            {"key": gateway.key},
            {"key": gateway.key, "model": "gpt-4.1-mini"},
            {"key": "tk_nobody"},
        )
    ]
    await ask(gateway, "PATCH", f"/accounts/{ACCOUNT}", status="suspended")
    _, suspended = await ask(gateway, "POST", "/keys/verify", key=gateway.key)

    assert ["valid", "valid", "invalid_api_key"] == codes
    assert "account_inactive" == suspended["code"]


async def test_a_rotated_key_works_on_and_a_revoked_one_does_not(gateway):
    key_id = gateway.key.split("_")[1]
    _, fresh = await ask(gateway, "POST", f"/keys/{key_id}/rotate", once="r", overlap_s=60)
    async with gateway.chat() as answer:
        overlapping = answer.status
    await ask(gateway, "DELETE", f"/keys/{key_id}")
    await asyncio.sleep(1)
    async with gateway.chat() as answer:
        revoked = answer.status
    sent = {"Authorization": f"Bearer {fresh['key']}"}
    async with post_chat(gateway.http, gateway.base_url, headers=sent) as answer:
        assert 200 == answer.status

    assert (200, 401) == (overlapping, revoked)


async def test_two_changes_at_once_of_different_things_are_both_made(gateway):
    path = f"/accounts/{ACCOUNT}"
    answers = await asyncio.gather(
        ask(gateway, "PATCH", path, name="Both"),
        ask(gateway, "PATCH", path, status="suspended"),
        ask(gateway, "PATCH", path, alerts=["80%"]),
    )
    _, found = await ask(gateway, "GET", path)

    assert [200] * 3 == [status for status, _ in answers]
    assert ("Both", "suspended", ["80%"]) == (found["name"], found["status"], found["alerts"])


async def test_alerts_that_the_configuration_declares_change_there_only(tmp_path, store_url):
    declared = "accounts: [{id: declared, plan: test, alerts: ['80%']}]\n"
    async with running_gateway(tmp_path, store_url, more=declared) as gateway:
        path = "/accounts/declared"
        status, told = await ask(gateway, "PATCH", path, alerts=["50%"], name="Other")
        renamed, _ = await ask(gateway, "PATCH", path, name="Renamed")
        _, found = await ask(gateway, "GET", path)

    assert (400, "alerts") == (status, told["param"])
    assert (200, "Renamed", ["80%"]) == (renamed, found["name"], found["alerts"])


async def test_pages_of_accounts_follow_each_other(gateway):
    for name in ("b", "c", "d"):
        await ask(gateway, "POST", "/accounts", once=name, id=name, plan="test")
    _, first = await ask(gateway, "GET", "/accounts?limit=3")
    _, second = await ask(gateway, "GET", f"/accounts?limit=3&cursor={first['next_cursor']}")

    assert [ACCOUNT, "b", "c"] == [each["id"] for each in first["data"]]
    assert (["d"], None) == ([each["id"] for each in second["data"]], second["next_cursor"])


async def test_every_list_comes_in_pages_that_hold_each_thing_once(gateway):
    for number in range(4):
        name = f"p{number}"
        await ask(gateway, "POST", f"/accounts/{ACCOUNT}/projects", once=name, id=name)
        await ask(gateway, "POST", "/keys", once=f"k{number}", account_id=ACCOUNT)
        await ask(
            *(gateway, "POST", "/webhooks"),
            once=f"w{number}",
            account_id=ACCOUNT,
            url="https://example.com/hook",
        )
    whose = f"account_id={ACCOUNT}"
    for path in (f"/accounts/{ACCOUNT}/projects?", f"/keys?{whose}&", f"/webhooks?{whose}&"):
        _, whole = await ask(gateway, "GET", path)
        found, cursor, pages = [], "", 0
        while cursor is not None:
            _, page = await ask(gateway, "GET", f"{path}limit=3&cursor={cursor}")
            found, cursor, pages = found + page["data"], page["next_cursor"], pages + 1

        assert 2 == pages
        assert whole == {"data": found, "next_cursor": None}


async def test_a_virtual_key_is_no_service_key_and_a_scope_is_needed(tmp_path, store_url):
    async with running_gateway(tmp_path, store_url, scopes="keys:read") as gateway:
        as_virtual, told = await ask(gateway, "GET", "/accounts", bearer=gateway.key)
        as_service, scope = await ask(gateway, "GET", "/accounts")
        proxied = {"Authorization": f"Bearer {SERVICE_KEY}"}
        async with post_chat(gateway.http, gateway.base_url, headers=proxied) as answer:
            assert 401 == answer.status

    assert (403, "scope_missing") == (as_virtual, told["code"])
    assert (403, "scope_missing") == (as_service, scope["code"])
    assert "accounts:read" in scope["detail"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/accounts", {"id": "a b", "plan": "test"}, "id"),
        ("/accounts", {"id": "x", "plan": "nothing"}, "plan"),
        ("/accounts", {"id": "x", "plan": "test", "more": 1}, "more"),
        (f"/accounts/{ACCOUNT}/grants", {"id": "x", "microcredits": 0}, "microcredits"),
        (f"/accounts/{ACCOUNT}/grants", {"id": "x", "microcredits": 1.5}, "microcredits"),
        (f"/accounts/{ACCOUNT}/grants", {"id": "x", "microcredits": 2**53}, "microcredits"),
        (f"/accounts/{ACCOUNT}/grants", {"id": "x", "microcredits": True}, "microcredits"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_field(gateway, path, body, param):
    status, told = await ask(gateway, "POST", path, once="x", **body)

    assert (400, param) == (status, told["param"])
