"""Debian's Chromium, driven as a person would: signed in to a dashboard, looked at by axe."""

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.async_api import Browser, Page, async_playwright, expect

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
# A machine busy with other tests draws slowly.
PATIENCE_MS = 30_000
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
VIEWS = (
    *("", "/running", "/usage", "/models", "/keys", "/requests", "/statement", "/prices"),
    "/limits",
)
OPERATOR_VIEWS = (
    *(
        "",
        "/money",
        "/accuracy",
        "/calls",
        "/holds",
        "/sinks",
        "/accounts",
        "/integrity",
        "/keys",
        "/audit",
    ),
)
LOOKED_AT = "main#view:not([aria-busy], :has([aria-busy])) h1"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    path = shutil.which("chromium")
    assert path, "apt-get install chromium"
    # Its sandbox does not work for root, whom nobody else's page can reach here.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=options)
        try:
            yield browser
        finally:
            await browser.close()


class Visitor:
    """One person at one dashboard, with what the page complained of."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._said)

    def _said(self, message: Any) -> None:
        # A refused request is no fault of the page.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    async def sign_in(self, key: str) -> None:
        await self.page.goto(f"{self.origin}/dashboard")
        await self.page.get_by_label("Key").fill(key)
        await self.page.get_by_role("button", name="Sign in").click()

    async def look(self, view: str) -> None:
        await self.page.goto(f"{self.origin}/dashboard{view}")
        await self.seen()

    async def seen(self) -> None:
        await self.page.wait_for_selector(LOOKED_AT)

    async def number(self, selector: str) -> float:
        return float((await self.page.inner_text(selector)).replace(",", ""))

    async def faults(self, within: str = "html") -> list[str]:
        """What axe finds wrong with the page as it is."""
        await self.page.evaluate(AXE)
        found = await self.page.evaluate("within => axe.run(within)", within)
        return [
            f"{each['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    async def faults_of_dialogs(self, buttons: Sequence[str], picture: Path) -> list[str]:
        """Each button opens a dialog, and the next is in it; what must be filled in is. A picture
        of each; the last is not gone through with."""
        faults, place, title = [], self.page.locator("body"), ""
        for number, button in enumerate(buttons):
            await place.get_by_role("button", name=button, exact=True).first.click()
            place = self.page.locator("dialog")
            if number:
                await expect(place.locator("h2")).not_to_have_text(title)
            title = await place.locator("h2").inner_text()
            for field in await place.locator("input[required]").all():
                await field.fill("25")
            faults += [f"{title}: {each}" for each in await self.faults("dialog")]
            cut = "(dialog => dialog.scrollWidth - dialog.clientWidth)"
            assert await self.page.evaluate(f"{cut}(document.querySelector('dialog'))") <= 0, button
            named = f"-{button.lower().replace(' ', '-')}" + (f"-{number}" if number else "")
            await self.page.screenshot(path=picture.with_stem(picture.stem + named))
        while await self.page.locator("dialog").count():
            await self.page.keyboard.press("Escape")
        await self.seen()
        return faults


@asynccontextmanager
async def visitor(
    browser: Browser, origin: str, *, size: str = "desktop", scheme: Any = "light"
) -> AsyncIterator[Visitor]:
    context = await browser.new_context(
        viewport=SIZES[size],  # type: ignore[arg-type]
        color_scheme=scheme,
        device_scale_factor=2,
        reduced_motion="reduce",
        accept_downloads=True,
    )
    try:
        yield Visitor(await context.new_page(), origin)
    finally:
        await context.close()
