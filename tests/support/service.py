"""Asks the Metering API as a service does."""

from typing import Any

from support.gateways import SERVICE_KEY, TestGateway

ROOT = "/metering/v1"


async def ask(
    gateway: TestGateway,
    method: str,
    path: str,
    *,
    bearer: str = SERVICE_KEY,
    once: str = "",
    headers: dict[str, str] | None = None,
    **body: Any,
) -> tuple[int, Any]:
    """The status and the decoded answer. `once`: the Idempotency-Key."""
    sent = {"Authorization": f"Bearer {bearer}"} | (headers or {})
    if once:
        sent["Idempotency-Key"] = once
    url = f"{gateway.origin}{ROOT}{path}"
    async with gateway.http.request(method, url, headers=sent, json=body or None) as answer:
        return answer.status, await answer.json(content_type=None)
