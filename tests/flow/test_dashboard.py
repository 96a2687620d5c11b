"""The dashboard in a real browser: what people do with it, and what nobody can do to it."""

import asyncio
import csv
import io
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, expect
from support.browser import SIZES, VIEWS, Visitor
from support.commands import Demo
from support.gateways import TestGateway, account_with_key, running_gateway
from support.metering_api import caught_up
from support.redis_forms import Servers
from support.redis_server import KINDS
from support.service import ask

from gateway.metering.accounts import Account, VirtualKey
from gateway.metering.ledger import Grant
from gateway.metering.pricing import UCR_PER_CREDIT

# A browser starts slowly on a busy machine, and each of these does much.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
EVIL = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
LONG = "Long" * 25
LARGE_UCR = 8_000_000_000 * UCR_PER_CREDIT
FORMULA = "=1+1"
DIALOGS = {
    "/keys": (
        ("New key", "Make it"),
        ("Limits web app",),
        ("Rotate web app",),
        ("Revoke web app",),
    ),
    "/limits": (("Change",), ("New endpoint",)),
}
"""By view: one behind the other."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def one_gateway(
    tmp_path_factory: pytest.TempPathFactory, store_servers: Servers
) -> AsyncIterator[TestGateway]:
    url = store_servers.emptied(KINDS[0]).url
    async with running_gateway(tmp_path_factory.mktemp("gateway"), url) as gateway:
        yield gateway


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(one_gateway: TestGateway) -> TestGateway:
    """With an account of the test's own."""
    account = f"acme-{secrets.token_hex(4)}"
    granted_ucr = 100 * UCR_PER_CREDIT
    key = await account_with_key(one_gateway.session, granted_ucr=granted_ucr, account=account)
    return replace(one_gateway, account=account, key=key)


@pytest_asyncio.fixture(loop_scope="module")
async def person(page: Page, gateway: TestGateway) -> AsyncIterator[Visitor]:
    """Signed in with a key that manages the account."""
    async with Visitor(page, gateway.origin) as person:
        await person.sign_in(await managing_key(gateway))
        await person.seen()
        yield person
        assert [] == person.complaints


async def managing_key(gateway: TestGateway, name: str = "boss") -> str:
    template = VirtualKey(key_id="", account_id=gateway.account, digest="", name=name, manages=True)
    return (await gateway.session.issuing.issue(template))[1]


async def call(gateway: TestGateway, key: str, **more: Any) -> tuple[int, str]:
    """Status and request id of a whole call."""
    async with gateway.chat(headers={"Authorization": f"Bearer {key}"}, **more) as answer:
        await answer.read()
        return answer.status, answer.headers["x-tollkeeper-request-id"]


async def test_signing_in_takes_a_right_key_and_signing_out_ends_it(page, gateway) -> None:
    async with Visitor(page, gateway.origin) as person:
        await person.sign_in("tk_wrong")
        await expect(page.get_by_role("alert")).to_contain_text("key", ignore_case=True)
        await page.get_by_label("Key").fill(gateway.key)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await person.page.goto(f"{gateway.origin}/dashboard/keys")
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        stored = await page.evaluate("[...Object.keys(localStorage), document.cookie].join('')")

    assert "" == stored
    assert [] == person.complaints


async def test_a_streamed_call_moves_the_balance_and_its_receipt_tells_why(gateway, person) -> None:
    page = person.page
    had = await person.number("#available")
    calling = asyncio.ensure_future(
        call(gateway, gateway.key, simulate="tokens=160,delay_ms=25", stream=True)
    )
    await expect(page.locator("#held")).not_to_have_text("0.00")
    assert await person.number("#available") < had
    status, request_id = await calling
    assert 200 == status
    charged = await caught_up(gateway)
    await expect(page.locator("#held")).to_have_text("0.00")
    await page.get_by_role("link", name="Requests", exact=True).click()
    await person.seen()
    await page.locator("tbody tr").first.get_by_role("link").first.click()
    await expect(page.get_by_role("heading", name="Receipt")).to_be_visible()

    assert page.url.endswith(f"/requests/{request_id}")
    exactly = f"{charged // UCR_PER_CREDIT}.{charged % UCR_PER_CREDIT:06d}"
    await expect(page.locator("tr.total")).to_contain_text(exactly)


async def test_the_figure_of_running_calls_leads_to_them_while_they_run(gateway, person) -> None:
    page = person.page
    calling = asyncio.ensure_future(
        call(gateway, gateway.key, simulate="tokens=280,delay_ms=25", stream=True)
    )
    await page.get_by_role("link", name="1 running call", exact=True).click()
    await expect(page.get_by_role("heading", name="Running calls")).to_be_visible()
    row = page.locator("tbody tr")
    await expect(row).to_contain_text("gpt-4.1-mini")
    async with page.expect_download() as started:
        await page.get_by_role("button", name="Export as CSV: running-calls").click()
    text = Path(await (await started.value).path()).read_text()
    await page.get_by_role("heading", name="Running calls").click()
    _, request_id = await calling
    await expect(page.locator(".empty")).to_contain_text("Nothing runs now")

    [exported] = csv.DictReader(io.StringIO(text))
    assert request_id == exported["Request"]
    assert Decimal(exported["Held"]) > 0


async def test_a_key_is_made_used_and_revoked_and_then_refused(gateway, person) -> None:
    page = person.page
    await person.look("/keys")
    button = page.get_by_role("button", name="New key")
    await button.press("Enter")
    await page.keyboard.press("Escape")
    await expect(button).to_be_focused()
    await button.press("Enter")
    await page.get_by_label("Name", exact=True).fill("builds")
    await page.get_by_label("Limit", exact=True).select_option("requests")
    await page.get_by_label("At most").fill("5")
    await page.get_by_role("button", name="Make it").click()
    key = await page.inner_text("#secret")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(button).to_be_focused()
    row = page.locator("tbody tr", has_text="builds")
    await expect(row).to_contain_text("5 of 5 requests a day left, anew in")
    assert 200 == (await call(gateway, key))[0]
    await row.get_by_role("button", name="Revoke builds").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(row).to_have_count(0)

    assert 401 == (await call(gateway, key))[0]
    assert key not in await page.content()


async def test_a_key_is_rotated_and_the_old_one_works_on_meanwhile(gateway, person) -> None:
    page = person.page
    await person.look("/keys")
    await page.get_by_role("button", name="Rotate test").click()
    await page.get_by_label("The old one works for").select_option("3600")
    await page.get_by_role("button", name="Make a new one").click()
    fresh = await page.inner_text("#secret")
    await page.get_by_role("button", name="I have copied it").click()

    assert [200, 200] == [(await call(gateway, key))[0] for key in (gateway.key, fresh)]


async def test_alerts_and_webhooks_are_set_by_whoever_manages(gateway, person) -> None:
    page = person.page
    await person.look("/limits")
    await page.get_by_role("button", name="Change", exact=True).click()
    await page.get_by_label("Marks").fill("50%, 20")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".marks")).to_contain_text("20 credits left")
    await page.get_by_role("button", name="New endpoint").click()
    await page.get_by_label("Address").fill("https://example.com/hook")
    await page.get_by_label("balance low").check()
    await page.get_by_role("button", name="Add it").click()
    secret = await page.inner_text("#secret")
    await page.get_by_role("button", name="I have copied it").click()
    row = page.locator("tbody tr", has_text="https://example.com/hook")
    await expect(row).to_contain_text("balance low")
    await row.get_by_role("button", name="Off").click()
    await page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
    await expect(row).to_contain_text("disabled")
    [endpoint] = await gateway.session.stores.endpoints.listed(gateway.account)
    await row.get_by_role("button", name="Remove").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(row).to_have_count(0)
    account = await gateway.session.stores.keys.account(gateway.account)

    assert ["50%", "20"] == [alert.name for alert in account.alerts]
    assert (("balance.low",), True) == (endpoint.types, secret.startswith("whsec_"))
    assert [] == list(await gateway.session.stores.endpoints.listed(gateway.account))


async def test_credit_that_comes_in_shows_while_one_looks(gateway, person) -> None:
    had = await person.number("#available")
    status, _ = await ask(
        gateway,
        "POST",
        f"/accounts/{gateway.account}/grants",
        once="top-up",
        id="top-up",
        microcredits=25 * UCR_PER_CREDIT,
    )

    assert 201 == status
    await expect(person.page.locator("#available")).to_have_text(f"{had + 25:.2f}")
    await expect(person.page.locator(".burn")).to_contain_text("top-up")


async def test_the_balance_is_asked_for_once_until_it_changes(gateway, person) -> None:
    page, asked = person.page, []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    await page.evaluate("""void (window.listened = new Promise(heard => {
        const Plain = EventSource;
        window.EventSource = function (url) {
            const source = new Plain(url);
            source.addEventListener("balance", () => setTimeout(heard, 300));
            return source;
        };
        window.EventSource.CLOSED = Plain.CLOSED;
    }))""")
    await page.get_by_role("link", name="Limits and alerts").click()
    await person.seen()
    await page.get_by_role("link", name="Overview").click()
    await person.seen()
    await page.evaluate("window.listened")

    assert 1 == asked.count("balance")
    assert 1 == asked.count("events")


async def test_what_is_exported_adds_up(gateway, person) -> None:
    page = person.page
    for _ in range(3):
        await call(gateway, gateway.key)
    charged = await caught_up(gateway)

    async def exported(view: str, name: str) -> list[dict[str, str]]:
        await person.look(view)
        async with page.expect_download() as started:
            await page.locator(".under").get_by_text(name).click()
        text = Path(await (await started.value).path()).read_text()
        return list(csv.DictReader(io.StringIO(text)))

    requests = await exported("/requests", "Export CSV")
    statement = await exported("/statement", "Export CSV")
    focus = await exported("/statement", "Export FOCUS")
    models = await exported("/models", "Export CSV")

    assert charged == sum(int(row["charge_microcredits"]) for row in requests)
    spent = sum(Decimal(row["Credits"]) for row in statement if row["What"] == "settled")
    assert Decimal(-charged) / UCR_PER_CREDIT == spent
    used = [row for row in focus if row["ChargeCategory"] == "Usage"]
    worth = sum(Decimal(row["EffectiveCost"]) for row in used)
    assert Decimal(charged) / UCR_PER_CREDIT / 100 == worth
    [bought] = [row for row in focus if row["ChargeCategory"] == "Purchase"]
    assert Decimal(1) == Decimal(bought["BilledCost"])
    assert 3 == sum(int(row["Requests"]) for row in models)


async def test_an_account_sees_nothing_of_another(page, gateway) -> None:
    _, request_id = await call(gateway, gateway.key)
    await caught_up(gateway)
    other = await account_with_key(gateway.session, granted_ucr=7 * UCR_PER_CREDIT, account="other")
    async with Visitor(page, gateway.origin) as person:
        await person.sign_in(other)
        await person.seen()
        assert 7.0 == await person.number("#available")
        await person.look(f"/requests/{request_id}")
        await expect(person.page.get_by_role("heading", name="Not found")).to_be_visible()
        for view in VIEWS:
            await person.look(view)
            assert gateway.account not in await person.page.inner_text("body"), view


async def test_what_users_wrote_is_text_and_never_markup(page, gateway) -> None:
    """And it fits in, however long it is, as do figures, however large they are; small ones are no
    zeros."""
    large = Grant(grant_id="g" * 60, account_id=gateway.account, amount_ucr=LARGE_UCR)
    await gateway.ledger.grant(large)
    await gateway.session.stores.keys.put_account(
        Account(account_id=gateway.account, plan="test", name=EVIL)
    )
    key = await managing_key(gateway, name=EVIL + LONG)
    await managing_key(gateway, name=FORMULA)
    await call(gateway, key, simulate="tokens=5")
    await caught_up(gateway)
    async with Visitor(page, gateway.origin) as person:
        await person.sign_in(key)
        await person.seen()
        for view in (*VIEWS, "/usage?by=key"):
            await person.go(view)
            for size in SIZES.values():
                await person.page.set_viewport_size(size)  # type: ignore[arg-type]
                assert 0 == await person.cut_off(), view
            assert EVIL in await person.page.inner_text("body"), view
            found = await person.page.evaluate("[window.hacked, document.images.length].join()")
            assert ",0" == found, view

        await person.go("/models")
        await expect(person.page.locator("tbody tr").first).to_contain_text("<0.01")
        async with person.page.expect_download() as started:
            await person.go("/keys")
            await person.page.get_by_role("button", name="Export").click()
        exported = Path(await (await started.value).path()).read_text()

    assert EVIL in exported
    assert f"'{FORMULA}" in exported
    assert [] == person.complaints


async def test_a_gateway_that_is_away_is_told_and_signs_nobody_out(person) -> None:
    page = person.page
    await page.context.set_offline(offline=True)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.locator("#said")).to_contain_text("You are still signed in.")
    await page.get_by_role("link", name="Keys", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("The gateway does not answer.")
    await page.context.set_offline(offline=False)
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("heading", name="Keys")).to_be_focused()


async def test_another_sites_page_changes_nothing_of_a_session(gateway, person) -> None:
    """`localhost` is another site than 127.0.0.1."""
    form = f"""<form method=post enctype=text/plain action="{gateway.origin}/metering/v1/keys">
        <input name='{{"name":"theirs","x":"' value='"}}'></form><script>
        fetch("{gateway.origin}/metering/v1/keys", {{method: "POST", credentials: "include",
            mode: "no-cors", body: '{{"name":"theirs"}}'}}).finally(() => document.title = "done");
        </script><iframe src="{gateway.origin}/dashboard"></iframe>"""
    site = web.Application()

    async def evil(_: web.Request) -> web.Response:
        return web.Response(text=form, content_type="text/html")

    site.router.add_get("/", evil)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        page = await person.page.context.new_page()
        await page.goto(f"http://localhost:{runner.addresses[0][1]}/")
        await page.wait_for_function("document.title === 'done'")
        framed = [frame for frame in page.frames if frame != page.main_frame]
        inside = [await frame.locator("form.entrance, nav").count() for frame in framed]
        await page.evaluate("document.forms[0].submit()")
        await page.wait_for_url("**/metering/v1/keys")
        await page.close()
    finally:
        await runner.cleanup()

    names = {key.name for key in await gateway.session.stores.keys.keys(gateway.account)}
    assert {"test", "boss"} == names
    assert [0] == inside


async def test_filters_are_in_the_address_and_the_chart_is_read_by_keys(gateway, person) -> None:
    page = person.page
    await call(gateway, gateway.key)
    await caught_up(gateway)
    await person.look("/usage")
    await page.get_by_role("button", name="Requests").click()
    await page.get_by_role("button", name="Today").click()
    await expect(page.get_by_role("heading", name="Requests by model")).to_be_visible()
    assert page.url.endswith("/usage?measure=requests&days=1")
    await page.reload()
    await expect(page.get_by_role("heading", name="Requests by model")).to_be_visible()
    await page.locator("svg.stacked").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator(".told .when")).to_contain_text("00:00")


async def test_what_was_refused_is_told_by_key_and_model(gateway, person) -> None:
    page = person.page
    refused, _ = await call(gateway, gateway.key, model="gpt-9")
    await call(gateway, gateway.key, simulate="status=500")
    # Counts are shared each two seconds.
    while "gpt-9" not in await page.inner_text("main"):
        await person.look("/usage?measure=refused&by=model&days=7")
    await expect(page.locator(".legend")).to_contain_text("gpt-9")
    await page.get_by_role("button", name="Key", exact=True).click()
    await expect(page.locator(".legend")).to_contain_text("test")
    await person.look("/usage?measure=refused&days=7&model=gpt-9")
    await expect(page.locator(".legend li")).to_have_count(1)

    assert 403 == refused


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("demo"))
    await demo.start()
    yield demo
    await demo.stop()


async def test_every_view_is_for_everybody(page, demo, screenshots) -> None:
    """axe finds nothing, nothing is cut off sideways; and pictures of each."""
    origin = demo.told("Dashboard").removesuffix("/dashboard")
    async with Visitor(page, origin) as person:
        await page.goto(f"{origin}/dashboard")
        await page.wait_for_selector("form.entrance")
        faults = await person.looked_at(screenshots / "entrance.png")
        await person.sign_in(demo.told("Key"))
        await person.seen()
        receipt = await page.evaluate(
            "fetch('/metering/v1/usage/records?limit=1').then(a => a.json())"
            ".then(page => page.data[0].request_id)"
        )
        for view in (*VIEWS, f"/requests/{receipt}"):
            await person.go(view)
            name = "receipt" if receipt in view else view.strip("/") or "overview"
            faults += await person.looked_at(screenshots / f"{name}.png")
            for dialogs in DIALOGS.get(view, ()):
                faults += await person.dialogs_looked_at(dialogs, screenshots / f"{name}.png")

    assert [] == faults
    assert [] == person.complaints
