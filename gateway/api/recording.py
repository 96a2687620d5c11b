"""Has every change noted in the audit trail, with what came of it, before it is answered."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

import orjson

from gateway.api.operation import Answer, Asked, Operation
from gateway.api.shapes import Query, Reply
from gateway.errors import GatewayError
from gateway.metering.changes import DONE, FAILED, Change
from gateway.stores.auditing import Trail

DETAILS_BYTES_MAX = 4096

OnChange = Callable[[Change], None]


class Recorder:
    """`via`: which listener asks; `on_change` is told of each change once it is over."""

    def __init__(self, trail: Trail, *, via: str, on_change: OnChange) -> None:
        self._trail = trail
        self._via = via
        self._on_change = on_change

    async def answer(
        self, operation: Operation, asked: Asked[Query], *, address: str, request_id: str
    ) -> Answer:
        """What the operation answers. Nothing is done that could not be noted."""
        if not operation.changes:
            return await operation.handler(asked)
        change = replace(
            _begun(operation, asked), via=self._via, address=address, request_id=request_id
        )
        number = await self._trail.begin(change)
        outcome = FAILED
        try:
            answer = await operation.handler(asked)
            change, outcome = _with(answer, change), DONE
        except GatewayError as error:
            outcome = error.code
            raise
        finally:
            change = replace(change, outcome=outcome)
            self._on_change(change)
            # What cannot be completed now stays `unfinished`; the log has it.
            with suppress(GatewayError):
                await self._trail.end(number, change)
        return answer


def _begun(operation: Operation, asked: Asked[Query]) -> Change:
    details = asked.body.model_dump(exclude_unset=True) if asked.body is not None else {}
    subject = " ".join(value for name, value in asked.segments.items() if name != "account_id")
    return Change(
        action=operation.name,
        actor=_actor(asked),
        via="",
        address="",
        account_id=asked.segments.get("account_id")
        or _text(details, "id" if operation.path == "/accounts" else "account_id")
        or (asked.caller.account.account_id if asked.caller else ""),
        subject=subject or _text(details, "id"),
        details=details if len(orjson.dumps(details)) <= DETAILS_BYTES_MAX else {"too_long": True},
    )


def _actor(asked: Asked[Query]) -> str:
    if asked.service is not None:
        return f"service:{asked.service.service_id}"
    return f"key:{asked.caller.key.key_id}" if asked.caller is not None else ""


def _with(answer: Answer, change: Change) -> Change:
    """What was made has a name now."""
    if not isinstance(answer, Reply):
        return change
    made = answer.model_dump(include={"id", "account_id"})
    return replace(
        change,
        account_id=change.account_id or _text(made, "account_id"),
        subject=change.subject or _text(made, "id"),
    )


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
