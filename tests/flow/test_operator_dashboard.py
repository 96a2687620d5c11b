"""The operator's dashboard in a real browser, on the admin listener: what can be done with it."""

import csv
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect
from support.browser import OPERATOR_VIEWS, Visitor
from support.gateways import ACCOUNT, SERVICE_KEY, TestGateway, account_with_key, running_gateway
from support.metering_api import caught_up
from support.redis_forms import Servers
from support.redis_server import KINDS

from gateway.metering.accounts import Account, Status
from gateway.metering.pricing import UCR_PER_CREDIT

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
EVIL = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
OF_ONE = (
    *("/accounts/evil", "/sinks/file", f"/accounts/{ACCOUNT}/requests"),
    *(f"/accounts/{ACCOUNT}/statement", f"/accounts/{ACCOUNT}/running"),
)
DIALOGS = {
    "/accounts": (("New account",),),
    "/accounts/evil": (
        *(("Grant credit", "Go on"), ("Take back",), ("Change plan",), ("Suspend",)),
        *(("New project",), ("New key", "Make it"), ("Audit",)),
    ),
    "/sinks": (("Pause file",),),
    "/sinks/file": (("Replay",),),
}
TOKENS = re.compile(r"^[1-9]\d*$")
SINKS = "sinks:\n  file: {{json_lines: {{folder: {folder}}}}}\n"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def gateway(
    tmp_path_factory: pytest.TempPathFactory, store_servers: Servers
) -> AsyncIterator[TestGateway]:
    """One for all, with a sink, an account that is nearly empty, and one with a name to fear."""
    folder = tmp_path_factory.mktemp("gateway")
    sinks = SINKS.format(folder=orjson.dumps(str(folder / "out")).decode())
    url = store_servers.emptied(KINDS[0]).url
    async with running_gateway(folder, url, more=sinks) as gateway:
        await account_with_key(gateway.session, granted_ucr=UCR_PER_CREDIT, account="other")
        evil = Account(account_id="evil", plan="test", name=EVIL)
        await gateway.session.stores.keys.put_account(evil)
        async with gateway.chat() as answer:
            await answer.read()
        await caught_up(gateway)
        yield gateway


def admin(gateway: TestGateway) -> str:
    return f"http://127.0.0.1:{gateway.gateway.admin_port}"


@pytest_asyncio.fixture(loop_scope="module")
async def operator(page: Page, gateway: TestGateway) -> AsyncIterator[Visitor]:
    async with Visitor(page, admin(gateway)) as operator:
        await operator.sign_in(SERVICE_KEY)
        await operator.seen()
        yield operator
        assert [] == operator.complaints


async def test_a_payers_key_does_not_enter_and_the_attempt_is_noted(page, gateway) -> None:
    async with Visitor(page, admin(gateway)) as person:
        await person.sign_in(gateway.key)
        await expect(person.page.get_by_role("alert")).to_contain_text("key", ignore_case=True)
        await person.page.goto(f"{admin(gateway)}/dashboard/accounts")
        await expect(person.page.get_by_role("heading", name="Sign in")).to_be_visible()
        await person.sign_in(SERVICE_KEY)
        await person.seen()
        await person.look("/keys")
        await expect(person.page.locator("main")).to_contain_text("Failed sign-ins, by address")
        await person.look("/audit?action=signIn")
        text = await person.page.inner_text("main")
        cookies = await person.page.context.cookies()

    assert "invalid_api_key" in text
    assert "service:tests" in text
    assert gateway.key not in text
    [cookie] = cookies
    assert (True, "Strict") == (cookie["httpOnly"], cookie["sameSite"])


async def test_granted_credit_is_confirmed_shown_and_noted_with_who(gateway, operator) -> None:
    page = operator.page
    await operator.look("/accounts?search=OTHE")
    await page.get_by_role("link", name="other", exact=True).click()
    await expect(page.get_by_role("heading", name="other", exact=True)).to_be_visible()
    await expect(page.locator("#available")).to_have_text("1.00")
    await page.get_by_role("button", name="Grant credit").click()
    await page.get_by_label("Credits").fill("25")
    await page.get_by_label("Note").fill("for a trial")
    await page.get_by_role("button", name="Go on").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Grant 25.000000 credits?")
    assert UCR_PER_CREDIT == (await gateway.ledger.balance("other")).available_ucr
    await dialog.get_by_role("button", name="Grant", exact=True).click()
    await expect(page.locator("#available")).to_have_text("26.00")
    assert 26 * UCR_PER_CREDIT == (await gateway.ledger.balance("other")).available_ucr

    await page.get_by_role("link", name="All changes").click()
    await expect(page.get_by_role("heading", name="Audit trail")).to_be_visible()
    row = page.locator("tbody tr").first
    await expect(row).to_contain_text("Credit granted")
    await expect(row).to_contain_text("service:tests")
    await expect(row).to_contain_text("for a trial")


async def test_an_account_is_made_gets_a_project_with_a_key_and_is_suspended(
    gateway, operator
) -> None:
    page = operator.page
    await operator.look("/accounts")
    await page.get_by_role("button", name="New account").click()
    await page.get_by_role("textbox", name="Id").fill("fresh")
    await page.get_by_role("button", name="Create it").click()
    await expect(page.get_by_role("heading", name="fresh", exact=True)).to_be_visible()
    await page.get_by_role("button", name="New project").click()
    await page.get_by_role("textbox", name="Id").fill("search")
    await page.get_by_label("Limit", exact=True).select_option("requests")
    await page.get_by_label("At most").fill("5")
    await page.get_by_role("button", name="Create it").click()
    await expect(page.locator("tbody tr", has_text="search").first).to_contain_text(
        "5 requests a day"
    )
    await page.get_by_role("button", name="New key").click()
    await page.get_by_label("Project", exact=True).select_option("search")
    await page.get_by_role("button", name="Make it").click()
    key = await page.inner_text("#secret")
    await page.get_by_role("button", name="I have copied it").click()
    await expect(page.get_by_role("button", name="Revoke")).to_be_visible()
    await page.get_by_role("link", name="1", exact=True).first.click()
    await expect(page.get_by_role("heading", name="Keys of search")).to_be_visible()
    await page.get_by_role("button", name="Suspend", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Suspend").click()
    await expect(page.get_by_role("button", name="Reactivate", exact=True)).to_be_visible()

    [made] = await gateway.session.stores.keys.keys("fresh")
    project = await gateway.session.stores.keys.project("fresh", "search")
    assert project is not None
    assert ("search", 5) == (made.project_id, project.limits[0].ceiling)
    account = await gateway.session.stores.keys.account("fresh")
    assert account is not None
    assert Status.SUSPENDED is account.status
    assert key not in await page.content()


async def test_a_figure_of_an_account_leads_to_its_calls_and_their_receipts(operator) -> None:
    page = operator.page
    await operator.look(f"/accounts/{ACCOUNT}")
    await (
        page.get_by_label("Balance")
        .locator(".figure", has_text="Charged")
        .get_by_role("link")
        .click()
    )
    await expect(page.get_by_role("heading", name="Requests")).to_be_visible()
    await page.locator("tbody tr").first.get_by_role("link").first.click()
    await expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
    await expect(page.locator("tr.total")).to_contain_text("Charge")
    assert f"/accounts/{ACCOUNT}/requests/req_" in page.url


async def test_what_an_account_used_is_told_by_model_and_leads_to_its_calls(operator) -> None:
    page = operator.page
    await operator.look(f"/accounts/{ACCOUNT}")
    row = page.get_by_role("region", name="Use by model").locator("tbody tr")
    await expect(row.locator("td")).to_have_text(["1", TOKENS, TOKENS, "0.01", "0.01", "0.01"])
    await row.get_by_role("link").click()
    await expect(page.get_by_role("heading", name="Requests")).to_be_visible()
    assert 1 == await page.locator("tbody tr").count()


async def test_a_models_sum_leads_to_its_calls_and_a_call_to_its_receipt(operator) -> None:
    page = operator.page
    await operator.look("/money")
    row = page.get_by_role("region", name="What was charged by model").locator("tbody tr")
    await row.get_by_role("link", name="1", exact=True).click()
    await expect(page.get_by_role("heading", name="Calls")).to_be_visible()
    assert "hours=720&since=" in page.url
    assert "&provider=simulated&model=" in page.url
    await page.get_by_label("Counted by").select_option("held")
    await expect(page.locator("main")).to_contain_text("No call was charged like that.")
    await page.get_by_label("Counted by").select_option("reported")
    await page.locator("tbody tr").first.get_by_role("link").first.click()
    await expect(page.get_by_role("heading", name="Receipt")).to_be_visible()


async def test_a_sink_is_paused_and_resumed(gateway, operator) -> None:
    page = operator.page
    await operator.look("/sinks")
    row = page.locator("tbody tr", has_text="file")
    await row.get_by_role("button", name="Pause file").click()
    await page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    await expect(row).to_contain_text("paused")
    await row.get_by_role("link", name="file").click()
    await expect(page.get_by_role("heading", name="Sink file")).to_be_visible()
    await page.get_by_role("button", name="Resume file").click()
    await page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    await expect(page.locator(".figures")).to_contain_text("running")


async def test_an_audit_tells_that_the_ledger_agrees_with_its_journal(operator) -> None:
    page = operator.page
    await operator.look("/integrity")
    await page.get_by_label("Account").fill(ACCOUNT)
    await page.get_by_role("button", name="Audit", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("The ledger has what the journal adds up to")
    await expect(dialog).to_contain_text("whole")
    await dialog.get_by_role("button", name="Close").click()
    await expect(page.locator("tbody tr").first).to_contain_text("Account audited")


async def test_a_list_is_exported_whole_and_told_when_it_was_cut(gateway, operator) -> None:
    page = operator.page
    for number in range(55):
        account = Account(account_id=f"many-{number:02}", plan="test")
        await gateway.session.stores.keys.put_account(account)

    async def without_end(route: Route) -> None:
        answer = await (await route.fetch()).json()
        rows = (answer["data"] * 1000)[:1000]
        await route.fulfill(json=answer | {"data": rows, "next_cursor": "1"})

    async def exported() -> list[dict[str, str]]:
        async with page.expect_download() as started:
            await page.get_by_role("button", name="Export as CSV: accounts").click()
        text = Path(await (await started.value).path()).read_text()
        return list(csv.DictReader(io.StringIO(text)))

    await operator.look("/accounts?search=many&sort=debt")
    assert 50 == await page.locator("tbody tr").count()
    whole = await exported()
    await expect(page.locator(".under")).to_contain_text("the whole list, 10,000 rows at most")
    await page.route("**/metering/v1/standings?*limit=1000*", without_end)
    cut = await exported()

    assert {f"many-{number:02}" for number in range(55)} == {row["Account"] for row in whole}
    assert (55, 10_000) == (len(whole), len(cut))
    await expect(page.locator(".under")).to_contain_text("has the first 10,000 rows")


async def test_every_view_is_for_everybody(page, gateway, screenshots) -> None:
    """axe finds nothing, nothing is cut off sideways, no name is markup; and pictures of each."""
    faults = []
    async with Visitor(page, admin(gateway)) as operator:
        await operator.sign_in(SERVICE_KEY)
        await operator.seen()
        for view in (*OPERATOR_VIEWS, *OF_ONE):
            await operator.go(view)
            picture = screenshots / f"operator-{view.strip('/').replace('/', '-') or 'health'}.png"
            found = await page.evaluate("[window.hacked, document.images.length].join()")
            assert ",0" == found, view
            if view in ("/accounts", "/accounts/evil"):
                assert EVIL in await page.inner_text("main")
            faults += await operator.looked_at(picture)
            for dialogs in DIALOGS.get(view, ()):
                faults += await operator.dialogs_looked_at(dialogs, picture)

    assert [] == faults
    assert [] == operator.complaints
