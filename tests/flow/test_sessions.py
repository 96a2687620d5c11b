"""Signing in with a key: what a session may do, what ends it, what it is safe from."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from support.gateways import SERVICE_KEY, TestGateway, account_with_key, running_gateway

from gateway.access.failures import FAILURES_MAX
from gateway.metering.accounts import Status, VirtualKey
from gateway.metering.pricing import UCR_PER_CREDIT

ROOT = "/metering/v1"


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url) as gateway:
        yield gateway


@dataclass
class Browser:
    """As much of one as these tests need: a cookie, and what it says of each request."""

    gateway: TestGateway
    cookie: str = ""
    guard: str = ""

    async def ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **body: Any
    ) -> tuple[int, Any]:
        sent = {"Sec-Fetch-Site": "same-origin", "Cookie": f"tollkeeper_session={self.cookie}"}
        if self.guard and method != "GET":
            sent["X-Tollkeeper-Guard"] = self.guard
        sent |= headers or {}
        url = self.gateway.origin + ROOT + path
        async with self.gateway.http.request(
            method, url, headers=sent, json=body or None
        ) as answer:
            told = SimpleCookie(answer.headers.get("Set-Cookie", ""))
            if "tollkeeper_session" in told:
                self.cookie = told["tollkeeper_session"].value
                self.told = told["tollkeeper_session"]
            return answer.status, await answer.json(content_type=None)

    async def sign_in(self, key: str, **headers: str) -> int:
        status, answer = await self.ask("POST", "/session", key=key, headers=headers)
        self.guard = answer.get("guard", "")
        return status

    async def balance(self) -> tuple[int, str]:
        status, answer = await self.ask("GET", "/balance")
        return status, answer.get("account_id") or answer["code"]


async def managing_key(gateway: TestGateway, **more: Any) -> str:
    template = VirtualKey(
        key_id="", account_id=gateway.account, digest="", name="boss", manages=True, **more
    )
    return (await gateway.session.issuing.issue(template))[1]


async def test_a_session_sees_what_its_key_sees_until_one_signs_out(gateway):
    browser = Browser(gateway)
    stranger = await browser.balance()
    entered = await browser.sign_in(gateway.key)
    inside, cookie = await browser.balance(), browser.cookie
    left, _ = await browser.ask("DELETE", "/session")
    browser.cookie = cookie
    after = await browser.balance()

    assert (401, "invalid_api_key") == stranger
    assert (201, (200, gateway.account), 204) == (entered, inside, left)
    assert (401, "invalid_api_key") == after


async def test_the_cookie_is_for_nobody_else(gateway):
    browser = Browser(gateway)
    await browser.sign_in(gateway.key)
    told = browser.told
    await browser.sign_in(gateway.key, Origin="https://meter.example")

    assert (True, "Strict", ROOT) == (told["httponly"], told["samesite"], told["path"])
    assert not told["secure"]
    assert browser.told["secure"]


async def test_the_store_knows_neither_the_session_nor_the_key(gateway, store_server):
    browser = Browser(gateway)
    await browser.sign_in(gateway.key)
    kept = b""
    for name in (store_server.ask("KEYS", "session:*") or b"").split(b"\r\n"):
        if name.startswith(b"session:"):
            kept += name + store_server.ask("GET", name.decode())

    assert b"session:" in kept
    assert browser.cookie.encode() not in kept
    assert gateway.key.encode() not in kept


async def test_a_session_ends_with_its_key(gateway):
    browser = Browser(gateway)
    await browser.sign_in(gateway.key)
    [key] = await gateway.session.stores.keys.keys(gateway.account)
    await gateway.session.stores.keys.set_key_status(key.key_id, Status.REVOKED)

    assert (401, "invalid_api_key") == await browser.balance()


async def test_an_account_sees_no_other(gateway):
    browser = Browser(gateway)
    other = await account_with_key(gateway.session, granted_ucr=UCR_PER_CREDIT, account="other")
    await browser.sign_in(other)
    [theirs] = await gateway.session.stores.keys.keys(gateway.account)

    assert (200, "other") == await browser.balance()
    for path in (
        f"/usage?start_time=0&account_id={gateway.account}",
        f"/ledger?account_id={gateway.account}",
        f"/keys?account_id={gateway.account}",
    ):
        status, _ = await browser.ask("GET", path)
        assert 400 == status, path
    assert 404 == (await browser.ask("GET", f"/keys/{theirs.key_id}"))[0]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"X-Tollkeeper-Guard": ""},
        {"X-Tollkeeper-Guard": "0" * 64},
    ],
)
async def test_another_sites_page_changes_nothing(gateway, headers):
    browser = Browser(gateway)
    await browser.sign_in(await managing_key(gateway))
    refused, answer = await browser.ask(
        "POST", "/keys", headers={"Idempotency-Key": "x", **headers}, name="theirs"
    )

    assert (403, "cross_site") == (refused, answer["code"])
    names = {key.name for key in await gateway.session.stores.keys.keys(gateway.account)}
    assert {"test", "boss"} == names


async def test_an_older_browser_is_known_by_its_origin(gateway):
    browser = Browser(gateway)
    # Without Sec-Fetch-Site: an empty header is none of its values, so it is left out here.
    for origin, status in ((gateway.origin, 201), ("https://evil.example", 403)):
        url = gateway.origin + ROOT + "/session"
        async with gateway.http.post(
            url, json={"key": gateway.key}, headers={"Origin": origin}
        ) as answer:
            assert status == answer.status
    assert "" == browser.cookie


async def test_a_key_that_is_presented_counts_and_not_the_session_beside_it(gateway):
    browser = Browser(gateway)
    await browser.sign_in(gateway.key)
    other = await account_with_key(gateway.session, granted_ucr=1, account="other")
    status, answer = await browser.ask(
        "GET", "/balance", headers={"Authorization": f"Bearer {other}"}
    )

    assert (200, "other") == (status, answer["account_id"])


async def test_whoever_keeps_sending_wrong_keys_is_told_to_stop_and_a_right_one_works(gateway):
    browser = Browser(gateway)
    statuses = {await browser.sign_in("tk_wrong") for _ in range(FAILURES_MAX)}
    then, right = await browser.sign_in("tk_wrong"), await browser.sign_in(gateway.key)

    assert ({401}, 429, 201) == (statuses, then, right)


async def test_a_key_that_manages_makes_changes_rotates_and_revokes_keys(gateway):
    browser = Browser(gateway)
    await browser.sign_in(await managing_key(gateway))
    once = {"Idempotency-Key": "one"}
    made, first = await browser.ask(
        "POST",
        "/keys",
        headers=once,
        name="ci",
        limits=[{"unit": "requests", "window": "minute", "ceiling": 0}],
    )
    key = f"/keys/{first['id']}"
    refused = await _call(gateway, first["key"])
    await browser.ask("PATCH", key, limits=[], name="build")
    served = await _call(gateway, first["key"])
    _, second = await browser.ask(
        "POST", f"{key}/rotate", headers={"Idempotency-Key": "two"}, overlap_s=0
    )
    old, new = await _call(gateway, first["key"]), await _call(gateway, second["key"])
    await browser.ask("DELETE", f"/keys/{second['id']}")
    gone = await _call(gateway, second["key"])
    _, listed = await browser.ask("GET", "/keys")
    _, standing = await browser.ask("GET", f"{key}/limits")

    assert [] == standing["data"]
    assert (201, 429, 200) == (made, refused, served)
    assert (401, 200, 401) == (old, new, gone)
    assert {"test", "boss", "build"} == {row["name"] for row in listed["data"]}


async def _call(gateway: TestGateway, key: str) -> int:
    async with gateway.chat(headers={"Authorization": f"Bearer {key}"}) as answer:
        await answer.read()
        return int(answer.status)


async def test_a_key_that_does_not_manage_sees_itself_and_changes_nothing(gateway):
    browser = Browser(gateway)
    await managing_key(gateway)
    await browser.sign_in(gateway.key)
    _, listed = await browser.ask("GET", "/keys")
    [own] = listed["data"]
    answers = [
        await browser.ask("POST", "/keys", headers={"Idempotency-Key": "a"}, name="x"),
        await browser.ask("PATCH", f"/keys/{own['id']}", name="x"),
        await browser.ask(
            "POST", f"/keys/{own['id']}/rotate", headers={"Idempotency-Key": "b"}, overlap_s=0
        ),
        await browser.ask("DELETE", f"/keys/{own['id']}"),
    ]

    assert "test" == own["name"]
    assert [(403, "scope_missing")] * 4 == [(status, each["code"]) for status, each in answers]


async def test_a_key_that_manages_stays_within_its_account_and_its_plan(tmp_path, store_url):
    plan = "{limits: [{unit: requests, per: minute, ceiling: 5, scope: key}]}"
    async with running_gateway(tmp_path, store_url, plan=plan) as gateway:
        await account_with_key(gateway.session, granted_ucr=1, account="other")
        [theirs] = await gateway.session.stores.keys.keys("other")
        browser = Browser(gateway)
        await browser.sign_in(await managing_key(gateway))
        above = {"unit": "requests", "window": "minute", "ceiling": 6}
        answers = [
            await browser.ask("POST", "/keys", headers={"Idempotency-Key": "a"}, limits=[above]),
            await browser.ask("POST", "/keys", headers={"Idempotency-Key": "b"}, manages=True),
            await browser.ask(
                "POST", "/keys", headers={"Idempotency-Key": "c"}, account_id="other"
            ),
            await browser.ask("DELETE", f"/keys/{theirs.key_id}"),
            await browser.ask("GET", f"/keys/{theirs.key_id}/limits"),
        ]

        assert [400, 403, 404, 404, 404] == [status for status, _ in answers]
        [theirs] = await gateway.session.stores.keys.keys("other")
        assert Status.ACTIVE is theirs.status


async def test_an_operator_signs_in_on_the_admin_listener_with_a_service_key(gateway):
    admin = f"http://127.0.0.1:{gateway.gateway.admin_port}{ROOT}"
    for key, status in ((gateway.key, 401), (SERVICE_KEY, 201)):
        async with gateway.http.post(f"{admin}/session", json={"key": key}) as answer:
            assert status == answer.status
            cookies = SimpleCookie(answer.headers.get("Set-Cookie", ""))
    sent = {"Cookie": f"tollkeeper_operator={cookies['tollkeeper_operator'].value}"}
    async with gateway.http.get(f"{admin}/accounts", headers=sent) as answer:
        listed = answer.status, [row["id"] for row in (await answer.json())["data"]]
    async with gateway.http.post(f"{admin}/accounts", headers=sent, json={}) as answer:
        unguarded = (await answer.json())["code"]
    outside = Browser(gateway)
    refused = await outside.sign_in(SERVICE_KEY)
    async with gateway.http.get(f"{gateway.origin}{ROOT}/accounts", headers=sent) as answer:
        elsewhere = answer.status

    assert (200, [gateway.account]) == listed
    assert ("cross_site", 401, 403) == (unguarded, refused, elsewhere)
