"""Credit given and taken back through the Metering API."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.gateways import ACCOUNT, TestGateway, running_gateway
from support.service import ask

PATH = f"/accounts/{ACCOUNT}"


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    async with running_gateway(tmp_path, store_url) as gateway:
        yield gateway


async def test_corrections_go_both_ways_and_once(gateway):
    corrections = f"{PATH}/corrections"
    _, taken = await ask(gateway, "POST", corrections, once="a", id="c1", microcredits=-100_000_007)
    _, again = await ask(gateway, "POST", corrections, once="b", id="c1", microcredits=-100_000_007)
    other, why = await ask(gateway, "POST", corrections, once="c", id="c1", microcredits=-8)
    status, given = await ask(gateway, "POST", corrections, once="d", id="c2", microcredits=10)

    assert (100_000_000, 7, False) == (
        taken["taken"]["microcredits"],
        taken["debt"]["microcredits"],
        taken["repeated"],
    )
    assert (True, 0) == (again["repeated"], again["taken"]["microcredits"])
    assert (409, "conflict") == (other, why["code"])
    assert (201, 10, 3) == (
        status,
        given["given"]["microcredits"],
        given["available"]["microcredits"],
    )
    assert 7 == (await gateway.assert_books_balance()).corrected_ucr


async def test_a_void_grant_pays_nothing_more(gateway):
    [grant] = (await gateway.balance()).grants
    path = f"{PATH}/grants/{grant.grant_id}/void"
    _, voided = await ask(gateway, "POST", path, once="a")
    _, again = await ask(gateway, "POST", path, once="b")
    async with gateway.chat() as answer:
        refused = answer.status
    missing, _ = await ask(gateway, "POST", f"{PATH}/grants/other/void", once="c")

    assert (100_000_000, False) == (voided["voided"]["microcredits"], voided["repeated"])
    assert (0, True) == (again["voided"]["microcredits"], again["repeated"])
    assert (429, 404) == (refused, missing)


@pytest.mark.parametrize("wrong", [{"microcredits": 0}, {"microcredits": -(2**53)}, {"id": "a b"}])
async def test_what_corrects_nothing_is_refused(gateway, wrong):
    body = {"id": "x", "microcredits": 5} | wrong
    status, told = await ask(gateway, "POST", f"{PATH}/corrections", once="x", **body)

    assert (400, next(iter(wrong))) == (status, told["param"])
