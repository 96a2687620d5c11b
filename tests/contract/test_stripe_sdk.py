"""Stripe's own SDK and our sink say the same to the same server."""

import asyncio
from dataclasses import replace
from urllib.parse import parse_qsl

import stripe as stripe_sdk
from support.contract_servers.stripe import KEY, StripeServer
from support.records import shipment
from support.sinks import stripe

from gateway.metering.sums import Message
from gateway.sinks.base import Fate


def asked(server: StripeServer, index: int) -> tuple[str, str, str | None, dict[str, str]]:
    request = server.requests[index]
    form = dict(parse_qsl(server.bodies[index].decode()))
    return request.method, request.path, request.headers.get("Authorization"), form


def sdk(server: StripeServer) -> stripe_sdk.StripeClient:
    addresses = {"api": server.url, "meter_events": server.url}
    return stripe_sdk.StripeClient(
        KEY,
        base_addresses=addresses,
        max_network_retries=0,
        http_client=stripe_sdk.RequestsClient(),
    )


def told_by_the_sdk(server: StripeServer, message: Message) -> None:
    sdk(server).v1.billing.meter_events.create(
        {
            "event_name": message.meter,
            "identifier": message.identifier,
            "timestamp": message.minute_ms // 1000,
            "payload": {
                "stripe_customer_id": message.customer,
                "value": str(message.value),
                "model": f"{message.provider}/{message.model}",
                "token_type": message.token_class,
            },
        }
    )


async def test_the_sdk_and_the_sink_send_alike() -> None:
    server = StripeServer(("tokens", "charges"))
    async with server.running():
        sink = stripe(server.url)
        await sink.open()
        now_ms = int(server.now_s * 1000)
        paid = shipment("r1", 5)
        paid = replace(paid, customer="cus_1", record=replace(paid.record, settled_ms=now_ms))
        [message, *_] = sink.messages([paid], mark="one")
        outcome = await sink.send(message)
        again = replace(message, identifier=f"{message.identifier}.again")
        await asyncio.to_thread(told_by_the_sdk, server, again)
        cancelled = await sink.cancel(message.identifier, event_name=message.meter)
        await asyncio.to_thread(
            sdk(server).v1.billing.meter_event_adjustments.create,
            {
                "event_name": message.meter,
                "type": "cancel",
                "cancel": {"identifier": again.identifier},
            },
        )
        await sink.close()
    ours, theirs, our_cancel, their_cancel = (asked(server, index) for index in range(4))

    assert Fate.DELIVERED is outcome.fate is cancelled.fate
    assert ours[:3] == theirs[:3]
    assert ours[3] | {"identifier": again.identifier} == theirs[3]
    assert our_cancel[:3] == their_cancel[:3]
    assert our_cancel[3] | {"cancel[identifier]": again.identifier} == their_cancel[3]
    assert [] == server.counted
