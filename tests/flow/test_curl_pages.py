"""What the pages on the Metering API tell a reader to type by curl is typed here, page by page.

Blocks are marked in their first line. `sh curl`: commands. `console curl`: a command and what it
answers, abridged: every field that is shown must be there. All of a page run in one shell, one
after the other, against `tollkeeper demo`; those on payments against a gateway that takes some.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support import gateways
from support.commands import Demo, Ran, shell
from support.gateways import ACCOUNT, running_gateway
from support.pages import ROOT, Block, in_order
from support.payments import STANDARD_SECRET

SHOP = """\
incoming:
  shop: {kind: standard, secrets: [env:SHOP_SECRET], credits_per_unit: {usd: "100"}}
"""
# A refusal ends the script. What is asked a moment too early is asked again; a stream is not.
CURL = """\
curl() {
  case "$*" in *--max-time*) command curl -s "$@" || [[ $? == 28 || $? == 23 ]];; *)
    command curl -sS --fail-with-body --retry 8 --retry-delay 1 --retry-all-errors "$@";; esac
}
"""
FIELD = re.compile(r'"(\w+)":')


@dataclass
class Typed:
    """A page as a script. `shown`: the fields that each answer shows, by the file it goes to."""

    script: list[str] = field(default_factory=list)
    shown: dict[str, set[str]] = field(default_factory=dict)

    def add(self, block: Block) -> None:
        if block.language == "sh":
            self.script.append(block.text)
            return
        command, _, answer = block.text.removeprefix("$ ").partition("\n")
        name = f"answer-{len(self.shown)}"
        self.script.append(f"{command} > {name}")
        self.shown[name] = set(FIELD.findall(answer))


def typed(page: str) -> Typed:
    found = Typed()
    for block in in_order(ROOT / "docs" / page):
        if block.mark == "curl":
            found.add(block)
    return found


async def follow(page: str, folder: Path, told: Mapping[str, str]) -> Ran:
    """The page is followed by somebody who was told that; each answer shows what it should."""
    found = typed(page)
    exports = "".join(f"export {name}='{value}'\n" for name, value in told.items())
    ran = await shell(exports + CURL + "\n".join(found.script), cwd=folder)

    assert 0 == ran.code, ran.err + ran.out[-2000:]
    for name, fields in found.shown.items():
        answer = (folder / name).read_text()
        assert fields, name
        assert fields <= set(FIELD.findall(answer)), answer
    return ran


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    demo = Demo(tmp_path)
    await demo.start()
    yield demo
    await demo.stop()


@pytest.mark.timeout(180)
async def test_the_pages_can_be_followed_by_curl(demo: Demo) -> None:
    [operator] = re.findall(r"ts_[0-9a-f]+", demo.welcome)
    told = {
        "API": demo.told("Base URL").removesuffix("/v1") + "/metering/v1",
        "KEY": f"Authorization: Bearer {demo.told('Key')}",
        "ADMIN": demo.told("Operator").removesuffix("/dashboard") + "/metering/v1",
        "OPERATOR": f"Authorization: Bearer {operator}",
    }
    asked = await follow("metering-api.md", demo.folder, told)
    await follow("reservations.md", demo.folder, told)

    # The receipt is that of the call that was made, and the events were those of the account.
    receipt = (demo.folder / "answer-1").read_text()
    assert "event: balance" in asked.out
    assert (demo.folder / "id").read_text() in asked.out + receipt


async def test_a_payment_can_be_told_by_curl(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(gateways.SECRETS, "SHOP_SECRET", STANDARD_SECRET)
    async with running_gateway(tmp_path, store_url, more=SHOP) as tk:
        assert ACCOUNT == "acme", "as the page has it"
        before = (await tk.balance()).available_ucr
        told = {"API": f"{tk.origin}/metering/v1", "SHOP_SECRET": STANDARD_SECRET}
        await follow("payments.md", tmp_path, told)

        # 12.50 US$ at 100 credits each.
        assert 1_250_000_000 == (await tk.balance()).available_ucr - before


@pytest.mark.parametrize("page", ["metering-api.md", "reservations.md", "payments.md"])
def test_nothing_that_a_page_types_is_left_out(page: str) -> None:
    """Every line that asks by curl stands in a block that is run, or is one of README's kind."""
    blocks = in_order(ROOT / "docs" / page)

    assert typed(page).shown
    assert [] == [block.text for block in blocks if "curl " in block.text and block.mark != "curl"]
