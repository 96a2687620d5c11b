"""How commands print: a table for people, JSON for machines; a dash for what is not known."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click
import orjson

from gateway.metering.admission import decimal_credits

DASH = "—"


def show(rows: Sequence[Mapping[str, object]], *, as_json: bool, empty: str) -> None:
    """Print rows with the same keys in the same order. Numbers are aligned to the right."""
    if as_json:
        click.echo(orjson.dumps(list(rows), option=orjson.OPT_INDENT_2).decode())
    elif not rows:
        click.echo(empty)
    else:
        click.echo(table(rows))


def show_one(facts: Mapping[str, object], *, as_json: bool) -> None:
    """Print one thing's facts, a line each."""
    if as_json:
        click.echo(orjson.dumps(dict(facts), option=orjson.OPT_INDENT_2).decode())
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {_cell(value)}")


def table(rows: Sequence[Mapping[str, object]]) -> str:
    names = list(rows[0])
    cells = [[_cell(row[name]) for name in names] for row in rows]
    titles = [name.replace("_", " ") for name in names]
    widths = [
        max(len(title), *(len(row[column]) for row in cells)) for column, title in enumerate(titles)
    ]
    right = [
        all(isinstance(row[name], int | float) or _is_credits(row[name]) for row in rows)
        for name in names
    ]
    lines = [_line(titles, widths, right), _line(["-" * width for width in widths], widths, right)]
    lines += [_line(row, widths, right) for row in cells]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    aligned = [
        f"{cell:>{width}}" if to_right else f"{cell:<{width}}"
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(aligned).rstrip()


def _cell(value: object) -> str:
    if value is None or value == "":
        return DASH
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or DASH
    return str(value)


def _is_credits(value: object) -> bool:
    return isinstance(value, str) and value.lstrip("-").replace(".", "", 1).isdigit()


def credit_text(ucr: int) -> str:
    """`12.5` rather than `12.500000`: exact all the same."""
    text = decimal_credits(ucr).rstrip("0")
    return text.removesuffix(".")


def utc(ms: int) -> str | None:
    """A moment of the ledger's clock; None for 0, which means never or unknown."""
    if not ms:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
