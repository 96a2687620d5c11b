"""How commands print: a table for people, JSON for machines; a dash for what is not known.

Rows hold values, not texts: `Decimal` for credits, `datetime` for moments. People read credits
aligned at the point and moments in UTC; machines get credits as exact text and RFC 3339.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import click
import orjson

from gateway.metering.pricing import UCR_PER_CREDIT

DASH = "—"
GAP = "  "
# The last moment datetime knows: what is later is shown as that.
MOMENT_MAX_MS = 253_402_300_799_000

Row = Mapping[str, object]


def show(rows: Sequence[Row], *, as_json: bool, empty: str) -> None:
    """Print rows with the same keys in the same order. Numbers are aligned to the right."""
    if as_json:
        click.echo(json_text(list(rows)))
    elif not rows:
        click.echo(empty)
    else:
        click.echo(table(rows))


def show_one(facts: Row, *, as_json: bool) -> None:
    """Print one thing's facts, a line each; credits among them share a column."""
    if as_json:
        click.echo(json_text(dict(facts)))
        return
    width = max(len(name) for name in facts)
    cells = dict(zip(facts, _column(list(facts.values())), strict=True))
    digits = max((len(cells[name]) for name in facts if _is_number(facts[name])), default=0)
    for name, value in facts.items():
        cell = f"{cells[name]:>{digits}}" if _is_number(value) else cells[name]
        click.echo(f"{name.replace('_', ' '):<{width}}{GAP}{cell}")


def json_text(document: object) -> str:
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS
    return orjson.dumps(document, default=_plain, option=options).decode()


def table(rows: Sequence[Row]) -> str:
    names = list(rows[0])
    columns = [[row[name] for row in rows] for name in names]
    titles = [name.replace("_", " ") for name in names]
    cells = [[title, "", *_column(values)] for title, values in zip(titles, columns, strict=True)]
    widths = [max(map(_width, column)) for column in cells]
    right = [_of_numbers(column) for column in columns]
    for column, width in zip(cells, widths, strict=True):
        column[1] = "-" * width
    return "\n".join(_line(line, widths, right) for line in zip(*cells, strict=True))


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    aligned = []
    for cell, width, to_right in zip(cells, widths, right, strict=True):
        padding = " " * (width - _width(cell))
        aligned.append(padding + cell if to_right else cell + padding)
    return GAP.join(aligned).rstrip()


def _column(values: Sequence[object]) -> list[str]:
    """Texts of one column; its credits with as many decimals as the longest of them needs."""
    places = max((_places(value) for value in values if isinstance(value, Decimal)), default=0)
    return [
        f"{value:.{places}f}" if isinstance(value, Decimal) else _cell(value) for value in values
    ]


def _cell(value: object) -> str:
    match value:
        case None | "":
            return DASH
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S UTC")
        case dict():
            return _printable(", ".join(f"{name} {count}" for name, count in value.items())) or DASH
        case list() | tuple():
            return _printable(", ".join(str(item) for item in value)) or DASH
        case _:
            return _printable(str(value))


def _printable(text: str) -> str:
    """Without what would break a line or speak to the terminal: names come from anywhere."""
    return "".join(char if char.isprintable() else "�" for char in text)


def _width(text: str) -> int:
    """Columns of a terminal: a Chinese character takes two, a combining accent none."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _of_numbers(values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(map(_is_number, known))


def _places(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _plain(value: object) -> str:
    """What orjson does not know: credits, as text, since a float would not be exact."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError


def credit(ucr: int) -> Decimal:
    """Credits as rows hold them: exact, without trailing zeros."""
    return (Decimal(ucr) / UCR_PER_CREDIT).normalize()


def credit_text(ucr: int) -> str:
    """`12.5` rather than `12.500000`: exact all the same."""
    return f"{credit(ucr):f}"


def moment(ms: int) -> datetime | None:
    """A moment of the ledger's clock; None for 0, which means never or unknown."""
    return datetime.fromtimestamp(min(ms, MOMENT_MAX_MS) // 1000, UTC) if ms else None
