"""PostgreSQL: a row for each record, put once by source and id. Needs the extra `postgres`.

The columns people filter and add up stand by themselves, the whole record beside them as JSON.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from gateway.sinks.base import (
    DELIVERED,
    DUPLICATE,
    Customers,
    Fate,
    Limits,
    Outcome,
    Shipment,
    retry,
)

try:
    import asyncpg
except ImportError:
    asyncpg = None

CONNECTIONS_MAX = 4

TABLE = """\
CREATE TABLE IF NOT EXISTS {table} (
  source text NOT NULL,
  id text NOT NULL,
  time timestamptz NOT NULL,
  account_id text NOT NULL,
  key_id text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  status text NOT NULL,
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  charge_microcredits bigint NOT NULL,
  data jsonb NOT NULL,
  PRIMARY KEY (source, id)
)"""
# One statement for a batch; what was there already is not returned.
INSERT = """\
INSERT INTO {table}
SELECT e->>'source', e->>'id', (e->>'time')::timestamptz, d->>'account_id', d->>'key_id',
       d->>'provider', d->>'model', d->>'status', (d->>'input_tokens')::bigint,
       (d->>'output_tokens')::bigint, (d->>'charge_microcredits')::bigint, d
FROM jsonb_array_elements($1::text::jsonb) e, LATERAL (SELECT e->'data' d) data
ON CONFLICT (source, id) DO NOTHING
RETURNING id"""


SUM = """\
SELECT coalesce(sum(charge_microcredits), 0)::bigint FROM {table}
WHERE account_id = $1 AND source = $2 AND time >= $3 AND time < $4"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresOptions:
    url: str = field(repr=False)
    table: str
    timeout_s: float


def installed() -> bool:
    """Whether the library of the extra is there."""
    return asyncpg is not None


class PostgresSink:
    customers = Customers()

    def __init__(self, name: str, options: PostgresOptions, limits: Limits) -> None:
        self.name, self.limits = name, limits
        self._options = options
        self._insert = INSERT.format(table=options.table)
        self._ready = False

    async def open(self) -> None:
        """Connects when there is something to deliver: the database may be away until then."""
        timeout_s = self._options.timeout_s
        self._pool = asyncpg.create_pool(
            self._options.url,
            min_size=0,
            max_size=CONNECTIONS_MAX,
            timeout=timeout_s,
            command_timeout=timeout_s,
        )

    async def close(self) -> None:
        self._pool.terminate()

    async def deliver(self, shipments: Sequence[Shipment]) -> Sequence[Outcome]:
        events = [each.record.cloud_event() for each in shipments]
        try:
            async with asyncio.timeout(self._options.timeout_s):
                await self._prepare()
                rows = await self._pool.fetch(self._insert, orjson.dumps(events).decode())
        except TimeoutError:
            return [retry(f"no answer within {self._options.timeout_s:g} s")] * len(shipments)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            return [Outcome(Fate.REFUSED, _said(error))] * len(shipments)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            # A lost connection, a full disk, a missing table: not the records' fault.
            return [retry(_said(error))] * len(shipments)
        new = {row["id"] for row in rows}
        return [DELIVERED if each.record.record_id in new else DUPLICATE for each in shipments]

    async def charged(
        self, account_id: str, *, source: str, first_ms: int, end_ms: int
    ) -> int | Outcome:
        asked = SUM.format(table=self._options.table)
        times = (datetime.fromtimestamp(each / 1000, UTC) for each in (first_ms, end_ms))
        try:
            async with asyncio.timeout(self._options.timeout_s):
                await self._pool
                return int(await self._pool.fetchval(asked, account_id, source, *times))
        except TimeoutError:
            return retry(f"no answer within {self._options.timeout_s:g} s")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            return retry(_said(error))

    async def _prepare(self) -> None:
        if not self._ready:
            await self._pool
            # Two that make it at once: one is told that its name is taken, which is all we want.
            with suppress(asyncpg.UniqueViolationError, asyncpg.DuplicateTableError):
                await self._pool.execute(TABLE.format(table=self._options.table))
            self._ready = True


def _said(error: Exception) -> str:
    """The kind and, of the server's own errors, the state; texts may quote values."""
    return " ".join([type(error).__name__, getattr(error, "sqlstate", None) or ""]).strip()
