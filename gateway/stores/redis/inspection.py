"""What the servers of a store say of themselves, for whoever judges a deployment.

A managed server refuses some of the questions; each that it refuses is told as None.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.errors import GatewayError
from gateway.stores.redis.address import Address, Form, parse_place
from gateway.stores.redis.node import connected
from gateway.stores.redis.plain import PlainClient
from gateway.stores.redis.wire import Part, Wire

SETTINGS = ("appendfsync", "save")
SENTINEL_ANSWER_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """One server that takes writes. `info`: INFO's lines. `settings`: those of SETTINGS that
    CONFIG GET told. `ahead_ms`: its clock less this machine's, to within half a round trip."""

    place: str
    info: Mapping[str, str] | None
    settings: Mapping[str, str] | None
    cluster: Mapping[str, str] | None
    ahead_ms: float | None
    round_trip_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    form: Form
    servers: Sequence[ServerFacts]
    sentinels: int = 0
    quorum: bool | None = None
    """Whether a sentinel says that enough of them agree to fail over; None: none answered."""


async def inspect(url: str) -> StoreFacts:
    """Raises StoreUnavailable when no server answers, ConfigError for a URL that is none."""
    place = parse_place(url)
    client = PlainClient(url)
    try:
        masters = await client.masters()
    finally:
        await client.close()
    return StoreFacts(
        form=place.form,
        servers=[
            await _server(address, clustered=place.form is Form.CLUSTER) for address in masters
        ],
        sentinels=len(place.sentinels),
        quorum=await _quorum(place.sentinels, place.service) if place.sentinels else None,
    )


async def _server(address: Address, *, clustered: bool) -> ServerFacts:
    wire = await connected(address, lost=_nothing)
    try:
        info = await _answered(wire, "INFO")
        settings = [await _answered(wire, "CONFIG", "GET", name) for name in SETTINGS]
        cluster = await _answered(wire, "CLUSTER", "INFO") if clustered else None
        ahead_ms, round_trip_ms = await _clock(wire)
    finally:
        wire.abort()
    told = {
        name: _text(reply[1])
        for name, reply in zip(SETTINGS, settings, strict=True)
        if isinstance(reply, list) and len(reply) > 1
    }
    host, port = address.place
    return ServerFacts(
        place=host if address.path else f"{host}:{port}",
        info=None if info is None else _lines(info),
        settings=told or None,
        cluster=None if cluster is None else _lines(cluster),
        ahead_ms=ahead_ms,
        round_trip_ms=round_trip_ms,
    )


async def _clock(wire: Wire) -> tuple[float | None, float]:
    began = datetime.now(UTC).timestamp()
    reply = await _answered(wire, "TIME")
    ended = datetime.now(UTC).timestamp()
    round_trip_ms = (ended - began) * 1000
    if not isinstance(reply, list):
        return None, round_trip_ms
    there = int(reply[0]) + int(reply[1]) / 1_000_000
    return (there - (began + ended) / 2) * 1000, round_trip_ms


async def _quorum(sentinels: Sequence[Address], service: str) -> bool | None:
    for sentinel in sentinels:
        with suppress(GatewayError, TimeoutError):
            async with asyncio.timeout(SENTINEL_ANSWER_S):
                wire = await connected(sentinel, lost=_nothing)
                try:
                    said = await _answered(wire, "SENTINEL", "CKQUORUM", service)
                finally:
                    wire.abort()
                return said is not None and _text(said).startswith("OK")
    return None


async def _answered(wire: Wire, *parts: Part) -> object:
    """None when it is refused, by a server that does not let everybody ask."""
    try:
        return await wire.command(parts, _as_is)
    except GatewayError:
        return None


def _lines(reply: object) -> Mapping[str, str]:
    pairs = (line.partition(":") for line in _text(reply).splitlines())
    return {name: value for name, separator, value in pairs if separator}


def _text(reply: object) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)


def _as_is(reply: object) -> object:
    return reply


def _nothing(_: Wire) -> None:
    """A connection that breaks is told by the command that was to use it."""
