"""Notices by webhook: from what happened to a signed message at the account's own endpoint."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from support.contract_servers.base import BROKEN_BEFORE, HANG_AFTER, SLOW_DOWN
from support.contract_servers.receiver import Receiver
from support.gateways import ACCOUNT, TestGateway, account_with_key, running_gateway
from support.service import ask

from gateway.metering import webhooks
from gateway.metering.accounts import Status, VirtualKey
from gateway.metering.ledger import Grant
from gateway.metering.notices import OPERATOR
from gateway.stores.delivering import News
from gateway.stores.redis.standings import RedisStandings

LOOPBACK = "webhooks: {allow: [127.0.0.0/8], timeout_s: 1}"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with receiver.running():
        yield receiver


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url, more=LOOPBACK) as gateway:
        yield gateway


async def registered(
    gateway: TestGateway, receiver: Receiver, *, account_id: str = ACCOUNT, **more: Any
) -> str:
    body = {"account_id": account_id, "url": f"{receiver.url}/hook"} | more
    status, made = await ask(gateway, "POST", "/webhooks", once=f"new {account_id}", **body)
    assert 201 == status, made
    receiver.secret = made["secret"]
    return str(made["id"])


async def until(ready: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not ready():
            await asyncio.sleep(0.05)


async def grant(gateway: TestGateway, name: str, *, account_id: str = ACCOUNT) -> None:
    await gateway.ledger.grant(Grant(grant_id=name, account_id=account_id, amount_ucr=5_000_000))


async def undelivered(gateway: TestGateway, webhook: str, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(30):
        while True:
            _, page = await ask(gateway, "GET", f"/webhooks/{webhook}/undelivered")
            if len(page["data"]) == count:
                return list(page["data"])
            await asyncio.sleep(0.05)


async def test_an_account_is_told_by_a_signed_message(gateway, receiver):
    await registered(gateway, receiver)
    await grant(gateway, "invoice-7")
    await until(lambda: bool(receiver.heard))
    message_id, document = receiver.heard[0]

    assert message_id.startswith("msg_")
    assert "grant.created" == document["type"]
    assert (ACCOUNT, "invoice-7", 5_000_000) == (
        document["data"]["account_id"],
        document["data"]["operation_id"],
        document["data"]["amount"]["microcredits"],
    )
    assert 0 == receiver.forged


async def test_keys_made_rotated_and_revoked_are_told(gateway, receiver):
    await registered(gateway, receiver)
    _, made = await ask(gateway, "POST", "/keys", once="1", account_id=ACCOUNT, name="laptop")
    _, rotated = await ask(gateway, "POST", f"/keys/{made['id']}/rotate", once="2", overlap_s=60)
    await ask(gateway, "DELETE", f"/keys/{made['id']}")
    await until(lambda: len(receiver.heard) == 3)
    told = sorted((document["type"], document["data"]) for _, document in receiver.heard)

    assert ["key.created", "key.revoked", "key.rotated"] == [type_ for type_, _ in told]
    assert {"account_id": ACCOUNT, "subject": made["id"], "name": "laptop"} == told[0][1]
    assert (rotated["id"], made["id"]) == (told[2][1]["subject"], told[2][1]["replaces"])
    assert made["key"].split("_")[2] not in str(receiver.bodies)


async def test_only_the_chosen_types_of_the_own_account_are_told(gateway, receiver):
    await account_with_key(gateway.session, granted_ucr=1, account="other")
    await registered(gateway, receiver, types=["key.revoked"])
    await grant(gateway, "mine")
    await grant(gateway, "theirs", account_id="other")
    await gateway.session.stores.keys.set_key_status(gateway.key.split("_")[1], Status.REVOKED)
    await until(lambda: bool(receiver.heard))

    assert ["key.revoked"] == receiver.types()


@pytest.mark.parametrize(
    "fault", [BROKEN_BEFORE, SLOW_DOWN, HANG_AFTER], ids=lambda each: each.kind
)
async def test_what_fails_is_sent_again_under_the_same_id(gateway, receiver, monkeypatch, fault):
    monkeypatch.setattr(webhooks, "PAUSES_S", (0, 0, 0))
    await registered(gateway, receiver)
    receiver.faults.append(fault)
    await grant(gateway, "invoice-7")
    await until(lambda: len(receiver.requests) == 2)
    await until(lambda: bool(receiver.heard))
    sent = {request.headers["webhook-id"] for request in receiver.requests}

    assert 1 == len(sent)
    assert {"grant.created"} == set(receiver.types())


async def test_what_was_given_up_is_kept_and_sent_once_more_on_demand(
    gateway, receiver, monkeypatch
):
    monkeypatch.setattr(webhooks, "PAUSES_S", (0,))
    webhook = await registered(gateway, receiver)
    receiver.always = BROKEN_BEFORE
    await grant(gateway, "invoice-7")
    (lost,) = await undelivered(gateway, webhook, 1)
    receiver.always = None
    _, redriven = await ask(gateway, "POST", f"/webhooks/{webhook}/redrive")
    await until(lambda: bool(receiver.heard))
    await undelivered(gateway, webhook, 0)

    assert ("grant.created", 2) == (lost["type"], lost["attempts"])
    assert "500" in lost["last_error"]
    assert 1 == redriven["count"]
    assert [lost["id"]] == [message_id for message_id, _ in receiver.heard]


async def test_an_endpoint_that_answers_410_gets_nothing_more_until_it_is_switched_on(
    gateway, receiver
):
    webhook = await registered(gateway, receiver)
    receiver.gone = True
    await grant(gateway, "one")
    await undelivered(gateway, webhook, 1)
    _, disabled = await ask(gateway, "GET", f"/webhooks/{webhook}")
    receiver.gone = False
    await grant(gateway, "two")
    await ask(gateway, "PATCH", f"/webhooks/{webhook}", status="active")
    await grant(gateway, "three")
    await until(lambda: bool(receiver.heard))

    assert "disabled" == disabled["status"]
    assert "three" in [document["data"]["operation_id"] for _, document in receiver.heard]


async def test_during_a_rotation_both_secrets_are_good(gateway, receiver):
    webhook = await registered(gateway, receiver)
    old = receiver.secret
    _, rotated = await ask(gateway, "POST", f"/webhooks/{webhook}/rotate", once="r", overlap_s=600)
    await grant(gateway, "one")
    await until(lambda: len(receiver.heard) == 1)
    receiver.secret = rotated["secret"]
    await grant(gateway, "two")
    await until(lambda: len(receiver.heard) == 2)

    assert old != rotated["secret"]
    assert 0 == receiver.forged


async def test_after_a_rotation_without_overlap_the_old_secret_is_no_good(
    gateway, receiver, monkeypatch
):
    monkeypatch.setattr(webhooks, "PAUSES_S", ())
    webhook = await registered(gateway, receiver)
    await ask(gateway, "POST", f"/webhooks/{webhook}/rotate", once="r", overlap_s=0)
    await grant(gateway, "one")
    await undelivered(gateway, webhook, 1)

    assert (1, []) == (receiver.forged, receiver.heard)


async def test_the_operator_is_told_of_what_concerns_no_account(gateway, receiver):
    await registered(gateway, receiver, account_id=OPERATOR)
    stores = gateway.session.stores
    standings = RedisStandings(stores.client, stores.ledger)
    for _ in range(2):
        await standings.note("lago", News(outcomes={"retry": 1}, error="HTTP 500", failing=True))
    await grant(gateway, "of-somebody-else")
    await until(lambda: bool(receiver.heard))
    await asyncio.sleep(0.5)

    assert [("sink.failing", "lago", "HTTP 500")] == [
        (document["type"], document["data"]["subject"], document["data"]["reason"])
        for _, document in receiver.heard
    ]


async def test_no_secret_is_kept_or_listed(gateway, receiver):
    webhook = await registered(gateway, receiver)
    listed = str(await ask(gateway, "GET", "/webhooks"))
    stored = await gateway.session.stores.client.command("HVALS", f"{{notices}}e:{ACCOUNT}")

    assert webhook in listed
    assert receiver.secret not in listed
    assert receiver.secret.encode() not in b"".join(stored)


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1/", "https://[::1]/", "http://169.254.169.254/latest", "ftp://x.example"],
)
async def test_an_address_inside_is_refused(gateway, url):
    status, told = await ask(gateway, "POST", "/webhooks", once="x", account_id=ACCOUNT, url=url)

    assert (400, "invalid_request") == (status, told["code"])


async def test_a_name_that_leads_inside_is_not_followed(tmp_path, store_url, receiver, monkeypatch):
    monkeypatch.setattr(webhooks, "PAUSES_S", ())
    async with running_gateway(tmp_path, store_url) as gateway:
        url = f"http://localhost:{receiver.port}/hook"
        _, made = await ask(gateway, "POST", "/webhooks", once="x", account_id=ACCOUNT, url=url)
        await grant(gateway, "one")
        (lost,) = await undelivered(gateway, made["id"], 1)

    assert "not reached" in lost["last_error"]
    assert [] == receiver.requests


async def test_an_endpoint_that_is_gone_gets_nothing(gateway, receiver):
    webhook = await registered(gateway, receiver)
    await ask(gateway, "DELETE", f"/webhooks/{webhook}")
    status, _ = await ask(gateway, "GET", f"/webhooks/{webhook}")
    await grant(gateway, "one")
    await asyncio.sleep(2)

    assert (404, []) == (status, receiver.requests)


async def test_a_key_that_manages_registers_endpoints_of_its_own_account_alone(gateway, receiver):
    """A plain key of the account reads them; one of another account sees none of them."""
    issuing = gateway.session.issuing
    template = VirtualKey(key_id="", account_id=ACCOUNT, digest="", manages=True)
    boss = (await issuing.issue(template))[1]
    other = await account_with_key(gateway.session, granted_ucr=1, account="other")
    hook = {"url": f"{receiver.url}/hook", "types": ["grant.created"]}
    refused, _ = await ask(gateway, "POST", "/webhooks", bearer=gateway.key, once="1", **hook)
    status, made = await ask(gateway, "POST", "/webhooks", bearer=boss, once="2", **hook)
    inside = {"url": "http://10.0.0.1/"}
    private, _ = await ask(gateway, "POST", "/webhooks", bearer=boss, once="3", **inside)
    theirs = hook | {"account_id": "other"}
    foreign, _ = await ask(gateway, "POST", "/webhooks", bearer=boss, once="4", **theirs)
    _, rotated = await ask(
        gateway, "POST", f"/webhooks/{made['id']}/rotate", bearer=boss, once="5", overlap_s=0
    )
    receiver.secret = rotated["secret"]
    await grant(gateway, "invoice-7")
    await until(lambda: bool(receiver.heard))
    _, seen = await ask(gateway, "GET", "/webhooks", bearer=gateway.key)
    _, unseen = await ask(gateway, "GET", "/webhooks", bearer=other)
    path = f"/webhooks/{made['id']}"
    statuses = [
        (await ask(gateway, method, path, bearer=key))[0]
        for method, key in [
            *(("GET", gateway.key), ("DELETE", gateway.key)),
            *(("GET", other), ("DELETE", boss), ("GET", boss)),
        ]
    ]

    assert [403, 201, 400, 400] == [refused, status, private, foreign]
    assert (0, made["secret"] != rotated["secret"]) == (receiver.forged, True)
    assert ([made["id"]], []) == ([each["id"] for each in seen["data"]], unseen["data"])
    assert [200, 403, 404, 200, 404] == statuses


async def test_an_owner_sets_marks_of_its_own_in_place_of_the_plans(gateway, receiver):
    template = VirtualKey(key_id="", account_id=ACCOUNT, digest="", manages=True)
    boss = (await gateway.session.issuing.issue(template))[1]
    await registered(gateway, receiver, types=["balance.low"])
    _, before = await ask(gateway, "GET", "/alerts", bearer=gateway.key)
    refused, _ = await ask(gateway, "PUT", "/alerts", bearer=gateway.key, alerts=["20"])
    wrong, _ = await ask(gateway, "PUT", "/alerts", bearer=boss, alerts=["101%"])
    _, own = await ask(gateway, "PUT", "/alerts", bearer=boss, alerts=["99.999999"])
    async with gateway.chat() as answer:
        await answer.read()
    await until(lambda: bool(receiver.heard))
    _, again = await ask(gateway, "PUT", "/alerts", bearer=boss, alerts=None)

    assert (None, before["plan"]) == (before["own"], before["alerts"])
    assert (403, 400) == (refused, wrong)
    assert (["99.999999"], ["99.999999"], before["plan"]) == (
        own["own"],
        own["alerts"],
        own["plan"],
    )
    assert "99.999999" == receiver.heard[0][1]["data"]["alert"]
    assert before == again
