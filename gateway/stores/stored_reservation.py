"""A reservation as stores write it: orjson's object of a `Reservation`, and the way back. Pure."""

from collections.abc import Mapping
from typing import Any

from gateway.metering.ledger import Reservation
from gateway.stores.stored_settle import known, settle_of


def reservation_of(content: Mapping[str, Any]) -> Reservation:  # Any: as orjson types what it read
    pieces = tuple((str(name), int(count)) for name, count in content.get("pieces", ()))
    return Reservation(
        **known(Reservation, content, owed=settle_of(content["owed"]), pieces=pieces)
    )
