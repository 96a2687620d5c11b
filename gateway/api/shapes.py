"""What every answer and question of the Metering API is made of.

Models are declared once: they check what comes, write what goes, and are the schemas of the
OpenAPI document. Amounts are told twice, as decimal text in credits for people and as integers in
microcredits for programs; moments are UTC in ISO 8601.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field

from gateway.metering.admission import decimal_credits

Row = TypeVar("Row")


class Body(BaseModel):
    """A request body: unknown fields are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """Query parameters: text that is read as what it should be."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reply(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    leaves_out_null: ClassVar[bool] = False
    """A standard asks that what is unknown is not there at all."""


class Tagged(Reply):
    """Something that can be changed, as it stands."""

    etag: str
    """Also in the head, as `ETag`. Send it as `If-Match` with a change, which is refused with 412
    if somebody else was faster."""


class Amount(Reply):
    """An amount of credit."""

    credits: Annotated[str, Field(examples=["12.345678"])]
    """Decimal text, exact."""
    microcredits: Annotated[int, Field(examples=[12_345_678])]
    """The ledger's own unit: a million of them are one credit."""


Moment = Annotated[str, Field(examples=["2026-11-26T10:15:07.250Z"])]
"""ISO 8601, UTC, milliseconds."""


class Page(Reply, Generic[Row]):
    """A list in pieces: ask again with `cursor` = `next_cursor` until that is null."""

    data: Sequence[Row]
    next_cursor: str | None


def page_of(
    rows: Sequence[Row], *, limit: int, cursor: str, place: Callable[[Row], str]
) -> tuple[Sequence[Row], str | None]:
    """Those behind `cursor`, at most `limit`, and the cursor of the next page. `rows` are in the
    order of their `place`, which is no other's."""
    after = [row for row in rows if place(row) > cursor]
    page = after[:limit]
    return page, place(page[-1]) if len(after) > len(page) else None


def etag_of(record: object) -> str:
    """Another with whatever may be changed of a stored record, a dataclass."""
    return hashlib.sha256(orjson.dumps(record)).hexdigest()[:16]


def amount(ucr: int) -> Amount:
    return Amount(credits=decimal_credits(ucr), microcredits=ucr)


def moment(time_ms: int) -> str:
    """`time_ms` of the ledger's clock."""
    seconds, milliseconds = divmod(time_ms, 1000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{milliseconds:03d}Z"


def moment_or_none(time_ms: int) -> str | None:
    """Null for a time that never comes."""
    return moment(time_ms) if time_ms else None
