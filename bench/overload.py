"""Twice as many calls as a gateway can serve: does its event loop keep up, and whom does it serve?

    python -m bench.overload [--seconds 60]

First the load driver finds how many calls a second one worker serves at the most. Then callers who
do not wait for each other send as many, and within ten seconds twice as many, with one account's
key, and a few with another's. At the end: how late the event loop was, by /metrics, what each
account was answered, and how long that took. 1 when 99 of 100 looks found the loop more than 100 ms
late, a call was lost, the quiet account was refused any, or the audit finds the books wrong.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from bench.machine import (
    description,
    free_port,
    on_gateway_core,
    pin_harness,
    raise_open_files,
    running,
)
from bench.native import compile_c, drive
from bench.scenarios import SCENARIOS, Size
from bench.site import Page, Served, serving
from bench.storm import Caller, storm

NOISY, QUIET = "noisy", "quiet"
TIMES = 2
QUIET_PER_SECOND = 5
UNDER_WAY_MAX = 6_000
OPEN_FILES = 16_384
PATIENCE_S = 30
LAG = "tollkeeper_event_loop_lag_seconds"
LAG_AIM_S = 0.1
# The closed load that saturates a worker, and how long it is driven.
CONNECTIONS, EACH = 64, 50


def main() -> int:
    """0: all held; 1: not."""
    options = _options()
    raise_open_files(OPEN_FILES)
    pin_harness()
    with TemporaryDirectory(prefix="overload-") as name:
        folder, port = Path(name), free_port()
        driver, upstream = (compile_c(program, folder) for program in ("load", "upstream"))
        command = [str(upstream), str(port)]
        with (
            running(command, log=folder / "upstream.log", port=port),
            serving(
                folder,
                upstream_port=port,
                accounts=(NOISY, QUIET),
                calls_max=options.calls_max,
                prefix=on_gateway_core([]),
            ) as served,
        ):
            body = folder / "body.json"
            body.write_bytes(next(s for s in SCENARIOS if s.name == "json").body(Size.FULL))
            most = _most(driver, served, body)
            print(f"one worker serves {most:,.0f} calls/s at the most", flush=True)
            before = served.page()
            callers = _callers(served, body.read_bytes(), per_second=TIMES * most)
            after = uvloop.run(_overload(callers, served, seconds=options.seconds))
            faults = served.audit()
    faults += _tell(before, after, callers, seconds=options.seconds)
    print("", *(f"FAULT   {fault}" for fault in faults), sep="\n")
    return 1 if faults else 0


async def _overload(callers: Sequence[Caller], served: Served, *, seconds: float) -> Page:
    lines = await storm(callers, port=served.port, seconds=seconds, patience_s=PATIENCE_S)
    # Thousands of connections that end in one moment are another matter.
    page = await asyncio.to_thread(served.page)
    assert lines, "they are open until here"
    return page


def _most(driver: Path, served: Served, body: Path) -> float:
    """The best of three runs: the first warms up."""
    runs = [
        drive(
            driver,
            port=served.port,
            key=served.keys[NOISY],
            body=body,
            stream=False,
            connections=CONNECTIONS,
            each=EACH,
        )
        for _ in range(3)
    ]
    if any(run.failed for run in runs):
        raise SystemExit(f"not all calls were served: {runs[-1].complaint}")
    return max(run.per_second for run in runs)


def _callers(served: Served, body: bytes, *, per_second: float) -> list[Caller]:
    return [
        Caller(
            name=account,
            request=_request(served.keys[account], body),
            per_second=rate,
            under_way_max=UNDER_WAY_MAX,
        )
        for account, rate in ((NOISY, per_second), (QUIET, QUIET_PER_SECOND))
    ]


def _request(key: str, body: bytes) -> bytes:
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json"
        f"\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _tell(before: Page, after: Page, callers: list[Caller], *, seconds: float) -> list[str]:
    reached = _reached(before, after)
    half_s, lag_s, looks = _lag_s(reached, 0.5), _lag_s(reached, 0.99), _looks(reached)
    late = f"half of all looks at most {half_s * 1000:g} ms, 99 of 100 at most {lag_s * 1000:g} ms"
    print(f"\n{description()}\n\nevent loop late, {late}")
    print(f"no later than {LAG_AIM_S * 1000:g} ms at {reached[LAG_AIM_S]} of {looks} looks")
    for caller in callers:
        print(f"\n{caller.name}: {caller.per_second:,.0f} calls/s for {seconds:g} s")
        for end, count in sorted(caller.ends.items()):
            times = caller.latencies_s.get(end) or [0.0, 0.0]
            p50, p99 = (_quantile(times, percent) * 1000 for percent in (50, 99))
            print(f"  {end:12}{count:9,}   p50 {p50:8,.1f} ms   p99 {p99:8,.1f} ms")
    _, quiet = callers
    lost = sum(caller.ends["broken"] + caller.under_way for caller in callers)
    return [
        *([f"the event loop was more than {LAG_AIM_S:g} s late"] if lag_s > LAG_AIM_S else []),
        *([f"{lost} calls were not answered"] if lost else []),
        *(["calls of the quiet account were refused"] if set(quiet.ends) - {"200"} else []),
    ]


def _quantile(times: list[float], percent: int) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]


def _lag_s(reached: dict[float, int], part: float) -> float:
    """The upper bound of the bucket that so many of all looks fall into."""
    return min(bound for bound, count in reached.items() if count >= part * _looks(reached))


def _looks(reached: dict[float, int]) -> int:
    return max(reached.values())


def _reached(before: Page, after: Page) -> dict[float, int]:
    """By bound, the looks at which the loop was no later than that."""
    earlier = before.buckets(LAG)
    return {bound: count - earlier[bound] for bound, count in after.buckets(LAG).items()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--calls-max", type=int, default=4096, help="listen.calls_max")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
