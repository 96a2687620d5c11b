"""ClickHouse's HTTP interface as an INSERT sees it: JSONEachRow into a ReplacingMergeTree, whose
rows of one sorting key become one; the exception's code in a header, the batch refused as a
whole when a row cannot be read."""

import orjson
from aiohttp import web
from support.contract_servers.base import ContractServer

PASSWORD = "ch-password"


class ClickHouseServer(ContractServer):
    """`largest`: what does not fit the charge's column."""

    def __init__(self, *, largest: int = 2**63) -> None:
        super().__init__()
        self.largest = largest
        self.rows: dict[tuple[str, int, str], dict] = {}

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.headers.get("X-ClickHouse-Key") != PASSWORD:
            return self._exception(403, 516, "Authentication failed")
        if request.query.get("query") != "INSERT INTO tollkeeper_usage FORMAT JSONEachRow":
            return self._exception(404, 60, "Unknown table")
        assert request.query["wait_end_of_query"] == "1"
        assert request.query["insert_deduplication_token"]
        rows = [orjson.loads(line) for line in body.splitlines()]
        if any(row["charge_microcredits"] > self.largest for row in rows):
            return self._exception(400, 27, "Cannot parse input")
        for row in rows:
            self.rows[row["account_id"], row["time_ms"], row["id"]] = row
        return web.Response(status=200)

    def _exception(self, status: int, code: int, text: str) -> web.Response:
        headers = {"X-ClickHouse-Exception-Code": str(code)}
        return web.Response(status=status, headers=headers, text=f"Code: {code}. {text}")

    def total(self, name: str = "charge_microcredits") -> int:
        return sum(row[name] for row in self.rows.values())
