"""The list of operations in docs/metering-api.md, as the declarations have it.

To renew the page: `PYTHONPATH=.. python -m support.operations_page`, in `tests/`.
"""

from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

from gateway.api.metering import ROOT, admin_operations, compatible, operations
from gateway.api.operation import Audience, Operation
from gateway.metering.pricing import RateCard

PAGE = Path(__file__).parents[2] / "docs" / "metering-api.md"
BEGIN, END = "<!-- operations -->\n", "<!-- end of operations -->\n"
WHO = {
    "anybody": "anybody",
    "key": "a virtual key",
    "service": "a service",
    "key_or_service": "a virtual key, or a service",
    "admin": "an operator: a service",
}


def listed() -> str:
    # Only declarations are read: no handler is asked, so nothing stands behind them.
    resources = cast(Any, MagicMock())
    resources.rate_card = RateCard(digest="")
    by_tag: dict[str, list[str]] = {}
    for operation in operations(resources, version="0"):
        by_tag.setdefault(operation.tag, []).append(_row(operation, ROOT))
    for operation in admin_operations(resources, version="0"):
        if operation.audience is Audience.ADMIN:
            by_tag.setdefault(f"{operation.tag} (admin listener)", []).append(_row(operation, ROOT))
    for operation in compatible(resources):
        by_tag.setdefault("As other vendors have it", []).append(_row(operation, ""))
    return "\n".join(
        f"### {tag}\n\n| operation | who may | what |\n|---|---|---|\n{''.join(rows)}"
        for tag, rows in by_tag.items()
    )


def _row(operation: Operation, root: str) -> str:
    who = WHO[operation.audience]
    if operation.scope is not None:
        who = f"{who} with `{operation.scope}`"
    once = "; needs an `Idempotency-Key`" if operation.idempotent else ""
    version = "; takes `If-Match`" if operation.conditional else ""
    said = f"{operation.summary}{once}{version}"
    return f"| `{operation.method} {root}{operation.path}` | {who} | {said} |\n"


def page_with_list(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{listed()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page_with_list(PAGE.read_text("utf-8")), "utf-8")
