"""What the callers' listener keeps of its connections."""

import asyncio
from unittest.mock import Mock

import pytest

from gateway.app import server
from gateway.app.server import CallsServer
from gateway.proxy.slow_heads import SlowHeads

CALL = b"POST /v1/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: 0\r\n\r\n"


async def test_a_silent_connection_keeps_nothing_of_what_was_said(
    monkeypatch: pytest.MonkeyPatch,
):
    async def call(*_: object) -> bool:
        return True

    calls = CallsServer(
        Mock(call=call),
        slow_heads=SlowHeads(timeout_s=60),
        on_fault=Mock(),
        body_timeout_s=60,
    )
    connection = calls()
    connection.connection_made(Mock(is_closing=lambda: False))
    connection.data_received(CALL)
    calls.sweep()
    assert connection.said is not None
    while connection.serving:
        await asyncio.sleep(0)
    monkeypatch.setattr(server, "SAID_S", 0.0)
    monkeypatch.setattr("gateway.proxy.slow_heads.LOOK_S", 0.0)
    calls.sweep()
    assert connection.said is None
    connection.data_received(CALL)
    assert connection.serving
