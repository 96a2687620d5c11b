"""Asks the Metering API, again where an answer was lost, and each thing under one name."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp

from gateway.client.values import (
    EventResult,
    Refused,
    Rejected,
    Settled,
    Unanswered,
    Usage,
    UsageEvent,
)

ROOT = "/metering/v1"
EVENTS_MAX = 1000
BATCH = "application/cloudevents-batch+json"
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
QUOTA = (402, 429)
SERVER_ERROR = 500


class Metering:
    def __init__(
        self, url: str, service_key: str, *, timeout_s: float = 10.0, tries: int = 4
    ) -> None:
        """`url`: where the gateway listens. Each try may take `timeout_s`."""
        self._url = url.rstrip("/") + ROOT
        self._headers = {"Authorization": f"Bearer {service_key}"}
        self._timeout_s = timeout_s
        self._tries = tries
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        self._http = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def reserve(self, **asked: object) -> "Held":
        """`account_id`, `model`, `input_tokens`; `max_output_tokens`, `key_id`, `pieces`, `ttl_s`.
        Raises Refused where credit or a limit does not allow it."""
        return Held(self, await self.ask("/reservations", asked))

    @asynccontextmanager
    async def reservation(self, **asked: object) -> AsyncIterator["Held"]:
        """As `reserve`; leaving the block settles what was told to be used, else gives all back."""
        held = await self.reserve(**asked)
        try:
            yield held
        finally:
            await held.end()

    async def verify(self, key: str, *, model: str | None = None) -> Mapping[str, Any]:  # Any: JSON
        """Whether a virtual key may make a call now: `valid`, `code`, `account_id`, `key_id`."""
        return await self.ask("/keys/verify", {"key": key} | ({"model": model} if model else {}))

    async def introspect(self, token: str) -> Mapping[str, Any]:  # Any: JSON
        """RFC 7662: `{"active": False}` for whatever is no valid key."""
        return await self.ask("/keys/introspect", {"token": token})

    async def grant(
        self, account_id: str, grant_id: str, microcredits: int, *, kind: str = "prepaid"
    ) -> Mapping[str, Any]:  # Any: JSON
        """Under the same id nothing is granted twice."""
        body = {"id": grant_id, "microcredits": microcredits, "kind": kind}
        return await self.ask(f"/accounts/{account_id}/grants", body)

    async def report(self, events: Sequence[UsageEvent]) -> Sequence[EventResult]:
        """Charge usage measured elsewhere, in the events' order; told again nothing is charged."""
        results: list[EventResult] = []
        for start in range(0, len(events), EVENTS_MAX):
            sent = [event.told() for event in events[start : start + EVENTS_MAX]]
            told = await self.ask("/usage/events", sent, content_type=BATCH)
            results += [
                EventResult(
                    event_id=each["id"],
                    result=each["result"],
                    code=each["code"],
                    detail=each["detail"],
                )
                for each in told["data"]
            ]
        return results

    async def ask(
        self, path: str, body: object, *, content_type: str = "application/json"
    ) -> Mapping[str, Any]:  # Any: JSON
        """POST, the same until it is answered. Raises Rejected or Unanswered."""
        assert self._http is not None, "use it as a context manager"
        headers = {"Idempotency-Key": uuid.uuid4().hex, "Content-Type": content_type}
        sent: dict[str, Any] = {} if body is None else {"json": body}
        pause_s, problem = FIRST_PAUSE_S, "no try"
        for number in range(self._tries):
            if number:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            try:
                async with self._http.post(self._url + path, headers=headers, **sent) as answer:
                    told = await answer.json(content_type=None)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                problem = type(error).__name__
                continue
            if not isinstance(told, dict):
                # Somebody in between said it, a load balancer perhaps.
                problem = f"{answer.status}, no JSON object"
                continue
            problem = f"{answer.status} {told.get('code', '')}"
            running = told.get("code") == "idempotency_in_flight"
            if answer.status < SERVER_ERROR and not running:
                return _accepted(answer.status, told)
        raise Unanswered(f"POST {path}: {self._tries} tries, the last: {problem}")


class Held:
    """Credit set aside for one call. It ends once, however often that is asked for."""

    def __init__(self, metering: Metering, told: Mapping[str, Any]) -> None:
        self._metering = metering
        self.reservation_id = str(told["id"])
        self.held_ucr = int(told["held"]["microcredits"])
        self.settled: Settled | None = None
        self._released = False
        self._used: Usage | None = None

    @property
    def open(self) -> bool:
        return self.settled is None and not self._released

    def used(self, usage: Usage) -> None:
        """All that was used so far: what leaving the block, however it is left, settles."""
        self._used = usage

    async def extend(self, *, ttl_s: int = 60, more_output_tokens: int = 0) -> None:
        """A sign of life. What was `used` so far is charged if nothing more is heard. Raises
        Refused for tokens that do not fit; the time runs anew all the same."""
        body: dict[str, object] = {"ttl_s": ttl_s, "more_output_tokens": more_output_tokens}
        if self._used is not None:
            body["used"] = self._used.told()
        told = await self._ask("extend", body)
        self.held_ucr = int(told["held"]["microcredits"])

    async def settle(self, usage: Usage, *, provenance: str = "reported") -> Settled:
        """Charge it and give the rest back."""
        if self.settled is None:
            body = {"usage": usage.told(), "provenance": provenance}
            try:
                told = await self._ask("settle", body)
            except Rejected as rejected:
                if rejected.facts.get("ending") != "settled":
                    raise
                self.settled = Settled(charged_ucr=None)
            else:
                charged = int(told["charged"]["microcredits"])
                self.settled = Settled(charged_ucr=charged, late=bool(told["late"]))
        return self.settled

    async def release(self) -> None:
        """Nothing was used: give all of it back."""
        if not self.open:
            return
        try:
            await self._ask("release", None)
        except Rejected as rejected:
            # Expired or released: it is free already.
            if rejected.facts.get("ending") not in ("expired", "released"):
                raise
        self._released = True

    async def end(self) -> None:
        """Settle what was told to be used, else release; nothing if it has ended."""
        if not self.open:
            return
        if self._used is not None:
            await self.settle(self._used)
        else:
            await self.release()

    async def _ask(self, what: str, body: object) -> Mapping[str, Any]:
        return await self._metering.ask(f"/reservations/{self.reservation_id}/{what}", body)


def _accepted(status: int, told: Mapping[str, Any]) -> Mapping[str, Any]:
    if status in QUOTA:
        raise Refused(status, told)
    if "code" in told and "status" in told and told["status"] == status:
        raise Rejected(status, told)
    return told
