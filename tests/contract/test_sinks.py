"""Whatever happens on the way, the sum at a sink is the sum that was settled.

Every sink that speaks to a server meets a server that keeps its vendor's rules, and every way a
request can fail, before and after it had its effect.
"""

from collections.abc import AsyncIterator

import pytest
from support.contract_servers import base
from support.contract_servers.clickhouse import ClickHouseServer
from support.contract_servers.lago import LagoServer
from support.contract_servers.openmeter import OpenMeterServer
from support.contract_servers.stripe import StripeServer
from support.contract_servers.webhook import WebhookServer
from support.exports import exporting, known_accounts, settled
from support.sinks import SECRET, clickhouse, lago, openmeter, stripe, webhook

from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.ledger import RedisLedger

CALLS = 60
EXTERNAL = {"stripe": "cus_", "lago": "sub_"}


@pytest.fixture
async def keys(store_url: str) -> AsyncIterator[RedisKeyStore]:
    store = RedisKeyStore(store_url)
    await known_accounts(store, external=EXTERNAL)
    yield store
    await store.close()


# Each: the vendor's server, our sink in front of it, and how its sum is asked for.
CONTRACTS = {
    "lago": (LagoServer, lago, "llm_charge"),
    "lago on ClickHouse": (lambda: LagoServer(clickhouse=True), lago, "llm_charge"),
    "openmeter": (OpenMeterServer, openmeter, "charge_microcredits"),
    "stripe": (lambda: StripeServer(("tokens", "charges")), stripe, "charge"),
    "clickhouse": (ClickHouseServer, clickhouse, "charge_microcredits"),
    "webhook": (lambda: WebhookServer(SECRET), webhook, "charge_microcredits"),
}


@pytest.fixture(params=CONTRACTS)
def contract(request, ledger):
    make_server, make_sink, name = CONTRACTS[request.param]
    server = make_server()
    if make_sink is webhook:
        return server, lambda url: webhook(url, ledger), name
    return server, make_sink, name


async def test_the_sum_at_the_sink_is_the_sum_that_was_settled(
    contract, store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    server, make_sink, name = contract
    async with server.running():
        before = await settled(ledger, CALLS // 2)
        async with exporting(store_client, ledger, keys, make_sink(server.url)) as export:
            after = await settled(ledger, CALLS // 2)
            await export.caught_up()

    assert before + after == server.total(name)
    assert [] == export.watcher.errors
    assert [] == export.watcher.reasons


# The store's kinds differ in nothing that a fault of the other side would show.
@pytest.mark.parametrize("store_server", ["valkey"], indirect=True)
@pytest.mark.parametrize("fault", base.ALL_FAULTS, ids=lambda fault: f"{fault.kind} {fault.when}")
async def test_no_fault_loses_or_doubles_a_record(
    contract, fault, store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    server, make_sink, name = contract
    server.faults.extend([fault, fault])
    async with server.running():
        total = await settled(ledger, CALLS)
        async with exporting(store_client, ledger, keys, make_sink(server.url)) as export:
            await export.caught_up()

    assert total == server.total(name)
    assert export.watcher.outcomes["retry"] >= 2
    assert [] == export.watcher.reasons
