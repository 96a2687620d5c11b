"""Lago's own client and our sink say the same to the same server."""

import asyncio

import orjson
from lago_python_client.client import Client
from lago_python_client.models import BatchEvent, Event
from support.contract_servers.lago import KEY, LagoServer
from support.records import shipment
from support.sinks import lago

from gateway.sinks.base import Fate


def sent(server: LagoServer, index: int) -> tuple[str, str, str, list[dict]]:
    request = server.requests[index]
    authorization = request.headers["Authorization"]
    events = orjson.loads(server.bodies[index])["events"]
    return request.method, request.path, authorization, events


async def test_the_client_and_the_sink_send_alike() -> None:
    server = LagoServer()
    async with server.running():
        sink = lago(server.url)
        await sink.open()
        [outcome] = await sink.deliver([shipment("r1", 5)])
        await sink.close()
        ours = sent(server, 0)
        client = Client(api_key=KEY, api_url=server.url)
        events = [Event(**event) for event in ours[3]]
        server.events.clear()
        await asyncio.to_thread(client.events.batch_create, BatchEvent(events=events))
        theirs = sent(server, 1)

    assert Fate.DELIVERED is outcome.fate
    assert ours[:3] == theirs[:3]
    for our, their in zip(ours[3], theirs[3], strict=True):
        # What the client leaves open it sends as null.
        said = {name: value for name, value in their.items() if value is not None}
        assert {**our, "timestamp": 0.0} == {**said, "timestamp": 0.0}
        assert float(our["timestamp"]) == float(their["timestamp"])
