"""Both dashboards in a real browser, by the keyboard alone: no pointer is ever moved.

Wherever the focus comes to it is seen, and it is never lost: `press`, `tab_to` and `rests_at`
refuse to go on otherwise.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect
from support.browser import Visitor
from support.gateways import ACCOUNT, SERVICE_KEY, TestGateway, account_with_key, running_gateway
from support.metering_api import caught_up
from support.redis_forms import Servers
from support.redis_server import KINDS
from support.service import ROOT

from gateway.metering.accounts import Status, VirtualKey
from gateway.metering.pricing import UCR_PER_CREDIT

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
PLANS = "{enforcement: rolling}, careful: {enforcement: strict}"
# Once around the largest dialog, and on.
AROUND = 14


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def gateway(
    tmp_path_factory: pytest.TempPathFactory, store_servers: Servers
) -> AsyncIterator[TestGateway]:
    folder, url = tmp_path_factory.mktemp("gateway"), store_servers.emptied(KINDS[0]).url
    async with running_gateway(folder, url, plan=PLANS) as gateway:
        await account_with_key(gateway.session, granted_ucr=UCR_PER_CREDIT, account="other")
        async with gateway.chat() as answer:
            await answer.read()
        await caught_up(gateway)
        yield gateway


async def enters(person: Visitor, key: str, view: str) -> None:
    """With a wrong key first, which the right one takes the place of."""
    page = person.page
    await page.goto(f"{person.origin}/dashboard")
    await person.rests_at("Key")
    await expect(page.get_by_role("alert")).to_have_count(0)
    await page.keyboard.type("tk_wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("No such key works here.")
    await person.rests_at("Key")
    await page.keyboard.type(key)
    await page.keyboard.press("Enter")
    await person.rests_at(view, "h1")


async def noted(gateway: TestGateway) -> list[tuple[str, str, str]]:
    """What the audit trail has of the account, the newest first."""
    url = f"http://127.0.0.1:{gateway.gateway.admin_port}{ROOT}/audit?account_id={ACCOUNT}"
    async with gateway.http.get(url, headers={"Authorization": f"Bearer {SERVICE_KEY}"}) as answer:
        rows = (await answer.json())["data"]
    return [(row["action"], row["actor"], row["outcome"]) for row in rows]


async def walks_around(person: Visitor) -> None:
    """A dialog keeps the focus, forwards and backwards."""
    await person.press(*["Tab"] * AROUND, *["Shift+Tab"] * AROUND)


async def follows(person: Visitor, link: str, heading: str, *, back: bool = False) -> None:
    await person.tab_to(link, back=back)
    await person.page.keyboard.press("Enter")
    await person.rests_at(heading, "h1")


async def makes_a_key(person: Visitor) -> None:
    """Called builds, for five credits a day; its dialogs are given up once, and come back to."""
    page = person.page
    await person.tab_to("New key")
    assert "Name" == await person.press("Enter")
    await walks_around(person)
    assert "New key" == await person.press("Escape")
    assert "Name" == await person.press("Space")
    await page.keyboard.type("builds")
    await person.tab_to("Limit")
    await page.keyboard.press("ArrowDown")
    await person.tab_to("At most")
    await page.keyboard.type("5")
    await person.tab_to("Make it")
    await page.keyboard.press("Enter")
    await person.rests_at("Copy")
    assert (await page.inner_text("#secret")).startswith("tk_")
    await page.keyboard.press("Enter")
    await person.rests_at("Copied")
    assert "I have copied it" == await person.press("Tab")
    await page.keyboard.press("Enter")
    await person.rests_at("New key")


async def test_a_payer_needs_no_pointer(page, gateway) -> None:
    template = VirtualKey(key_id="", account_id=ACCOUNT, digest="", name="boss", manages=True)
    key = (await gateway.session.issuing.issue(template))[1]
    async with Visitor(page, gateway.origin) as person:
        await enters(person, key, "Overview")
        await page.reload()
        await person.seen()
        assert "To the content" == await person.press("Tab")
        assert "Overview" == await person.press("Enter")
        await follows(person, "Requests", "Requests", back=True)
        first = await page.locator("tbody a").first.inner_text()
        await follows(person, first, "Receipt")
        await expect(page.locator("tr.total")).to_contain_text("Charge")

        await follows(person, "Keys", "Keys", back=True)
        await makes_a_key(person)
        await expect(page.locator("tbody tr", has_text="builds")).to_contain_text(
            "5.00 credits a day"
        )

        await person.tab_to("Revoke builds")
        assert "Cancel" == await person.press("Enter")
        assert "Revoke builds" == await person.press("Enter")
        await person.press("Space")
        assert "Revoke" == await person.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("#said")).to_contain_text("builds is revoked.")
        await person.rests_at("Keys", "h1")
        await person.tab_to("Sign out", back=True)
        await page.keyboard.press("Enter")
        await person.rests_at("Key")
        await expect(page.get_by_role("alert")).to_have_text("You are signed out.")

    found = await gateway.session.stores.keys.keys(ACCOUNT)
    [made] = [each for each in found if each.name == "builds"]
    assert (Status.REVOKED, 5 * UCR_PER_CREDIT) == (made.status, made.limits[0].ceiling)
    by = f"key:{key.split('_')[1]}"
    assert [("revokeKey", by, "done"), ("createKey", by, "done")] == await noted(gateway)
    assert [] == person.complaints


async def test_an_operator_needs_no_pointer(page, gateway) -> None:
    async with Visitor(page, f"http://127.0.0.1:{gateway.gateway.admin_port}") as operator:
        await enters(operator, SERVICE_KEY, "Health")
        await follows(operator, "Accounts", "Accounts", back=True)
        await operator.tab_to("Search")
        await page.keyboard.type("othe")
        await page.keyboard.press("Enter")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await operator.rests_at("Search")
        await operator.tab_to("Export as CSV: accounts")
        async with page.expect_download():
            await page.keyboard.press("Enter")
        await operator.rests_at("Export as CSV: accounts")
        await follows(operator, "other", "other", back=True)

        await operator.tab_to("Grant credit")
        assert "Credits" == await operator.press("Enter")
        await walks_around(operator)
        await page.keyboard.type("25")
        await page.keyboard.press("Enter")
        await operator.rests_at("Cancel")
        await expect(page.get_by_role("dialog")).to_contain_text("Grant 25.000000 credits?")
        assert UCR_PER_CREDIT == (await gateway.ledger.balance("other")).available_ucr
        await walks_around(operator)
        await operator.tab_to("Grant")
        await page.keyboard.press("Enter")
        await operator.rests_at("Grant credit")
        await expect(page.locator("#available")).to_have_text("26.00")

        await operator.tab_to("Change plan")
        assert "Plan" == await operator.press("Enter")
        await page.keyboard.type("careful")
        await operator.tab_to("Change it")
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_contain_text("plan careful")
        await operator.rests_at("Change plan")

        await follows(operator, "Audit trail", "Audit trail", back=True)
        newest = page.locator("tbody tr")
        await expect(newest.nth(0)).to_contain_text("Account changed")
        await expect(newest.nth(0)).to_contain_text("plan: careful")
        await expect(newest.nth(1)).to_contain_text("Credit granted")
        await operator.tab_to("Sign out", back=True)
        await page.keyboard.press("Enter")
        await operator.rests_at("Key")

    account = await gateway.session.stores.keys.account("other")
    assert "careful" == account.plan
    assert 26 * UCR_PER_CREDIT == (await gateway.ledger.balance("other")).available_ucr
    assert [] == operator.complaints
