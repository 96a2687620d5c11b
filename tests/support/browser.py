"""Debian's Chromium, driven as a person would: signed in to a dashboard, looked at by axe."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import axe_playwright_python
from playwright.async_api import Page, async_playwright, expect

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
# A machine busy with other tests draws slowly.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
LOOKS: Sequence[tuple[str, Any]] = (
    *(("desktop", "light"), ("desktop", "dark"), ("phone", "light"), ("phone", "dark")),
)
AXE_LOOKS = (LOOKS[0], LOOKS[-1])
"""Between them they have both sizes and both schemes."""
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
# Only what is wrong is told, and only what of it is read.
RUN_AXE = """within => axe.run(within, {resultTypes: ["violations"]}).then(found =>
    found.violations.flatMap(({id, nodes}) => nodes.map(({html, failureSummary}) =>
        `${id}: ${html.slice(0, 160)} ${failureSummary.slice(0, 200)}`)))"""
CUT_OFF = """within => (({scrollWidth, clientWidth}) => Math.max(0, scrollWidth - clientWidth))(
    document.querySelector(within))"""
FOCUSED = """() => {
    const node = document.activeElement, at = node.getBoundingClientRect();
    const {outlineStyle, outlineWidth} = getComputedStyle(node);
    const inside = !document.querySelector("dialog") || node.closest("dialog");
    const drawn = outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
    const shown = at.width && at.bottom > 0 && at.top < innerHeight && at.right > 0
        && at.left < innerWidth;
    const named = node.getAttribute("aria-label") || node.labels?.[0]?.textContent
        || node.textContent;
    return [node.tagName.toLowerCase(), named.trim().slice(0, 80),
        Boolean(node !== document.body && drawn && shown && inside)];
}"""
TABS_MAX = 120

LOOKED_AT = "main#view:not([aria-busy], :has([aria-busy])) h1"


@asynccontextmanager
async def window() -> AsyncIterator[Page]:
    """One for a module: a page that is drawn anew costs a sixth of a browser's first."""
    path = shutil.which("chromium")
    assert path, "apt-get install chromium"
    # Its sandbox does not work for root, whom nobody else's page can reach here.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=options)
        try:
            context = await browser.new_context(reduced_motion="reduce", accept_downloads=True)
            yield await context.new_page()
        finally:
            await browser.close()


class Visitor:
    """One person at one dashboard, with what the page complained of."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.complaints: list[str] = []

    def _failed(self, error: Any) -> None:
        self.complaints.append(str(error))

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

    async def go(self, view: str) -> None:
        """As a link does: without loading the page again."""
        await self.page.evaluate(
            "address => { history.pushState(null, '', address);"
            " dispatchEvent(new PopStateEvent('popstate')); }",
            f"/dashboard{view}",
        )
        await self.seen()

    async def seen(self) -> None:
        await self.page.wait_for_selector(LOOKED_AT)

    async def number(self, selector: str) -> float:
        return float((await self.page.inner_text(selector)).replace(",", ""))

    async def faults(self, within: str = "html") -> list[str]:
        """What axe finds wrong with the page as it is."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE)
        return list(await self.page.evaluate(RUN_AXE, within))

    async def cut_off(self, within: str = "html") -> int:
        """Pixels that stand out sideways."""
        return int(await self.page.evaluate(CUT_OFF, within))

    async def looked_at(self, picture: Path, within: str = "html") -> list[str]:
        """What is wrong with it, and a picture: of a view in all looks, of a dialog in two."""
        faults = []
        for size, scheme in LOOKS if within == "html" else AXE_LOOKS:
            await self.page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]
            await self.page.emulate_media(color_scheme=scheme)
            if (size, scheme) in AXE_LOOKS:
                faults += await self.faults(within)
            if cut := await self.cut_off(within):
                faults.append(f"{cut} pixels are cut off: {size}")
            named = picture.with_stem(f"{picture.stem}-{size}-{scheme}")
            await self.page.screenshot(path=named, full_page=within == "html")
        return [f"{picture.stem}: {fault}" for fault in faults]

    async def dialogs_looked_at(self, buttons: Sequence[str], picture: Path) -> list[str]:
        """Each button opens a dialog, and the next is in it; what must be filled in is. The last is
        not gone through with."""
        faults, place, title = [], self.page.locator("body"), ""
        for button in buttons:
            await place.get_by_role("button", name=button, exact=True).first.click()
            place = self.page.locator("dialog")
            if title:
                await expect(place.locator("h2")).not_to_have_text(title)
            title = await place.locator("h2").inner_text()
            for field in await place.locator("input[required]").all():
                await field.fill("25")
            named = f"{picture.stem}-{button.lower().replace(' ', '-')}"
            faults += await self.looked_at(picture.with_stem(named), "dialog")
        while await self.page.locator("dialog").count():
            await self.page.keyboard.press("Escape")
        await self.seen()
        return faults

    async def press(self, *keys: str) -> str:
        """One after the other; then the name of what has the focus, which must be seen to have it,
        and is within the dialog if there is one."""
        for key in keys:
            await self.page.keyboard.press(key)
        tag, name, seen = await self.page.evaluate(FOCUSED)
        assert seen, f"after {keys} the focus is at {tag} {name!r}, where nobody sees it"
        return str(name)

    async def tab_to(self, name: str, *, back: bool = False) -> None:
        """By the keyboard; each stop on the way is seen as well."""
        key = "Shift+Tab" if back else "Tab"
        passed = []
        for _ in range(TABS_MAX):
            passed.append(await self.press(key))
            if passed[-1] == name:
                return
        raise AssertionError(f"{key} never came to {name!r}, but to {passed}")

    async def rests_at(self, name: str, tag: str = "") -> None:
        """The focus comes to it, once what was asked for is there."""
        for _ in range(PATIENCE_MS // 50):
            at, now, seen = await self.page.evaluate(FOCUSED)
            if (now, seen) == (name, True) and tag in ("", at):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"the focus is at {at} {now!r} ({seen}), not at {name!r}")

    async def __aenter__(self) -> Self:
        """Known to nobody yet, at a desktop in the light."""
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("pageerror", self._failed)
        self.page.on("console", self._said)
        await self.page.set_viewport_size(SIZES["desktop"])  # type: ignore[arg-type]
        await self.page.emulate_media(color_scheme="light")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.page.remove_listener("pageerror", self._failed)
        self.page.remove_listener("console", self._said)
        await self.page.unroute_all()
        await self.page.context.set_offline(offline=False)
        await self.page.context.clear_cookies()
        await self.page.goto("about:blank")
