"""A limit as stores write it: orjson's object of a `Limit`, and the way back. Pure."""

from collections.abc import Mapping
from typing import Any

from gateway.metering.limits import Limit, Scope, Unit, Window


def limit_of(content: Mapping[str, Any]) -> Limit:  # Any: as orjson types what it read
    return Limit(
        unit=Unit(content["unit"]),
        ceiling=content["ceiling"],
        window=Window(content["window"]),
        scope=Scope(content["scope"]),
        shadow=content["shadow"],
    )
