"""The listener of operators closes at once, whoever is connected to it."""

import asyncio
import socket

import pytest
from aiohttp import web
from support.loops import beats, on_every_loop

from gateway.app.operators import OperatorsListener


@pytest.mark.parametrize("turns", range(6))
@on_every_loop
async def test_who_connects_at_the_last_moment_and_says_nothing_is_not_waited_for(
    turns: int,
) -> None:
    """However far the loop has got with taking them in."""
    faults: list[object] = []
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(0)
        operators = OperatorsListener(
            web.Application(), on_fault=lambda *fault: faults.append(fault)
        )
        await operators.open(listening)
        with socket.create_connection(listening.getsockname()):
            for _ in range(turns):
                await asyncio.sleep(0)
            async with beats(0.1) as counted:
                await operators.close()
    assert counted() <= 10
    assert [] == faults
