"""The ClickHouse sink and the table of its documentation, on the real engine."""

import re
from pathlib import Path

import aiohttp
from support.contract_servers.clickhouse_engine import PASSWORD
from support.records import shipment
from support.sinks import clickhouse as sink_for

from gateway.sinks.base import Fate

PAGE = Path(__file__).parents[2] / "docs" / "billing.md"


async def ask(url: str, statement: str) -> str:
    key = {"X-ClickHouse-Key": PASSWORD}
    async with (
        aiohttp.ClientSession(headers=key) as session,
        session.post(url, data=statement.encode()) as answer,
    ):
        assert 200 == answer.status, await answer.text()
        return await answer.text()


async def test_the_documented_table_takes_each_record_once(clickhouse, monkeypatch):
    monkeypatch.setattr("support.sinks.TIMEOUT_S", 10.0)
    [table] = re.findall(
        r"CREATE TABLE tollkeeper_usage \(.*?ORDER BY [^\n]*", PAGE.read_text(), re.DOTALL
    )
    await ask(clickhouse.url, table)
    sink = sink_for(clickhouse.url)
    await sink.open()

    first = await sink.deliver([shipment("r1", 5), shipment("r2", 6)])
    again = await sink.deliver([shipment("r2", 6), shipment("r3", 7)])
    record = shipment("r1", 5).record
    at_ms, whose = record.settled_ms, {"source": record.source}
    known = [
        await sink.charged(record.account_id, first_ms=at_ms, end_ms=at_ms + 1, **whose),
        await sink.charged(record.account_id, first_ms=at_ms + 1, end_ms=at_ms + 2, **whose),
        await sink.charged("nobody", first_ms=0, end_ms=at_ms + 1, **whose),
    ]
    await sink.close()
    found = await ask(
        clickhouse.url,
        "SELECT count(), sum(charge_microcredits) FROM tollkeeper_usage FINAL FORMAT CSV",
    )

    assert [Fate.DELIVERED] * 4 == [each.fate for each in (*first, *again)]
    assert "3,18\n" == found
    assert [18, 0, 0] == known
