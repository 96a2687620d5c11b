"""Containers and searches in vector stores, through the official SDK: so much for each."""

from pathlib import Path

import openai
import pytest
from support.python_sdk import gateway_and_sdk, used

SELLS = {
    "container": '{pieces: {container.1g: "0.03", container.4g: "0.12"}}',
    "file_search": '{pieces: {file_search: "0.0025"}}',
}


@pytest.mark.parametrize(
    ("options", "piece", "charge_ucr"),
    [({}, "container.1g", 3_000_000), ({"memory_limit": "4g"}, "container.4g", 12_000_000)],
)
async def test_a_container_is_charged_when_it_is_made(
    tmp_path: Path, store_url: str, options, piece: str, charge_ucr: int
) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        container = await sdk.containers.create(name="mine", **options)

        assert "running" == container.status
        assert {"container": 1} == tk.provider.journal.entries[-1].made
        assert charge_ucr == (await tk.settled()).charged_ucr
        [event] = await tk.events()
        assert ({piece: 1}, "counted") == (used(event), event["provenance"])


async def test_a_search_is_charged_and_its_answer_passes(tmp_path: Path, store_url: str) -> None:
    # The simulated provider makes no vector stores: this one is nobody's.
    options = {"sells": SELLS, "stored_objects": "shared"}
    async with gateway_and_sdk(tmp_path, store_url, **options) as (tk, sdk):
        page = await sdk.vector_stores.search("vs_1", query="Where does it end?")

        assert "roads.txt" == page.data[0].filename
        assert 250_000 == (await tk.settled()).charged_ucr
        [event] = await tk.events()
        assert {"file_search": 1} == used(event)


async def test_what_fails_costs_nothing(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        with pytest.raises(openai.RateLimitError):
            await sdk.containers.create(name="mine", extra_headers={"x-simulate": "status=429"})

        assert 0 == (await tk.settled()).charged_ucr


async def test_a_size_without_a_price_is_refused(tmp_path: Path, store_url: str) -> None:
    async with gateway_and_sdk(tmp_path, store_url, sells=SELLS) as (tk, sdk):
        with pytest.raises(openai.PermissionDeniedError, match=r"container\.64g") as refused:
            await sdk.containers.create(name="mine", memory_limit="64g")

        assert "model_not_priced" == refused.value.code
        assert [] == list(tk.provider.journal.entries)
