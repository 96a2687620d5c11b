"""From samples to tables and verdicts. Ratios are the message: each is taken within one round,
where both sides met the same machine, and the median over the rounds is shown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from measure import Sample

# samples[target][scenario] = one per round, in the order of the rounds
Samples = Mapping[str, Mapping[str, Sequence[Sample]]]
Reading = Callable[[Sample], float | None]

BASE = "nginx"
PEER = "aiohttp"
OURS = "tollkeeper"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target figure of the product. `value` None: this run could not tell."""

    claim: str
    ceiling: float
    value: float | None

    @property
    def holds(self) -> bool | None:
        return None if self.value is None else self.value <= self.ceiling


def cpu_us(sample: Sample) -> float | None:
    return sample.cpu_us


def alone_p50_us(sample: Sample) -> float:
    return sample.driven.total_us.p50


def kb_per_stream(sample: Sample) -> float:
    return sample.kb_per_stream


def verdicts(samples: Samples) -> list[Verdict]:
    """The targets of the product, each as the median over the rounds."""
    return [
        Verdict("JSON 1 KB: CPU, times nginx", 2.5, ratio(samples, OURS, BASE, "json")),
        Verdict("SSE-100 burst: CPU, times nginx", 1.3, ratio(samples, OURS, BASE, "sse")),
        Verdict("paced event: CPU, times nginx", 1.1, ratio(samples, OURS, BASE, "paced200")),
        Verdict("open stream: KB", 25.0, middle(samples, OURS, "open1000", kb_per_stream)),
        Verdict("1 connection: added p50 over nginx, ms", 0.3, added_ms(samples, OURS, BASE)),
        Verdict("1 connection: added p50 over direct, ms", 0.3, added_ms(samples, OURS, "direct")),
    ]


def values(samples: Samples, target: str, scenario: str, read: Reading) -> list[float]:
    found = map(read, samples.get(target, {}).get(scenario, ()))
    return [value for value in found if value is not None]


def middle(samples: Samples, target: str, scenario: str, read: Reading) -> float | None:
    found = values(samples, target, scenario, read)
    return median(found) if found else None


def ratio(samples: Samples, target: str, base: str, scenario: str) -> float | None:
    """Median over rounds of CPU per unit against the base's in the same round."""
    ours, theirs = (values(samples, name, scenario, cpu_us) for name in (target, base))
    pairs = [mine / other for mine, other in zip(ours, theirs, strict=False) if other]
    return median(pairs) if pairs else None


def added_ms(samples: Samples, target: str, base: str) -> float | None:
    ours, theirs = (values(samples, name, "json_alone", alone_p50_us) for name in (target, base))
    pairs = [(mine - other) / 1000 for mine, other in zip(ours, theirs, strict=False)]
    return median(pairs) if pairs else None


def tables(samples: Samples) -> str:
    proxies = [name for name in samples if name != "direct"]
    return "\n\n".join(
        [
            "CPU of the proxy, median (min..max) over rounds",
            _cpu_table(samples, proxies),
            "Multiples of CPU, and what was delivered",
            _multiples_table(samples, proxies),
            "Latency, microseconds, p50 / p99 (a first request includes its connection)",
            _latency_table(samples, list(samples)),
            "Memory, the process tree",
            _memory_table(samples, proxies),
        ]
    )


def verdict_lines(found: Iterable[Verdict]) -> str:
    words = {True: "holds ", False: "MISSED", None: "unknown"}
    return "\n".join(
        f"{words[verdict.holds]}  {verdict.claim} <= {verdict.ceiling:g}: {_plain(verdict.value)}"
        for verdict in found
    )


def as_data(samples: Samples, found: Iterable[Verdict]) -> dict[str, object]:
    return {
        "samples": {
            target: {name: [asdict(sample) for sample in runs] for name, runs in scenarios.items()}
            for target, scenarios in samples.items()
        },
        "verdicts": [asdict(verdict) | {"holds": verdict.holds} for verdict in found],
    }


def _cpu_table(samples: Samples, proxies: Sequence[str]) -> str:
    columns = {
        "json": "us / JSON 1 KB",
        "sse": "us / SSE-100 burst",
        "sse_hidden": "us / SSE-100, usage not asked for",
        "paced200": "us / paced event, 200",
        "paced1000": "us / paced event, 1000",
    }
    rows = [
        [name, *(_spread(values(samples, name, column, cpu_us)) for column in columns)]
        for name in proxies
    ]
    helped = [
        name for name in proxies if values(samples, name, "json", lambda run: run.helper_cpu_us)
    ]
    rows += [
        [
            f"redis beside {name}",
            *(
                _spread(values(samples, name, column, lambda run: run.helper_cpu_us))
                for column in columns
            ),
        ]
        for name in helped
    ]
    return _table(["", *columns.values()], rows)


def _multiples_table(samples: Samples, proxies: Sequence[str]) -> str:
    columns = ("json", "sse", "paced200")
    heads = [f"{column} x {base}" for base in (BASE, PEER) for column in columns]
    rows = [
        [
            name,
            *(
                _plain(ratio(samples, name, base, column))
                for base in (BASE, PEER)
                for column in columns
            ),
            *(
                f"{middle(samples, name, column, lambda run: run.driven.per_second) or 0:,.0f}"
                for column in ("json", "sse")
            ),
        ]
        for name in proxies
    ]
    return _table(["", *heads, "JSON / s", "SSE-100 / s"], rows)


def _latency_table(samples: Samples, targets: Sequence[str]) -> str:
    rows = [
        [
            name,
            _pair(samples, name, "json_alone", "total_us"),
            _plain(added_ms(samples, name, BASE)),
            _plain(added_ms(samples, name, "direct")),
            _pair(samples, name, "paced200", "event_delay_us"),
            _pair(samples, name, "open1000", "first_byte_us"),
            _pair(samples, name, "paced1000", "first_byte_us"),
        ]
        for name in targets
    ]
    heads = [
        "",
        "JSON, 1 connection",
        "added p50 over nginx, ms",
        "over direct, ms",
        "event, 200 streams",
        "first byte, 1000 open",
        "first byte, 1000 at 20 ms",
    ]
    return _table(heads, rows)


def _memory_table(samples: Samples, proxies: Sequence[str]) -> str:
    rows = [
        [
            name,
            _plain(_rss_before_mb(samples, name)),
            _plain(middle(samples, name, "open1000", lambda run: run.rss_peak_kb / 1024)),
            f"{middle(samples, name, 'open1000', lambda run: run.driven.open_max) or 0:.0f}",
            _plain(middle(samples, name, "open1000", kb_per_stream)),
        ]
        for name in proxies
    ]
    return _table(["", "MB before", "MB at the peak", "open at once", "KB per stream"], rows)


def _rss_before_mb(samples: Samples, target: str) -> float | None:
    first = next(iter(samples.get(target, {})), "")
    return middle(samples, target, first, lambda run: run.rss_before_kb / 1024)


def _pair(samples: Samples, target: str, scenario: str, series: str) -> str:
    p50 = middle(samples, target, scenario, lambda run: getattr(run.driven, series).p50)
    p99 = middle(samples, target, scenario, lambda run: getattr(run.driven, series).p99)
    return "-" if p50 is None or p99 is None else f"{p50:,.0f} / {p99:,.0f}"


def _spread(found: Sequence[float]) -> str:
    return f"{median(found):.1f} ({min(found):.1f}..{max(found):.1f})" if found else "-"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    return "\n".join([line(heads), line(["-" * width for width in widths]), *map(line, rows)])
