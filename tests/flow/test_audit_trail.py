"""The audit trail: who changed what, when, from where, and what came of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from click.testing import CliRunner
from support.gateways import ACCOUNT, SECRETS, SERVICE_KEY, TestGateway, running_gateway

from gateway.api.metering import admin_operations
from gateway.cli import main
from gateway.errors import StoreUnavailable
from gateway.metering.changes import Change
from gateway.metering.pricing import RateCard

ROOT = "/metering/v1"


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url) as gateway:
        yield gateway


async def ask(
    gateway: TestGateway,
    method: str,
    path: str,
    *,
    admin: bool = False,
    bearer: str = SERVICE_KEY,
    once: str = "",
    **body: Any,
) -> tuple[int, Any]:
    origin = f"http://127.0.0.1:{gateway.gateway.admin_port}" if admin else gateway.origin
    sent = {"Authorization": f"Bearer {bearer}"}
    if once:
        sent["Idempotency-Key"] = once
    async with gateway.http.request(
        method, origin + ROOT + path, headers=sent, json=body or None
    ) as answer:
        return answer.status, await answer.json(content_type=None)


async def trail(gateway: TestGateway, query: str = "") -> list[dict[str, Any]]:
    status, page = await ask(gateway, "GET", f"/audit{query}", admin=True)
    assert 200 == status, page
    return list(page["data"])


async def test_a_change_is_noted_with_who_made_it_and_what_came_of_it(gateway):
    _, made = await ask(gateway, "POST", "/keys", once="k", account_id=ACCOUNT, name="laptop")
    await ask(gateway, "DELETE", f"/keys/{made['id']}", admin=True)
    revoked, created = await trail(gateway)

    assert ("createKey", "service:tests", "callers", "127.0.0.1", "done") == (
        created["action"],
        created["actor"],
        created["via"],
        created["address"],
        created["outcome"],
    )
    assert (ACCOUNT, made["id"]) == (created["account_id"], created["subject"])
    assert {"account_id": ACCOUNT, "name": "laptop"} == created["details"]
    assert ("revokeKey", "admin", made["id"], "done") == (
        revoked["action"],
        revoked["via"],
        revoked["subject"],
        revoked["outcome"],
    )
    assert created["request_id"].startswith("req_")
    assert created["time"] <= created["ended_at"] <= revoked["time"]


async def test_no_secret_stands_in_the_trail_or_the_log(gateway):
    _, made = await ask(gateway, "POST", "/keys", once="k", account_id=ACCOUNT)
    told = str(await trail(gateway))
    secret = made["key"].split("_")[2]

    assert secret not in told
    assert SERVICE_KEY not in told
    assert secret not in gateway.lines.text()


async def test_what_was_refused_is_noted_with_the_reason(gateway):
    await ask(gateway, "PATCH", "/accounts/nobody", name="X")
    (noted,) = await trail(gateway)

    assert ("changeAccount", "nobody", "not_found") == (
        noted["action"],
        noted["account_id"],
        noted["outcome"],
    )


async def test_a_repetition_changes_nothing_and_is_not_noted(gateway):
    for _ in range(3):
        await ask(gateway, "POST", "/accounts", once="a", id="lab", plan="test")

    assert ["createAccount"] == [each["action"] for each in await trail(gateway)]


async def test_reading_is_not_noted(gateway):
    await ask(gateway, "GET", "/accounts")
    await ask(gateway, "GET", f"/keys?account_id={ACCOUNT}")

    assert [] == await trail(gateway)


async def test_the_trail_comes_in_pages_and_by_account(gateway):
    for number in range(5):
        await ask(gateway, "POST", "/accounts", once=str(number), id=f"lab-{number}", plan="test")
    pages, cursor = [], ""
    while cursor is not None:
        _, page = await ask(gateway, "GET", f"/audit?limit=2&cursor={cursor}", admin=True)
        pages.append([each["account_id"].removeprefix("lab-") for each in page["data"]])
        cursor = page["next_cursor"]

    assert ["4", "3", "2", "1", "0"] == [each for page in pages for each in page]
    assert all(len(page) <= 2 for page in pages)
    assert ["lab-3"] == [each["account_id"] for each in await trail(gateway, "?account_id=lab-3")]


async def test_a_change_that_was_broken_off_stays_visible(gateway):
    change = Change(action="revokeKey", actor="service:tests", via="admin", address="::1")
    await gateway.session.stores.trail.begin(change)
    (noted,) = await trail(gateway)

    assert ("unfinished", None) == (noted["outcome"], noted["ended_at"])


async def test_nothing_is_changed_that_could_not_be_noted(gateway, monkeypatch):
    async def away(_: Change) -> int:
        raise StoreUnavailable("The store does not answer.")

    monkeypatch.setattr(gateway.gateway.stores.trail, "begin", away)
    status, told = await ask(gateway, "POST", "/accounts", once="a", id="lab", plan="test")

    assert (503, "metering_unavailable") == (status, told["code"])
    assert await gateway.session.stores.keys.account("lab") is None


@pytest.mark.parametrize(
    ("bearer", "status"), [("", 401), ("virtual", 403), ("ts_" + "x" * 40, 403)]
)
async def test_the_trail_is_for_operators(gateway, bearer, status):
    key = gateway.key if bearer == "virtual" else bearer
    at_admin, _ = await ask(gateway, "GET", "/audit", admin=True, bearer=key)
    at_callers, _ = await ask(gateway, "GET", "/audit")

    assert (status, 404) == (at_admin, at_callers)


async def test_commands_are_noted_and_a_command_shows_the_trail(gateway, tmp_path):
    async def command(*words: str) -> str:
        result = await asyncio.to_thread(
            CliRunner().invoke,
            main,
            [*words, "--config", str(tmp_path / "gateway.yaml")],
            env=SECRETS,
        )
        return result.stdout

    await command("accounts", "create", "lab", "--plan", "test")
    await command("grant", "lab", "5", "--id", "invoice-7")
    await command("grant", "nobody", "5")
    refused, granted, created = await trail(gateway)
    shown = await command("trail", "--account", "lab")

    assert ("grant", "lab", "invoice-7", "command", "done") == (
        granted["action"],
        granted["account_id"],
        granted["subject"],
        granted["via"],
        granted["outcome"],
    )
    assert "accounts create" == created["action"]
    assert created["actor"].startswith("command:")
    assert ("nobody", "invalid_request") == (refused["account_id"], refused["outcome"])
    assert "invoice-7" in shown
    assert "nobody" not in shown


def test_what_is_noted_has_no_secret_among_its_fields():
    resources = cast(Any, MagicMock())
    resources.rate_card = RateCard(digest="")
    noted = [each for each in admin_operations(resources, version="0") if each.changes]
    fields = {name for each in noted if each.body for name in each.body.model_fields}

    assert len(noted) > 8
    assert not [name for name in fields if name in ("key", "token") or "secret" in name]


def test_whatever_services_change_is_noted():
    """But reservations and usage, which are metering and stand in the journal, and sessions."""
    resources = cast(Any, MagicMock())
    resources.rate_card = RateCard(digest="")
    silent = {
        each.name
        for each in admin_operations(resources, version="0")
        if each.method != "GET" and not each.changes
    }

    assert {
        "introspectKey",
        "verifyKey",
        "reserve",
        "extendReservation",
        "settleReservation",
        "releaseReservation",
        "reportUsage",
        "signIn",
        "signOut",
    } >= silent
