"""Serves the declared operations: finds, authenticates, reads, asks, answers.

In that order for each request, so that a stranger learns nothing but 401, and nothing is read of a
body nobody may send. Knows the operations by their declaration only.
"""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Protocol
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from gateway.api import problems
from gateway.api.entrance import Entrance
from gateway.api.operation import Answer, Asked, EventStream, Headed, Operation, Text
from gateway.api.reading import read_body, read_query
from gateway.api.recording import Recorder
from gateway.api.shapes import Query, Reply, Tagged
from gateway.api.streaming import streamed
from gateway.errors import (
    BadCall,
    BodyTooLarge,
    Conflict,
    GatewayError,
    NotFound,
    Unprocessable,
)
from gateway.stores.replaying import InFlight, Other, Replay, Replays

REQUEST_ID_BITS = 96
BODY_BYTES_MAX = 1024 * 1024
BODY_TIMEOUT_S = 30.0
# An operation asks the store and answers; whatever takes longer is stuck.
ANSWER_TIMEOUT_S = 30.0
IDEMPOTENCY_KEY_CHARS_MAX = 255
HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}


class ErrorResponse(Protocol):
    """An error as a response."""

    def __call__(self, error: GatewayError, *, request_id: str) -> web.Response: ...


class Dispatcher:
    def __init__(
        self,
        operations: Sequence[Operation],
        *,
        root: str,
        entrance: Entrance,
        replays: Replays,
        recorder: Recorder,
        on_fault: Callable[[str, BaseException], None],
        told: ErrorResponse = problems.response,
    ) -> None:
        """`root` stands before every operation's path. `on_fault` is told of bugs; `told` is how
        an error is answered."""
        self._told = told
        self._root = root
        self._exact: dict[tuple[str, str], Operation] = {}
        self._patterns: dict[tuple[str, int], list[tuple[list[str], Operation]]] = {}
        for operation in operations:
            self._add(operation)
        self._entrance = entrance
        self._replays = replays
        self._recorder = recorder
        self._on_fault = on_fault
        # An id must be unique, not secret. Seeded here, in the worker, not before it is forked.
        self._draw = Random(os.urandom(32)).getrandbits  # noqa: S311  see above

    def _add(self, operation: Operation) -> None:
        path = self._root + operation.path
        if "{" not in path:
            self._exact[operation.method, path] = operation
        else:
            segments = path.split("/")
            self._patterns.setdefault((operation.method, len(segments)), []).append(
                (segments, operation)
            )

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        request_id = f"req_{self._draw(REQUEST_ID_BITS):024x}"
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answered = await self._answered(request, request_id)
            if isinstance(answered, EventStream):
                return await streamed(answered, request, request_id=request_id)
            response = answered
        except GatewayError as error:
            response = self._told(error, request_id=request_id)
        except Exception as fault:  # noqa: BLE001  the edge: whatever happened, the client gets an answer
            self._on_fault("api", fault)
            failed = GatewayError("Something failed inside the gateway; it was logged.")
            response = self._told(failed, request_id=request_id)
        response.headers["x-tollkeeper-request-id"] = request_id
        return response

    async def _answered(
        self, request: web.BaseRequest, request_id: str
    ) -> web.Response | EventStream:
        path, _, query_string = request.raw_path.partition("?")
        operation, segments = self._find(request.method, path)
        query = _parameters(query_string)
        who = await self._entrance.who(operation, request, query)
        query.pop("key", None)
        body = await _body(request)
        asked: Asked[Query] = Asked(
            query=read_query(operation.query, query),
            segments=segments,
            body=None
            if operation.raw
            else read_body(
                operation.shapes,
                body,
                content_type=request.content_type,
                required=operation.body_required,
            ),
            content=body,
            headers=request.headers,
            address=request.remote or "",
            caller=who.caller,
            session=who.session,
            service=who.service,
            idempotency_key=_idempotency_key(operation, request),
            if_match=_if_match(operation, request),
            last_event_id=request.headers.get("Last-Event-ID", ""),
        )
        do = partial(
            self._recorder.answer,
            operation,
            asked,
            address=request.remote or "",
            request_id=request_id,
        )
        if operation.idempotent:
            fingerprint = _fingerprint(request, body)
            return await self._once(operation, asked, do, fingerprint=fingerprint)
        answer = await do()
        return answer if isinstance(answer, EventStream) else respond(operation, answer)

    async def _once(
        self,
        operation: Operation,
        asked: Asked[Query],
        do: Callable[[], Awaitable[Answer]],
        *,
        fingerprint: str,
    ) -> web.Response:
        """The same key and request are answered alike, and done once."""
        owner = asked.service.service_id if asked.service else f"key {asked.holder.key.key_id}"
        key = asked.idempotency_key
        known = await self._replays.begin(owner, key, fingerprint)
        if known is not None:
            return _known(known)
        try:
            answer = await do()
            assert not isinstance(answer, EventStream), "what goes on cannot be done once"
            response = respond(operation, answer)
        except BaseException:
            await self._replays.forget(owner, key)
            raise
        told = response.body if isinstance(response.body, bytes) else b""
        await self._replays.finish(owner, key, fingerprint, status=response.status, body=told)
        return response

    def _find(self, method: str, path: str) -> tuple[Operation, Mapping[str, str]]:
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact, {}
        asked = path.split("/")
        for segments, operation in self._patterns.get((method, len(asked)), ()):
            named = _named(segments, asked)
            if named is not None:
                return operation, named
        raise NotFound(
            f"There is no {method} {path[:200]} in the Metering API. "
            f"{self._root}/openapi.json lists what there is."
        )


def respond(operation: Operation, answer: Reply | Text | Headed | None) -> web.Response:
    if isinstance(answer, Headed):
        response = respond(operation, answer.answer)
        response.headers.update(answer.headers)
        return response
    if answer is None:
        return web.Response(status=204)
    if isinstance(answer, Text):
        headers = {"Cache-Control": "no-store", **answer.headers}
        headers["Content-Type"] = answer.content_type
        return web.Response(status=operation.status, headers=headers, body=answer.body)
    tag = {"ETag": f'"{answer.etag}"'} if isinstance(answer, Tagged) else {}
    return web.Response(
        status=operation.status,
        headers={**HEADERS, **tag},
        # A line of its own in a terminal.
        body=orjson.dumps(
            answer.model_dump(exclude_none=answer.leaves_out_null),
            option=orjson.OPT_APPEND_NEWLINE,
        ),
    )


def _parameters(query_string: str) -> dict[str, str]:
    """One that is repeated (`group_by=model&group_by=dialect`, `group_by[]=…`) is a list, which
    is written with commas."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(query_string, keep_blank_values=True):
        plain = name.removesuffix("[]")
        query[plain] = f"{query[plain]},{value}" if plain in query else value
    return query


def _named(segments: Sequence[str], asked: Sequence[str]) -> Mapping[str, str] | None:
    named: dict[str, str] = {}
    for pattern, segment in zip(segments, asked, strict=True):
        if pattern.startswith("{"):
            if not segment or "%" in segment:
                return None
            named[pattern[1:-1]] = segment
        elif pattern != segment:
            return None
    return named


def _known(known: Replay | InFlight | Other) -> web.Response:
    match known:
        case Replay(status=status, body=body):
            headers = {**HEADERS, "Idempotent-Replayed": "true"}
            return web.Response(status=status, headers=headers, body=body)
        case InFlight():
            raise Conflict(
                "The same request is still running. Ask again shortly.",
                code="idempotency_in_flight",
                retry_after_s=1,
            )
        case Other():
            raise Unprocessable(
                "This Idempotency-Key was used for another request. Use a new one.",
                code="idempotency_key_reused",
            )


def _fingerprint(request: web.BaseRequest, body: bytes) -> str:
    asked = b"%b %b\0" % (request.method.encode(), request.raw_path.encode())
    return hashlib.sha256(asked + body).hexdigest()


def _idempotency_key(operation: Operation, request: web.BaseRequest) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if operation.idempotent and not key:
        raise BadCall(
            "Send an Idempotency-Key header, a name of your own for this request: asked again "
            "under it, the same answer comes and nothing is done twice.",
            code="idempotency_key_missing",
        )
    if len(key) > IDEMPOTENCY_KEY_CHARS_MAX or not key.isprintable():
        raise BadCall(f"Idempotency-Key: at most {IDEMPOTENCY_KEY_CHARS_MAX} printable characters.")
    return key


def _if_match(operation: Operation, request: web.BaseRequest) -> str:
    wanted = request.headers.get("If-Match", "")
    if wanted and not operation.conditional:
        raise BadCall("This operation takes no If-Match.")
    return wanted


async def _body(request: web.BaseRequest) -> bytes:
    length = request.content_length
    if length is not None and length > BODY_BYTES_MAX:
        raise BodyTooLarge(f"At most {BODY_BYTES_MAX} bytes are taken here.")
    parts: list[bytes] = []
    size = 0
    async with asyncio.timeout(BODY_TIMEOUT_S):
        while data := await request.content.readany():
            size += len(data)
            if size > BODY_BYTES_MAX:
                raise BodyTooLarge(f"At most {BODY_BYTES_MAX} bytes are taken here.")
            parts.append(data)
    return b"".join(parts)
