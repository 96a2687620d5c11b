"""The tables of docs/endpoints.md, made from those of the code.

After a change of them: `python -m support.endpoints_page` in tests/.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from gateway.dialects.endpoint import ANY_METHOD, Endpoint, EndpointKind, Table
from gateway.dialects.endpoints import ENDPOINTS, TABLES

PAGE = Path(__file__).parents[2] / "docs" / "endpoints.md"

MADE_FROM_HERE = "<!-- From here on made from the tables, by tests/support/endpoints_page.py. -->\n"


def endpoints_page() -> str:
    """The page as it should be: its introduction as it is, its tables as the code has them."""
    introduction = PAGE.read_text().partition(MADE_FROM_HERE)[0]
    shared = ["## Paths of several vendors", "", "| method | path | APIs |", "|---|---|---|"]
    tables = "\n".join([*map(_section, TABLES), *shared, *_shared(), ""])
    return f"{introduction}{MADE_FROM_HERE}\n{tables}"


def _section(table: Table) -> str:
    lines = [f"## {table.title}", ""]
    if table.also_under:
        others = ", ".join(f"`{prefix}`" for prefix in table.also_under)
        lines += [f"Also with {others} in place of `{table.prefix}`.", ""]
    lines += ["| method | path | how |", "|---|---|---|"]
    lines += [f"| {_method(row)} | `{row.pattern}` | {_how(row)} |" for row in table.rows]
    return "\n".join([*lines, ""])


def _method(row: Endpoint) -> str:
    return "any" if row.method == ANY_METHOD else row.method


def _how(row: Endpoint) -> str:
    match row.kind:
        case EndpointKind.FREE:
            return "free"
        case EndpointKind.REFUSED:
            return f"refused: {row.reason}"
        case EndpointKind.METERED | EndpointKind.REPORTS | EndpointKind.REALTIME:
            return f"{row.kind}: `{row.dialect}`"


def _shared() -> Iterator[str]:
    for _, rows in groupby(sorted(ENDPOINTS, key=_form), key=_form):
        same = list(rows)
        apis = [row.api for row in same]
        if len(apis) > 1:
            yield f"| {_method(same[0])} | `{same[0].pattern}` | {', '.join(apis)} |"


def _form(row: Endpoint) -> tuple[str, str]:
    """The path with its names taken out."""
    return re.sub(r"\{\w+", "{", row.pattern), row.method


if __name__ == "__main__":
    PAGE.write_text(endpoints_page())
