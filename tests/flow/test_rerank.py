"""Reranking through a real gateway: by the search unit or by the token, on all of its paths."""

from pathlib import Path
from typing import Any

import pytest
from support.gateways import TestGateway, running_gateway
from support.python_sdk import used

SELLS = {
    # 2 US$ a thousand searches.
    "rerank-v3.5": '{pieces: {search_unit: "0.002"}}',
    # 5 µcr a token.
    "rerank-2.5": '{input: "0.05", output: "0", context_tokens: 32000}',
    "rerank": '{input: "0.05", output: "0", context_tokens: 32000}',
}
DOCUMENTS = ["The toll road ends at the river.", "Nobody pays beyond it.", "道路"]


async def ask(tk: TestGateway, path: str = "/v2/rerank", simulate: str = "", **fields: Any) -> Any:
    url = tk.base_url.removesuffix("/v1") + path
    headers = {"Authorization": f"Bearer {tk.key}", "x-simulate": simulate}
    body = {"query": "Where does it end?", "documents": DOCUMENTS} | fields
    async with tk.http.post(url, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
async def test_search_units_are_charged_as_reported(
    tmp_path: Path, store_url: str, path: str
) -> None:
    async with running_gateway(tmp_path, store_url, sells=SELLS) as tk:
        status, answer = await ask(tk, path, model="rerank-v3.5", documents=DOCUMENTS * 50)

        assert (200, 150) == (status, len(answer["results"]))
        assert 400_000 == (await tk.assert_books_balance()).charged_ucr
        [event] = await tk.events()
        assert ({"search_unit": 2}, "reported") == (used(event), event["provenance"])


async def test_tokens_are_charged_as_reported(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url, sells=SELLS) as tk:
        _, answer = await ask(tk, model="rerank-2.5")

        tokens = answer["usage"]["total_tokens"]
        assert 5 * tokens == (await tk.assert_books_balance()).charged_ucr
        [event] = await tk.events()
        assert ({"input_uncached": tokens}, "reported") == (used(event), event["provenance"])


@pytest.mark.parametrize(
    ("model", "expected"), [("rerank-v3.5", {"search_unit": 1}), ("rerank-2.5", None)]
)
async def test_without_a_report_we_count_as_the_vendor_bills(
    tmp_path: Path, store_url: str, model: str, expected
) -> None:
    async with running_gateway(tmp_path, store_url, sells=SELLS) as tk:
        await ask(tk, simulate="no_usage", model=model)

        await tk.assert_books_balance()
        [event] = await tk.events()
        assert "counted" == event["provenance"]
        assert (expected or {"input_uncached": 41}) == used(event)


async def test_a_server_of_one_model_is_charged_by_its_own_line(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url, sells=SELLS) as tk:
        status, _ = await ask(tk, "/rerank")

        assert 200 == status
        assert 0 < (await tk.assert_books_balance()).charged_ucr
        [event] = await tk.events()
        assert "rerank" == event["model"]


async def test_what_fails_costs_nothing(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url, sells=SELLS) as tk:
        status, _ = await ask(tk, model="rerank-v3.5", documents=[])

        assert 400 == status
        assert 0 == (await tk.assert_books_balance()).charged_ucr
