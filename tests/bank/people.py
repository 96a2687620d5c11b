"""Who uses the gateways in the bank test: clients that call, a granter that pays, a reader that
looks at the books."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import aiohttp
import orjson
from bank.checker import check_snapshot
from bank.history import SLOW, Call, History, Outcome, Trouble
from bank.provider import MARK, WORD
from bank.world import World
from support.gateways import INPUT_UCR, OUTPUT_UCR

from gateway.errors import GatewayError
from gateway.metering.ledger import Grant, VoidGrant

CALL_S = 20.0
READ_EVERY_S = 0.02
# One look that takes this much longer tells of a store, or of a machine, that others may have
# waited for as well.
SLOW_S = 0.3
GRANT_EVERY_S = 0.4
WORDS_MAX, PROMPT_WORDS_MAX = 50, 60
# Of the largest call.
CALL_UCR = (PROMPT_WORDS_MAX + 10) * INPUT_UCR + WORDS_MAX * OUTPUT_UCR
REFUSALS = frozenset({401, 402, 403, 429, 503})


@dataclass(frozen=True)
class Member:
    """An account and its key. `tiny`: has credit for five calls, and gets little more."""

    account: str
    key: str
    tiny: bool


class Client:
    """Calls one after the other, until it is told to stop."""

    def __init__(
        self,
        name: str,
        members: Sequence[Member],
        world: World,
        history: History,
        *,
        seed: str,
        pause_s: float,
    ) -> None:
        self._name = name
        self._members = members
        self._world = world
        self._history = history
        self._random = random.Random(seed)
        self._pause_s = pause_s
        self._number = 0

    async def run(self, stop: asyncio.Event) -> None:
        connector = aiohttp.TCPConnector(force_close=self._random.random() < 0.5)
        async with aiohttp.ClientSession(connector=connector) as http:
            while not stop.is_set():
                await self._call(http)
                await asyncio.sleep(self._random.expovariate(1 / self._pause_s))

    async def _call(self, http: aiohttp.ClientSession) -> None:
        draw = self._random
        member = draw.choice(self._members)
        gateway = draw.randrange(len(self._world.gateways))
        self._number += 1
        call = Call(
            call_id=f"{self._name}-{self._number}",
            account=member.account,
            gateway=gateway,
            began_s=monotonic(),
            stream=draw.random() < 0.75,
        )
        leaves_after = draw.randint(0, 30) if draw.random() < 0.15 else -1
        self._history.calls.append(call)
        try:
            async with asyncio.timeout(CALL_S), self._post(http, call, member.key) as answer:
                await self._read(call, answer, leaves_after=leaves_after)
        except (aiohttp.ClientError, OSError, TimeoutError):
            call.outcome = Outcome.UNKNOWN
        call.ended_s = monotonic()

    def _post(self, http: aiohttp.ClientSession, call: Call, key: str) -> Any:
        draw = self._random
        words = draw.randint(1, WORDS_MAX)
        body = {
            "model": "gpt-4.1-mini",
            "messages": [{"role": "user", "content": WORD * draw.randint(1, PROMPT_WORDS_MAX)}],
            "max_tokens": words,
            "stream": call.stream,
        }
        headers = {
            "Authorization": f"Bearer {key}",
            "x-bank-call": call.call_id,
            # Some answers are shorter than they might be.
            "x-bank-words": str(words if draw.random() < 0.7 else draw.randint(1, words)),
        }
        base_url = self._world.gateways[call.gateway].base_url
        return http.post(f"{base_url}/chat/completions", json=body, headers=headers)

    async def _read(self, call: Call, answer: aiohttp.ClientResponse, *, leaves_after: int) -> None:
        call.status = answer.status
        call.request_id = answer.headers.get("x-tollkeeper-request-id", "")
        if answer.status != 200:
            body = await answer.read()
            ours = MARK not in answer.headers
            call.code = orjson.loads(body)["error"]["code"] if ours else "provider"
            refused = ours and answer.status in REFUSALS and call.code != "draining"
            call.outcome = Outcome.REFUSED if refused else Outcome.FAILED
            return
        seen = b""
        async for data in answer.content.iter_any():
            # A word may be cut in two by the network.
            seen += data
            words = seen.count(b'" toll"') if call.stream else 0
            call.words_s += [monotonic()] * (words - len(call.words_s))
            if 0 <= leaves_after <= len(call.words_s) and call.stream:
                answer.close()
                return
        if not call.stream:
            [choice] = orjson.loads(seen)["choices"]
            call.words_s = [monotonic()] * choice["message"]["content"].count(WORD)
        call.outcome = Outcome.OK


class Granter:
    """Puts credit in by id, some of it twice, some of it for a few seconds only, and now and then
    takes a grant back."""

    def __init__(
        self, members: Sequence[Member], world: World, history: History, *, seed: str
    ) -> None:
        self._members = members
        self._ledger = world.stores.ledger
        self._history = history
        self._random = random.Random(seed)
        self._asked: list[Grant] = []

    async def begin(self) -> None:
        for member in self._members:
            await self._grant(member, (5 if member.tiny else 400) * CALL_UCR)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            draw = self._random
            member = draw.choice(self._members)
            if draw.random() < 0.06:
                await self._void()
            elif member.tiny:
                lasts_ms = 4000 if draw.random() < 0.3 else 0
                await self._grant(member, draw.randint(1, 3) * CALL_UCR, lasts_ms=lasts_ms)
            else:
                await self._grant(member, draw.randint(1, 10**6))
            await asyncio.sleep(draw.expovariate(1 / GRANT_EVERY_S))

    async def _grant(self, member: Member, amount_ucr: int, *, lasts_ms: int = 0) -> None:
        grant = Grant(
            grant_id=f"grant-{len(self._asked)}",
            account_id=member.account,
            amount_ucr=amount_ucr,
            expires_ms=self._ledger.now_ms() + lasts_ms if lasts_ms else 0,
        )
        self._asked.append(grant)
        self._history.granted.setdefault(grant.account_id, {})[grant.grant_id] = amount_ucr
        for _ in range(2 if self._random.random() < 0.2 else 1):
            await self._ask(grant)

    async def _void(self) -> None:
        grant = self._random.choice(self._asked)
        # Of the big accounts' first grants, all would be lost.
        if grant.amount_ucr < 100 * CALL_UCR:
            try:
                await self._ledger.void_grant(VoidGrant(grant.grant_id, grant.account_id))
            except GatewayError:
                return

    async def _ask(self, grant: Grant) -> bool:
        try:
            await self._ledger.grant(grant)
        except GatewayError:
            return False
        return True

    async def finish(self) -> None:
        """What was asked for and not answered is asked again: all grants are there now, once."""
        for grant in self._asked:
            while not await self._ask(grant):
                await asyncio.sleep(0.1)


class Reader:
    """Looks at one account after the other, and checks what it sees at once."""

    def __init__(self, members: Sequence[Member], world: World, history: History) -> None:
        self._members = members
        self._ledger = world.stores.ledger
        self._history = history

    async def run(self, stop: asyncio.Event) -> None:
        number = 0
        looked_s = monotonic()
        while not stop.is_set():
            before_s, looked_s = looked_s, monotonic()
            if looked_s - before_s > READ_EVERY_S + SLOW_S:
                self._history.troubles.append(Trouble(SLOW, None, before_s, looked_s))
            await self._look(self._members[number % len(self._members)].account)
            number += 1
            await asyncio.sleep(READ_EVERY_S)

    async def _look(self, account: str) -> None:
        last = self._history.last
        try:
            balance = await self._ledger.balance(account)
        except GatewayError:
            return
        # What a primary answered that was lost meanwhile, its successor need not know.
        if last is self._history.last:
            self._history.violations += check_snapshot(last.get(account), balance)
            last[account] = balance
            self._history.snapshots += 1
