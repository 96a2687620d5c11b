"""kill -9 of a gateway between sending a record and acknowledging it: the sums agree afterwards."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from support.contract_servers.base import HANG_AFTER, HANG_BEFORE, ContractServer, Fault
from support.contract_servers.lago import KEY as LAGO_KEY
from support.contract_servers.lago import LagoServer
from support.contract_servers.openmeter import TOKEN, OpenMeterServer
from support.contract_servers.stripe import KEY as STRIPE_KEY
from support.contract_servers.stripe import StripeServer
from support.gateways import ACCOUNT, SECRETS, gateway_pair

SINKS = {
    "lago": 'lago: {{url: "{url}", api_key: env:TEST_SINK, charge_metric: charge}}',
    "openmeter": 'openmeter: {{url: "{url}", api_key: env:TEST_SINK}}',
    "stripe": (
        'stripe: {{url: "{url}", api_key: env:TEST_SINK, event_name: tokens, '
        "charge_event_name: charges}}"
    ),
}
SERVERS = {
    "lago": (LagoServer, LAGO_KEY, "charge"),
    "openmeter": (OpenMeterServer, TOKEN, "charge_microcredits"),
    "stripe": (lambda: StripeServer(("tokens", "charges")), STRIPE_KEY, "charge"),
}
# A dead process keeps its lanes until its leases end.
TAKEN_OVER_S = 40


async def first_asked(server: ContractServer) -> None:
    async with asyncio.timeout(20):
        while not server.requests:
            await asyncio.sleep(0.02)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("store_server", ["valkey"], indirect=True)
@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("lago", HANG_AFTER),
        ("openmeter", HANG_BEFORE),
        ("stripe", HANG_BEFORE),
    ],
    ids=lambda value: value.when if isinstance(value, Fault) else value,
)
async def test_a_gateway_killed_between_sending_and_acknowledging(
    kind: str, fault: Fault, tmp_path: Path, store_url: str, monkeypatch
) -> None:
    make_server, credential, name = SERVERS[kind]
    monkeypatch.setitem(SECRETS, "TEST_SINK", credential)
    server = make_server()
    async with server.running():
        sinks = "sinks: {billing: {" + SINKS[kind].format(url=server.url) + "}}"
        async with gateway_pair(tmp_path, store_url, more=sinks) as pair:
            keys = pair.other.session.stores.keys
            account = await keys.account(ACCOUNT)
            assert account is not None
            await keys.put_account(replace(account, external={"stripe": "cus_acme"}))
            server.always = fault
            assert 200 == await pair.client.status("tokens=5")
            await first_asked(server)
            await asyncio.sleep(0.2)
            pair.process.kill()
            server.always = None
            await pair.process.start()
            assert 200 == await pair.client.status("tokens=7")
            charged = (await pair.other.settled(charged=lambda ucr: ucr > 0)).charged_ucr
            async with asyncio.timeout(TAKEN_OVER_S):
                while server.total(name) < charged:
                    await asyncio.sleep(0.1)
            # Long enough for anything to come that should not.
            await asyncio.sleep(1.0)
            events = await pair.other.events()

    assert 2 == len(events)
    assert charged == sum(event["charge_ucr"] for event in events) == server.total(name)
