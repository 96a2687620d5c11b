"""The API keeps what its OpenAPI document says: schemathesis asks whatever the document allows, and
some of what it does not, of a real gateway."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.gateways import SERVICE_KEY, running_gateway

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = 12


def operations(document: dict[str, Any]) -> Iterator[Any]:
    schema = schemathesis.openapi.from_dict(document)
    for found in schema.get_all_operations():
        operation = found.ok()
        # A stream has no end to wait for: test_events.py listens to them.
        if "text/event-stream" not in str(operation.definition.raw["responses"]):
            yield operation


def ask_everything(document: dict[str, Any], base_url: str, key: str) -> int:
    """Of each operation what its parameters allow; answers how many questions there were."""
    return sum(ask(operation, base_url, key) for operation in operations(document))


def ask(operation: Any, base_url: str, key: str) -> int:
    virtual = "virtual_key" in str(operation.definition.raw.get("security"))
    headers = {"Authorization": f"Bearer {key if virtual else SERVICE_KEY}"}
    statuses: list[int] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def question(case: Any) -> None:
        response = case.call(base_url=base_url, headers=headers)
        statuses.append(response.status_code)
        case.validate_response(response, checks=CHECKS)

    question()
    return len(statuses)


# schemathesis draws from `random` inside its strategies, which hypothesis warns its authors of.
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("listener", ["callers", "admin"])
async def test_every_operation_answers_as_its_description_says(
    tmp_path: Path, store_url: str, listener: str
) -> None:
    async with running_gateway(tmp_path, store_url) as gateway:
        base_url = gateway.origin
        if listener == "admin":
            base_url = f"http://127.0.0.1:{gateway.gateway.admin_port}"
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{base_url}/metering/v1/openapi.json") as answer:
                document = await answer.json()
        asked = await asyncio.to_thread(ask_everything, document, base_url, gateway.key)

    assert asked > 4 * len(document["paths"])
