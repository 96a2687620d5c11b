"""What several flows share."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Page
from support.browser import window


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def page() -> AsyncIterator[Page]:
    """One window of a browser for all of a module."""
    async with window() as page:
        yield page
