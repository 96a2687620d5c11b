"""Calls, then what the API tells of them: usage, costs, records, statement, receipts. All of it
adds up to the ledger's charges, to the microcredit."""

import csv
import io
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from support.gateways import ACCOUNT, MODEL, SERVICE_KEY, TestGateway, account_with_key
from support.metering_api import ROOT, ask, caught_up
from support.python_sdk import gateway_and_sdk

SELLS = {"dall-e-2": '{pieces: {image: "0.02"}}', "odd": '{input: "0.33", output: "0.77"}'}
PICTURES = "image.standard.512x512"


def since(tk: TestGateway, *, ago_s: int = 90_000) -> str:
    return f"start_time={tk.ledger.now_ms() // 1000 - ago_s}"


@pytest.fixture
async def used(tmp_path: Path, store_url: str) -> AsyncIterator[tuple[TestGateway, int]]:
    """A gateway after a few calls of different kinds, and what they cost."""
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS, credit=1_000) as (
        tk,
        sdk,
    ):
        for model in (MODEL, "odd"):
            async with tk.chat(model=model) as answer:
                await answer.read()
        async with tk.chat(stream=True) as answer:
            await answer.read()
        await sdk.images.generate(model="dall-e-2", prompt="A toll road.", n=2, size="512x512")
        yield tk, await caught_up(tk)


def results(page: dict[str, Any]) -> list[dict[str, Any]]:
    return [result for bucket in page["data"] for result in bucket["results"]]


@pytest.mark.parametrize("width", ["1m&limit=1440", "1h&limit=168", "1d"])
async def test_usage_adds_up_in_every_width(used, width):
    tk, charged = used
    start = since(tk, ago_s=3_600 if width.startswith("1m") else 90_000)
    status, page = await ask(tk, f"/usage?{start}&bucket_width={width}&group_by=model,dialect")
    told = results(page)

    assert 200 == status, page
    assert charged == sum(result["charged"]["microcredits"] for result in told)
    assert 4 == sum(result["num_model_requests"] for result in told)
    assert {MODEL, "odd", "dall-e-2"} == {result["model"] for result in told}
    assert 2 == sum(result["pieces"].get(PICTURES, 0) for result in told)
    entries = list(tk.provider.journal.entries)
    assert sum(entry.prompt_tokens for entry in entries[:3]) == sum(
        result["input_tokens"] for result in told if result["model"] != "dall-e-2"
    )


async def test_the_balance_tells_how_long_it_lasts_at_the_pace_of_a_week(used):
    tk, charged = used
    _, told = await ask(tk, "/balance")
    other = await account_with_key(tk.session, account="idle", granted_ucr=5)
    _, idle = await ask(tk, "/balance", key=other)

    assert round(told["available"]["microcredits"] * 7 / charged, 1) == told["runway_days"]
    assert idle["runway_days"] is None


async def test_usage_by_class_tells_each_class_alone(used):
    tk, _ = used
    _, whole = await ask(tk, f"/usage?{since(tk)}")
    _, classes = await ask(tk, f"/usage?{since(tk)}&group_by=class")
    told = results(classes)

    assert sum(result["input_tokens"] for result in results(whole)) == sum(
        result["input_tokens"] for result in told
    )
    assert {"input_uncached", "output_text"} == {result["token_class"] for result in told}


async def test_costs_add_up_by_line_item_and_together(used):
    tk, charged = used
    _, whole = await ask(tk, f"/costs?{since(tk)}")
    _, lines = await ask(tk, f"/costs?{since(tk)}&group_by=line_item&group_by=model")
    told = {(result["model"], result["line_item"]): result for result in results(lines)}

    assert charged == sum(result["amount"]["microcredits"] for result in results(whole))
    assert charged == sum(result["amount"]["microcredits"] for result in told.values())
    pictures = told["dall-e-2", PICTURES]
    assert (2, 4_000_000, "0.04") == (
        pictures["quantity"],
        pictures["amount"]["microcredits"],
        pictures["usd"],
    )
    assert "unitemised" not in {name for _, name in told}


async def test_pages_of_buckets_follow_each_other_and_miss_nothing(used):
    tk, charged = used
    found, page, path = 0, "", f"/usage?{since(tk)}&bucket_width=1h&limit=7"
    for _ in range(10):
        _, told = await ask(tk, path + page)
        found += sum(result["charged"]["microcredits"] for result in results(told))
        if not told["has_more"]:
            break
        page = f"&page={told['next_page']}"

    assert charged == found
    assert told["data"][-1]["end_time"] * 1000 > tk.ledger.now_ms()


async def test_records_are_the_calls_newest_first_in_every_format(used):
    tk, charged = used
    status, whole = await ask(tk, "/usage/records")
    _, first = await ask(tk, "/usage/records?limit=3")
    _, rest = await ask(tk, f"/usage/records?limit=3&cursor={first['next_cursor']}")

    assert 200 == status, whole
    assert whole["data"] == first["data"] + rest["data"]
    assert charged == sum(record["charge_microcredits"] for record in whole["data"])
    assert ["dall-e-2", MODEL, "odd", MODEL] == [record["model"] for record in whole["data"]]
    assert f"{PICTURES}=2" == whole["data"][0]["pieces"]
    assert [False, True, False, False] == [record["stream"] for record in whole["data"]]

    sent = {"Authorization": f"Bearer {tk.key}"}
    url = f"{tk.origin}{ROOT}/usage/records?format="
    async with tk.http.get(url + "ndjson", headers=sent) as answer:
        lines = [orjson.loads(line) for line in (await answer.read()).splitlines()]
    async with tk.http.get(url + "csv&limit=2", headers=sent) as answer:
        cursor = answer.headers["x-next-cursor"]
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert whole["data"] == lines
    assert [record["charge_credits"] for record in whole["data"][:2]] == [
        row["charge_credits"] for row in rows
    ]
    assert whole["data"][1]["id"] == cursor


async def test_every_call_has_a_receipt_that_adds_up(used):
    tk, charged = used
    _, records = await ask(tk, "/usage/records")
    total = 0
    for record in records["data"]:
        status, receipt = await ask(tk, f"/generations/{record['request_id']}")
        lines = receipt["lines"]
        assert 200 == status, receipt
        assert "known" == receipt["rates"]
        assert record["charge_microcredits"] == receipt["charge"]["microcredits"]
        assert receipt["charge"]["microcredits"] == sum(
            line["amount"]["microcredits"] for line in lines
        )
        assert receipt["charge"] == receipt["burned"][0]["amount"]
        assert "unitemised" not in {line["kind"] for line in lines}
        assert receipt["hold"]["microcredits"] >= receipt["charge"]["microcredits"]
        assert "settled" == receipt["movements"][0]["type"]
        total += receipt["charge"]["microcredits"]

    assert charged == total
    odd = next(record for record in records["data"] if record["model"] == "odd")
    _, receipt = await ask(tk, f"/generations/{odd['request_id']}")
    assert {"33.000000", "77.000000"} == {
        line["credits_per_million"] for line in receipt["lines"] if line["kind"] == "tokens"
    }


async def test_a_receipt_is_the_same_after_the_prices_have_changed(tmp_path, store_url):
    async with gateway_and_sdk(tmp_path, store_url, sells={"odd": '{input: "1", output: "2"}'}) as (
        tk,
        _,
    ):
        async with tk.chat(model="odd") as answer:
            request_id = answer.headers["x-tollkeeper-request-id"]
            await answer.read()
        await caught_up(tk)
        _, before = await ask(tk, f"/generations/{request_id}")
        key = tk.key
    async with gateway_and_sdk(tmp_path, store_url, sells={"odd": '{input: "7", output: "9"}'}) as (
        tk,
        _,
    ):
        status, after = await ask(tk, f"/generations/{request_id}", key=key)

    assert (200, before) == (status, after)


async def test_the_statement_tells_every_movement_and_the_balance_around_it(used):
    tk, charged = used
    _, told = await ask(tk, "/ledger")
    movements = told["data"]

    assert ["settled"] * 4 + ["funded"] == [each["type"] for each in movements]
    for newer, older in itertools.pairwise(movements):
        assert newer["balance_before"] == older["balance_after"]
    assert 0 == movements[-1]["balance_before"]["microcredits"]
    available = (await tk.balance()).available_ucr
    assert available == movements[0]["balance_after"]["microcredits"]
    _, funded = await ask(tk, "/ledger?type=funded")
    assert [movements[-1]] == funded["data"]
    assert charged == sum(each["amount"]["microcredits"] for each in movements[:-1])


async def test_a_service_reads_any_account_with_its_scope_only(used):
    tk, charged = used
    path = f"/usage?{since(tk)}"
    _, told = await ask(tk, f"{path}&account_id={ACCOUNT}", key=SERVICE_KEY)
    nobody = await ask(tk, path, key=SERVICE_KEY)

    assert charged == sum(result["charged"]["microcredits"] for result in results(told))
    assert (400, "invalid_request") == (nobody[0], nobody[1]["code"])


async def test_a_service_without_the_scope_reads_nothing(tmp_path, store_url):
    async with gateway_and_sdk(tmp_path, store_url, scopes="keys:read") as (tk, _):
        status, told = await ask(tk, f"/ledger?account_id={ACCOUNT}", key=SERVICE_KEY)

    assert (403, "scope_missing") == (status, told["code"])


async def test_another_account_sees_nothing_of_it(used):
    tk, _ = used
    other = await account_with_key(tk.session, granted_ucr=0, account="other")
    _, records = await ask(tk, "/usage/records")
    request_id = records["data"][0]["request_id"]

    assert [] == results((await ask(tk, f"/usage?{since(tk)}", key=other))[1])
    assert [] == (await ask(tk, "/usage/records", key=other))[1]["data"]
    assert [] == (await ask(tk, "/ledger", key=other))[1]["data"]
    assert 404 == (await ask(tk, f"/generations/{request_id}", key=other))[0]
    assert 400 == (await ask(tk, f"/ledger?account_id={ACCOUNT}", key=other))[0]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "start_time=x",
        "start_time=-1",
        "start_time=99999999999999",
        "SINCE&bucket_width=2d",
        "SINCE&limit=401",
        "SINCE&limit=0",
        "SINCE&page=zzz",
        "SINCE&page=page_%C2%B2",
        "SINCE&group_by=color",
    ],
)
async def test_questions_that_make_no_sense_are_refused_by_name(used, query):
    status, told = await ask(used[0], f"/usage?{query.replace('SINCE', since(used[0]))}")

    assert (400, "invalid_request") == (status, told["code"])


async def test_other_vendors_clients_find_their_shapes(used):
    tk, charged = used
    dollars = charged / 10**8

    async def told(path: str) -> Any:
        status, answer = await ask(tk, path, root="")
        assert 200 == status, answer
        return answer

    key = (await told("/v1/key"))["data"]
    assert (dollars, dollars, dollars) == (key["usage"], key["usage_daily"], key["usage_monthly"])
    assert {"total_credits": 10.0, "total_usage": dollars} == (await told("/v1/credits"))["data"]
    for root in ("", "/v1"):
        plan = await told(f"{root}/dashboard/billing/subscription")
        assert (10.0, "test") == (plan["hard_limit_usd"], plan["plan"]["title"])
        usage = await told(f"{root}/dashboard/billing/usage")
        assert dollars * 100 == pytest.approx(usage["total_usage"])
        grants = await told(f"{root}/dashboard/billing/credit_grants")
        assert (10.0, dollars) == (grants["total_granted"], grants["total_used"])
    assert 400 == (await ask(tk, "/dashboard/billing/usage?start_date=x", root=""))[0]


async def test_openais_sdk_reads_usage_and_costs(used):
    tk, charged = used
    async with openai.AsyncOpenAI(
        base_url=tk.base_url, api_key=tk.key, admin_api_key=tk.key
    ) as sdk:
        usage = sdk.admin.organization.usage
        start = tk.ledger.now_ms() // 1000 - 90_000
        done = await usage.completions(start_time=start, group_by=["model", "project_id"])
        costs = await usage.costs(start_time=start, group_by=["line_item"])

    found = [result for bucket in done.data for result in bucket.results]
    assert 4 == sum(result.num_model_requests for result in found)
    assert {MODEL, "odd", "dall-e-2"} == {result.model for result in found}
    items = [result for bucket in costs.data for result in bucket.results]
    assert charged / 10**8 == pytest.approx(sum(item.amount.value for item in items))
    assert f"dall-e-2, {PICTURES}" in {item.line_item for item in items}


async def test_the_rest_of_an_organisation_stays_refused_and_strangers_get_openais_envelope(used):
    tk, _ = used
    status, told = await ask(tk, "/v1/organization/users", root="")
    stranger = await ask(tk, "/v1/organization/costs?start_time=0", root="", key="nobody")

    assert (403, "endpoint_refused") == (status, told["error"]["code"])
    assert (401, "invalid_api_key") == (stranger[0], stranger[1]["error"]["code"])
