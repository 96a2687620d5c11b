"""The listener of operators closes at once, whoever is connected to it."""

import asyncio
import socket

import pytest
import uvloop
from aiohttp import web
from support.loops import beats

from gateway.app.operators import OperatorsListener


async def closed_after(turns: int) -> int:
    """Tenths of a second that it takes, somebody having connected so many turns before."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(0)
        operators = OperatorsListener(web.Application(), on_fault=lambda *_: None)
        await operators.open(listening)
        with socket.create_connection(listening.getsockname()):
            for _ in range(turns):
                await asyncio.sleep(0)
            async with beats(0.1) as counted:
                await operators.close()
    return counted()


@pytest.mark.parametrize("turns", range(6))
def test_who_connects_at_the_last_moment_and_says_nothing_is_not_waited_for(turns: int) -> None:
    """However far the loop, the one that workers have, has got with taking them in."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(closed_after(turns)) <= 10
