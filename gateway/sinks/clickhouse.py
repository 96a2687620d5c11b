"""ClickHouse over HTTP: `INSERT … FORMAT JSONEachRow`, one request a batch.

The table (docs/billing.md) is a ReplacingMergeTree ordered by account, time and id: a record that
comes twice becomes one when parts merge, and in every query with FINAL.
`insert_deduplication_token` lets replicated tables drop a repeated batch at once, and
`wait_end_of_query` keeps the server from answering 200 before it knows (ClickHouse documentation,
"HTTP interface", read 2026-11).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

import orjson

from gateway.sinks.base import Customers, Limits, Outcome, Shipment, retry
from gateway.sinks.http import Http, outcome_of
from gateway.sinks.webhook import message_id

SUM = """\
SELECT sum(charge_microcredits) FROM {table} FINAL
WHERE account_id = {{account:String}} AND source = {{source:String}}
AND time_ms >= {{first:Int64}} AND time_ms < {{end:Int64}} FORMAT TabSeparated"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickHouseOptions:
    url: str
    table: str
    user: str
    password: str = field(repr=False)
    timeout_s: float


class ClickHouseSink:
    customers = Customers()

    def __init__(self, name: str, options: ClickHouseOptions, limits: Limits) -> None:
        self.name, self.limits = name, limits
        self._options = options
        headers = {"X-ClickHouse-User": options.user}
        if options.password:
            headers["X-ClickHouse-Key"] = options.password
        self._http = Http(timeout_s=options.timeout_s, headers=headers)

    async def open(self) -> None:
        self._http.open()

    async def close(self) -> None:
        await self._http.close()

    async def deliver(self, shipments: Sequence[Shipment]) -> Sequence[Outcome]:
        records = [each.record for each in shipments]
        rows = b"".join(
            orjson.dumps(
                {"id": record.record_id, "source": record.source, "time_ms": record.settled_ms}
                | dict(record.data),
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for record in records
        )
        query = urlencode(
            {
                "query": f"INSERT INTO {self._options.table} FORMAT JSONEachRow",
                "input_format_skip_unknown_fields": 1,
                "insert_deduplication_token": message_id([each.record_id for each in records]),
                "wait_end_of_query": 1,
            }
        )
        answer = await self._http.post(f"{self._options.url}/?{query}", rows)
        return [outcome_of(answer)] * len(shipments)

    async def charged(
        self, account_id: str, *, source: str, first_ms: int, end_ms: int
    ) -> int | Outcome:
        named = {"account": account_id, "source": source, "first": first_ms, "end": end_ms}
        query = urlencode({f"param_{name}": value for name, value in named.items()})
        asked = SUM.format(table=self._options.table).encode()
        answer = await self._http.post(f"{self._options.url}/?{query}", asked)
        if isinstance(answer, Outcome):
            return answer
        told = answer.body.strip()
        return int(told) if answer.ok and told.isdigit() else retry(answer.quoted)
