"""The operator's dashboard in a real browser: what is done about deliveries that went wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from support.browser import Visitor
from support.contract_servers.base import BROKEN_BEFORE
from support.contract_servers.lago import KEY, LagoServer
from support.contract_servers.receiver import Receiver
from support.gateways import (
    ACCOUNT,
    SECRETS,
    SERVICE_KEY,
    TestGateway,
    running_gateway,
)
from support.redis_forms import Servers
from support.redis_server import KINDS
from support.service import ROOT, ask

from gateway.metering import webhooks
from gateway.metering.ledger import Grant

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
MORE = """
webhooks: {{allow: [127.0.0.0/8], timeout_s: 1}}
sinks:
  file: {{json_lines: {{folder: {folder}}}, linger_s: 0.05}}
  lago: {{lago: {{url: "{url}", api_key: env:TEST_LAGO, charge_metric: charge}}, linger_s: 0.05}}
"""


@pytest_asyncio.fixture(loop_scope="module")
async def lago() -> AsyncIterator[LagoServer]:
    server = LagoServer()
    async with server.running():
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(
    tmp_path: Path, store_servers: Servers, lago: LagoServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TestGateway]:
    monkeypatch.setitem(SECRETS, "TEST_LAGO", KEY)
    # The second failure of a notice is its last.
    monkeypatch.setattr(webhooks, "PAUSES_S", (0,))
    more = MORE.format(folder=orjson.dumps(str(tmp_path / "out")).decode(), url=lago.url)
    url = store_servers.emptied(KINDS[0]).url
    async with running_gateway(tmp_path, url, more=more) as gateway:
        yield gateway


@pytest_asyncio.fixture(loop_scope="module")
async def operator(page: Page, gateway: TestGateway) -> AsyncIterator[Visitor]:
    async with Visitor(page, f"http://127.0.0.1:{gateway.gateway.admin_port}") as operator:
        await operator.sign_in(SERVICE_KEY)
        await operator.seen()
        yield operator
        assert [] == operator.complaints


async def until(ready: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await ready():
            await asyncio.sleep(0.05)


async def told(gateway: TestGateway, path: str) -> Any:
    status, answer = await ask(gateway, "GET", path)
    assert 200 == status, answer
    return answer


async def noted(gateway: TestGateway, operator: Visitor) -> list[tuple[str, str]]:
    """What stands in the audit trail of who did what, the newest first, without sign-ins."""
    url = f"{operator.origin}{ROOT}/audit"
    async with gateway.http.get(url, headers={"Authorization": f"Bearer {SERVICE_KEY}"}) as answer:
        rows = (await answer.json())["data"]
    return [(row["action"], row["actor"]) for row in rows if row["action"] != "signIn"]


async def dead_letters(gateway: TestGateway, lago: LagoServer, count: int) -> None:
    """So many calls that the sink does not take."""
    lago.unknown = (ACCOUNT,)
    for _ in range(count):
        async with gateway.chat() as answer:
            await answer.read()

    async def died() -> bool:
        return bool((await told(gateway, "/sinks/lago"))["dead_letters"] == count)

    await until(died)
    lago.unknown = ()


async def test_dead_letters_are_sent_again(gateway, lago, operator) -> None:
    page = operator.page
    await dead_letters(gateway, lago, 2)
    charged = (await gateway.settled()).charged_ucr
    await operator.go("/sinks/lago")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.get_by_role("button", name="Send these again").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Send 2 again?")
    faults = await operator.faults("dialog")
    assert 0 == lago.total("charge")
    await dialog.get_by_role("button", name="Send again").click()
    await expect(page.locator("main")).to_contain_text("It took everything.")

    async def arrived() -> bool:
        return lago.total("charge") == charged

    await until(arrived)
    assert [] == faults
    assert [("redriveDeadLetters", "service:tests")] == await noted(gateway, operator)


async def test_dead_letters_are_discarded(gateway, lago, operator) -> None:
    page = operator.page
    await dead_letters(gateway, lago, 1)
    await operator.go("/sinks/lago")
    await page.get_by_role("button", name="Discard these").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("lago will never get them.")
    faults = await operator.faults("dialog")
    await dialog.get_by_role("button", name="Discard", exact=True).click()
    await expect(page.locator("main")).to_contain_text("It took everything.")

    assert [] == faults
    assert (0, 0) == ((await told(gateway, "/sinks/lago"))["dead_letters"], lago.total("charge"))
    assert [("discardDeadLetters", "service:tests")] == await noted(gateway, operator)


async def test_a_replay_sends_once_more_what_was_charged(gateway, operator, tmp_path) -> None:
    page = operator.page

    def lines() -> list[bytes]:
        files = sorted((tmp_path / "out").glob("*.jsonl*"))
        return [line for file in files for line in file.read_bytes().splitlines()]

    async with gateway.chat() as answer:
        await answer.read()

    async def has(count: int) -> bool:
        return len(lines()) == count

    await until(lambda: has(1))
    await operator.go("/sinks/file")
    await page.get_by_role("button", name="Replay").click()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await page.get_by_label("From, UTC").fill(yesterday.strftime("%Y-%m-%dT%H:%M"))
    await page.get_by_role("button", name="Send them once more").click()
    await expect(page.locator("#said")).to_contain_text("1 are sent once more.")
    await until(lambda: has(2))

    [record, again] = lines()
    assert record == again
    assert [("replaySink", "service:tests")] == await noted(gateway, operator)


async def test_notices_that_did_not_arrive_are_sent_again_and_the_secret_is_changed(
    gateway, operator
) -> None:
    page, dialog = operator.page, operator.page.get_by_role("dialog")
    receiver = Receiver()
    async with receiver.running():
        url = f"{receiver.url}/hook"
        about = {"account_id": ACCOUNT, "url": url, "types": ["grant.created"]}
        _, made = await ask(gateway, "POST", "/webhooks", once="new", **about)
        receiver.secret = made["secret"]
        receiver.always = BROKEN_BEFORE
        await gateway.ledger.grant(Grant(grant_id="one", account_id=ACCOUNT, amount_ucr=1))

        async def given_up() -> bool:
            return bool((await told(gateway, f"/webhooks/{made['id']}/undelivered"))["data"])

        await until(given_up)
        receiver.always = None
        await operator.go("/sinks")
        await page.get_by_role("button", name=f"Undelivered {url}").click()
        await expect(dialog).to_contain_text("grant.created")
        await expect(dialog).to_contain_text("after 2 attempts")
        faults = await operator.faults("dialog")
        await dialog.get_by_role("button", name="Send once more").click()
        await expect(page.locator("#said")).to_contain_text("1 are sent once more.")

        async def heard() -> bool:
            return len(receiver.heard) == 1

        await until(heard)
        await page.get_by_role("button", name=f"New secret {url}").click()
        await expect(dialog).to_contain_text("signed with the old one as well")
        faults += await operator.faults("dialog")
        await dialog.get_by_role("button", name="Make one").click()
        fresh = await page.inner_text("#secret")
        faults += await operator.faults("dialog")
        await dialog.get_by_role("button", name="I have copied it").click()
        await page.get_by_role("button", name=f"Undelivered {url}").click()
        await expect(dialog).to_contain_text("It took everything")
        await dialog.get_by_role("button", name="Close").click()
        await expect(dialog).to_have_count(0)
        receiver.secret, old = fresh, receiver.secret
        await gateway.ledger.grant(Grant(grant_id="two", account_id=ACCOUNT, amount_ucr=1))

        async def heard_both() -> bool:
            return len(receiver.heard) == 2

        await until(heard_both)

    assert [] == faults
    assert (True, 0) == (fresh != old, receiver.forged)
    changes = [action for action, _ in await noted(gateway, operator)]
    assert ["rotateWebhook", "redriveWebhook"] == changes[:2]
