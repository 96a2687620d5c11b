"""Both event loops the gateway runs on, for tests of what sits directly on them."""

import asyncio

import pytest
import uvloop

EVENT_LOOPS = [
    pytest.param(asyncio.DefaultEventLoopPolicy(), id="asyncio"),
    pytest.param(uvloop.EventLoopPolicy(), id="uvloop"),
]
"""Parameters for a fixture named `event_loop_policy`."""
