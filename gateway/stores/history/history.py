"""The history in a database that speaks SQL: the same questions to each, whatever it is.

Which database, how it is reached and how a batch gets into it, its `Engine` knows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from gateway.metering.history import (
    CostSum,
    EndSum,
    Movement,
    Newest,
    Question,
    Record,
    UsageSum,
    Wanted,
)
from gateway.metering.journal import Drained, Position
from gateway.metering.pricing import ModelPrice
from gateway.stores.history import answers, questions
from gateway.stores.history.questions import Statement
from gateway.stores.history.rows import Row


class Engine(Protocol):
    """A database with the tables of a history. All of it may raise HistoryUnavailable."""

    spans: Mapping[str, str]
    """How its tables of sums by hours and by days are called."""

    async def open(self) -> str:
        """Connect, make the tables of a new history; answer the history's id."""
        ...

    async def close(self) -> None: ...

    async def rows(self, statement: Statement) -> Sequence[Row]: ...

    async def append(self, batch: Sequence[Drained], prices: Mapping[str, ModelPrice]) -> None:
        """As `stores.base.History.append`."""
        ...

    async def prune(self, before_ms: int) -> None: ...


class SqlHistory:
    """Answers `stores.base.History`. Opened in the process that uses it, not before a fork."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._history_id = ""

    async def open(self) -> None:
        """Raises HistoryUnavailable when it is not to be had: whatever is asked opens it anew."""
        self._history_id = await self._engine.open()

    async def history_id(self) -> str:
        await self._opened()
        return self._history_id

    async def close(self) -> None:
        await self._engine.close()

    async def _opened(self) -> Engine:
        if not self._history_id:
            await self.open()
        return self._engine

    async def _rows(self, statement: Statement) -> Sequence[Row]:
        return await (await self._opened()).rows(statement)

    async def append(self, batch: Sequence[Drained], prices: Mapping[str, ModelPrice]) -> None:
        await (await self._opened()).append(batch, prices)

    async def prune(self, *, before_ms: int) -> None:
        await (await self._opened()).prune(before_ms)

    async def positions(self) -> Mapping[int, Position]:
        return answers.positions(await self._rows(questions.POSITIONS))

    async def usage(self, asked: Question) -> Sequence[UsageSum]:
        table, names = self._table(asked, "usage"), self._table(asked, "cost")
        rows = await self._rows(questions.usage(asked, table))
        pieces = await self._rows(questions.pieces(asked, names))
        of = answers.named_pieces if questions.span(asked) else answers.recorded_pieces
        return answers.usage(asked, rows, of(pieces))

    async def costs(self, asked: Question) -> Sequence[CostSum]:
        statement = questions.costs(asked, self._table(asked, "cost"))
        return answers.costs(asked, await self._rows(statement))

    def _table(self, asked: Question, kind: str) -> str:
        span = questions.span(asked)
        return f"{kind}_{self._engine.spans[span]}" if span else "records"

    async def records(
        self,
        account_id: str,
        *,
        start_ms: int,
        end_ms: int,
        before: int | None,
        limit: int,
        models: Sequence[str] = (),
        keys: Sequence[str] = (),
    ) -> Sequence[Record]:
        """An account's records ascend by time and by id alike: all come from one outbox."""
        if before is not None:
            known = await self._rows(questions.record_time(account_id, before))
            end_ms = min(end_ms, known[0][0] + 1) if known else end_ms
        statement = questions.records(
            account_id,
            start_ms=start_ms,
            end_ms=end_ms,
            before=before,
            limit=limit,
            models=models,
            keys=keys,
        )
        return [answers.record(row) for row in await self._rows(statement)]

    async def request(self, account_id: str, request_id: str) -> Sequence[Movement]:
        return await self._movements(questions.request(account_id, request_id))

    async def movements(
        self, account_id: str, *, kinds: Sequence[str], before: int | None, limit: int
    ) -> Sequence[Movement]:
        return await self._movements(
            questions.movements(account_id, kinds=kinds, before=before, limit=limit)
        )

    async def journal(self, account_id: str, *, after: int, limit: int) -> Sequence[Movement]:
        return await self._movements(questions.journal(account_id, after=after, limit=limit))

    async def _movements(self, statement: Statement) -> Sequence[Movement]:
        return [answers.movement(row) for row in await self._rows(statement)]

    async def chain(self, shard: int, *, after: int, limit: int) -> Sequence[Movement]:
        rows = await self._rows(questions.chain(shard, after=after, limit=limit))
        return [answers.movement(row, by_shard=True) for row in rows]

    async def price(self, rate_id: str) -> ModelPrice | None:
        rows = await self._rows(questions.prices([rate_id]))
        return answers.prices(rows).get(rate_id)

    async def ended_twice(self, account_id: str) -> Sequence[str]:
        return [row[0] for row in await self._rows(questions.ended_twice(account_id))]

    async def account_ids(self) -> Sequence[str]:
        return [row[0] for row in await self._rows(questions.ACCOUNT_IDS)]

    async def ends(self, *, start_ms: int) -> Sequence[EndSum]:
        hours, days = (f"end_{self._engine.spans[span]}" for span in ("hours", "days"))
        rows = await self._rows(questions.ends(hours, days, start_ms=start_ms))
        return [answers.ended(row) for row in rows]

    async def newest(self, wanted: Wanted) -> Newest:
        one_more = replace(wanted, limit=wanted.limit + 1)
        found = [answers.record(row) for row in await self._rows(questions.newest(one_more))]
        page = found[: wanted.limit]
        if len(found) > len(page):
            return Newest(page, page[-1].record_id)
        last = [row[0] for row in await self._rows(questions.looked_to(wanted))]
        return Newest(page, last[0] if last else None)
