"""How long the dashboard's first view takes in a browser, before a history of ten million calls.

    python -m bench.first_view [--records 10000000] [--rounds 7] [--folder build/first-view]

One account has a million of them. A person who is signed in goes to the overview: with a browser
that has nothing of it (cold), and with one that was there before (warm). Told is the time from
going there until the balance is drawn, and until all of the view is. A folder that was filled
within a day is asked again. Chromium and Playwright must be there.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, async_playwright

from bench.history import FILE, LARGE, fill, filled
from bench.machine import description, free_port
from bench.site import Served, serving
from gateway.stores.history.history import SqlHistory
from gateway.stores.history.sqlite import SqliteEngine

KEPT_S = 86_400
# What was changed in one frame is on the screen in the one after the next, at the latest.
WATCH = """
  const there = {
    balance: () => document.querySelector("#available"),
    all: () => document.querySelector("#available") && !document.querySelector("[aria-busy]"),
  };
  const drawn = {};
  window.drawn = new Promise((seen) => new MutationObserver(() => {
    for (const [name, is] of Object.entries(there)) {
      if (name in drawn || !is()) continue;
      drawn[name] = 0;
      requestAnimationFrame(() => requestAnimationFrame(() => {
        drawn[name] = performance.now();
        if (drawn.balance && drawn.all) seen(drawn);
      }));
    }
  }).observe(document, {childList: true, subtree: true, attributes: true}));
"""
FETCHED = "performance.getEntriesByType('resource').length + 1"


@dataclass(frozen=True, slots=True)
class View:
    balance_ms: float
    all_ms: float
    requests: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=Path("build/first-view"))
    given = parser.parse_args()
    asyncio.run(history_of(given.records, given.folder))
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        data = Path(made) / "data"
        data.mkdir()
        (data / FILE).symlink_to((given.folder / FILE).resolve())
        with serving(Path(made), upstream_port=free_port(), accounts=[LARGE]) as gateway:
            told = asyncio.run(looked(gateway, given.rounds))
    print(f"{description()}\nload {os.getloadavg()[0]:.1f} at the end\n")
    print("| | balance drawn, ms | all of it, ms | requests |\n|---|---|---|---|")
    for name, views in told.items():
        balance, all_of_it = (
            spread([getattr(view, what) for view in views]) for what in ("balance_ms", "all_ms")
        )
        print(f"| {name} | {balance} | {all_of_it} | {views[-1].requests} |")


async def history_of(records: int, folder: Path) -> None:
    path = folder / FILE
    now_s = time.time()  # noqa: TID251 - the month that is looked at ends when one looks
    if path.exists() and now_s - path.stat().st_mtime > KEPT_S:
        shutil.rmtree(folder)
    history = SqlHistory(SqliteEngine(folder))
    await history.open()
    await history.close()
    if filled(path) < records:
        fill(path, records, end_ms=int(now_s * 1000))


async def looked(gateway: Served, rounds: int) -> Mapping[str, list[View]]:
    found: dict[str, list[View]] = {"cold": [], "warm": []}
    async with async_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=options
        )
        for _ in range(rounds):
            cold, warm = await visit(browser, gateway)
            found["cold"].append(cold)
            found["warm"].append(warm)
        await browser.close()
    return found


async def visit(browser: Browser, gateway: Served) -> tuple[View, View]:
    """By a browser that has nothing but the session; then once more."""
    origin = f"http://127.0.0.1:{gateway.port}"
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    await context.add_init_script(WATCH)
    page = await context.new_page()
    await page.goto(f"{origin}/metering/v1/openapi.json")
    status = await page.evaluate(
        "key => fetch('/metering/v1/session', {method: 'POST', body: JSON.stringify({key}),"
        " headers: {'Content-Type': 'application/json'}}).then(answer => answer.status)",
        gateway.keys[LARGE],
    )
    assert status == 201, status
    views = [await view(context, origin) for _ in range(2)]
    await context.close()
    return views[0], views[1]


async def view(context: BrowserContext, origin: str) -> View:
    page = await context.new_page()
    await page.goto(f"{origin}/dashboard")
    drawn = await page.evaluate("drawn")
    requests = await page.evaluate(FETCHED)
    await page.close()
    return View(drawn["balance"], drawn["all"], requests)


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} … {max(values):.0f})"


if __name__ == "__main__":
    main()
