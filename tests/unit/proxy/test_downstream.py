"""A caller's request, as aiohttp hands it over."""

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp.streams import StreamReader

from gateway.errors import BodyTooLarge, ClientLeft
from gateway.proxy.downstream import ClientRequest


def request(body: bytes) -> tuple[ClientRequest, StreamReader]:
    """One whose body has come to its end."""
    content = StreamReader(Mock(), 2**16, loop=asyncio.get_running_loop())
    content.feed_data(body)
    content.feed_eof()
    given: Any = SimpleNamespace(
        method="POST",
        headers={},
        raw_headers=(),
        remote="127.0.0.1",
        raw_path="/v1/chat/completions",
        content=content,
    )
    return ClientRequest(given, body_timeout_s=1), content


async def test_a_body_that_came_with_its_head_is_read_at_once():
    asked, _ = request(b"{}")

    assert b"{}" == await asked.body(bytes_max=2)


async def test_a_body_over_the_limit_is_refused():
    asked, _ = request(b"{ }")

    with pytest.raises(BodyTooLarge):
        await asked.body(bytes_max=2)


async def test_a_client_that_left_while_its_key_was_looked_up_is_no_fault_of_ours():
    asked, content = request(b"{}")
    content.set_exception(ConnectionResetError("Connection lost"))

    with pytest.raises(ClientLeft):
        await asked.body(bytes_max=2)
