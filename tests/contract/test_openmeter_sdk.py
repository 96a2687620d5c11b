"""OpenMeter's own client and our sink say the same to the same server."""

import asyncio

import orjson
from openmeter import Client
from support.contract_servers.openmeter import TOKEN, OpenMeterServer
from support.records import shipment
from support.sinks import openmeter

from gateway.sinks.base import Fate


async def test_the_client_and_the_sink_send_alike() -> None:
    server = OpenMeterServer()
    async with server.running():
        sink = openmeter(server.url)
        await sink.open()
        outcomes = await sink.deliver([shipment("r1", 5), shipment("r2", 7)])
        await sink.close()
        events = orjson.loads(server.bodies[0])
        server.events.clear()
        await asyncio.to_thread(_told_by_client, server.url, events)
        ours, theirs = server.requests

    assert [Fate.DELIVERED] * 2 == [each.fate for each in outcomes]
    assert 12 == server.total()
    assert events == orjson.loads(server.bodies[1])
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    for name in ("Content-Type", "Authorization"):
        assert ours.headers[name] == theirs.headers[name]


def _told_by_client(url: str, events: list[dict[str, object]]) -> None:
    with Client(endpoint=url, token=TOKEN) as client:
        client.events.ingest_events(events)
