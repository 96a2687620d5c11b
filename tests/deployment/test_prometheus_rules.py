"""The rules, judged and run by Prometheus' own tool: each alert fires when it must."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from gateway.telemetry.families import FAMILIES
from gateway.telemetry.family import Kind

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
METRICS_PAGE = (ROOT / "docs" / "metrics.md").read_text()
RULES = yaml.safe_load((PROMETHEUS / "rules.yaml").read_text())
ALL = [rule for group in RULES["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in ALL if "alert" in rule}
RECORDS = {rule["record"]: rule for rule in ALL if "record" in rule}

HOST = 'job="tollkeeper",instance="a"'
GATEWAY = {"job": "tollkeeper", "instance": "a"}
Alerts = list[dict[str, Any]]
# Samples every 15 s for an hour: `a+bxn` grows by b, n times; `_xn` are missing.
QUIET = "0x240"
AT_ONCE = "0x200 1x40"
SINCE = "_x200 1x40"

# Alert → its series, values that must set it off, values that must not, its labels beside job,
# instance and severity.
CASES: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "TollkeeperUnmeteredCalls": (
        f"tollkeeper_unmetered_calls_total{{{HOST}}}",
        AT_ONCE,
        "7x240",
        {},
    ),
    "TollkeeperUsageNotCounted": (
        f'tollkeeper_usages_total{{{HOST},model="m",provenance="held"}}',
        SINCE,
        "3x600",
        {"model": "m", "provenance": "held"},
    ),
    "TollkeeperUnpricedUse": (
        f'tollkeeper_unpriced_uses_total{{{HOST},unpriced="search"}}',
        SINCE,
        "3x600",
        {"unpriced": "search"},
    ),
    "TollkeeperUsageDisbelieved": (
        f"tollkeeper_usages_disbelieved_total{{{HOST}}}",
        AT_ONCE,
        "7x240",
        {},
    ),
    "TollkeeperHoldsExpired": (
        f"tollkeeper_holds_expired_total{{{HOST}}}",
        AT_ONCE,
        "7x240",
        {},
    ),
    "TollkeeperShardsClosed": (f"tollkeeper_shards_closed{{{HOST}}}", "1x240", "0x240", {}),
    "TollkeeperSettlesRestored": (
        f"tollkeeper_restored_settles_total{{{HOST}}}",
        AT_ONCE,
        "7x240",
        {},
    ),
    "TollkeeperDown": (f"up{{{HOST}}}", "0x240", "1x240", {}),
    "TollkeeperStoreDown": (f"tollkeeper_store_up{{{HOST}}}", "0x240", "1x240", {}),
    "TollkeeperRefusingWithoutCause": (
        f'tollkeeper_refusals_total{{{HOST},reason="internal_error"}}',
        "0+1x240",
        "5x240",
        {"reason": "internal_error"},
    ),
    "TollkeeperSpoolWaiting": (f"tollkeeper_spool_waiting_settles{{{HOST}}}", "3x240", QUIET, {}),
    "TollkeeperHistoryBehind": (
        f"tollkeeper_history_lag_seconds{{{HOST}}}",
        "61x240",
        "59x240",
        {},
    ),
    "TollkeeperEventLoopLag": (
        f'tollkeeper_event_loop_lag_seconds_bucket{{{HOST},le="LE"}}',
        "0.1:0+9x240 0.25:0+10x240 +Inf:0+10x240",
        "0.1:0+10x240 0.25:0+10x240 +Inf:0+10x240",
        {},
    ),
    "TollkeeperProviderErrors": (
        f'tollkeeper_provider_errors_total{{{HOST},provider="p",status="5xx"}}',
        "0+1x240",
        "5x240",
        {"provider": "p"},
    ),
    "TollkeeperLogLinesDropped": (
        f"tollkeeper_log_lines_dropped_total{{{HOST}}}",
        AT_ONCE,
        "7x240",
        {},
    ),
    "TollkeeperExportBehind": (
        f'tollkeeper_export_lag_seconds{{{HOST},sink="s"}}',
        "301x240",
        "299x240",
        {"sink": "s"},
    ),
    "TollkeeperDeadLetters": (
        f'tollkeeper_export_dead_letters{{{HOST},sink="s"}}',
        "1x240",
        QUIET,
        {"sink": "s"},
    ),
    "TollkeeperExportCircuitOpen": (
        f'tollkeeper_export_circuit_open{{{HOST},sink="s"}}',
        "1x240",
        QUIET,
        {"sink": "s"},
    ),
    "TollkeeperPaymentEventsRefused": (
        f'tollkeeper_incoming_events_total{{{HOST},source="stripe",received="refused"}}',
        AT_ONCE,
        "7x240",
        {"source": "stripe", "received": "refused"},
    ),
}
# Sums over gateways do not tell which.
OVER_GATEWAYS = ("TollkeeperRefusingWithoutCause", "TollkeeperProviderErrors")


def promtool(*words: str | Path) -> str:
    tool = shutil.which("promtool")
    assert tool is not None, "these tests need Debian's package `prometheus`"
    ran = subprocess.run([tool, *words], capture_output=True, text=True, check=False)
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    return ran.stdout


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    told = promtool("check", "rules", "--lint=all", "--lint-fatal", PROMETHEUS / "rules.yaml")

    assert f"SUCCESS: {len(ALL)} rules found" in told


def test_promtool_finds_nothing_wrong_with_the_configuration() -> None:
    promtool("check", "config", "--lint=all", "--lint-fatal", PROMETHEUS / "prometheus.yml")


def test_rules_name_metrics_that_exist() -> None:
    known = {family.name for family in FAMILIES if family.kind is not Kind.HISTOGRAM}
    known |= {f"{family.name}_bucket" for family in FAMILIES if family.kind is Kind.HISTOGRAM}
    known |= {"up", *RECORDS}
    text = " ".join(re.sub(r'"[^"]*"', "", rule["expr"]) for rule in ALL)
    named = set(re.findall(r"[\w:]*tollkeeper_\w+(?::\w+)*", text))

    assert [] == sorted(named - known)
    assert named


def test_every_alert_says_how_urgent_it_is_and_what_to_do() -> None:
    for rule in ALERTS.values():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description"} == set(rule["annotations"])


def test_every_alert_is_listed_as_it_is() -> None:
    rows = re.findall(r"^\| `(Tollkeeper\w+)` \| (\w+) \| (.*) \|$", METRICS_PAGE, re.MULTILINE)
    told = {name: (severity, meaning) for name, severity, meaning in rows}

    assert told == {
        name: (rule["labels"]["severity"], rule["annotations"]["summary"])
        for name, rule in ALERTS.items()
    }


def test_every_alert_has_a_case() -> None:
    assert set(ALERTS) == set(CASES)


def series(name: str, values: str) -> list[dict[str, str]]:
    """One series; of a histogram one for each bucket, written `le:values`."""
    if "LE" not in name:
        return [{"series": name, "values": values}]
    buckets = (each.partition(":") for each in values.split())
    return [{"series": name.replace("LE", le), "values": each} for le, _, each in buckets]


def expected(alert: str, labels: dict[str, str]) -> Alerts:
    rule = ALERTS[alert]
    whose = {"job": "tollkeeper"} if alert in OVER_GATEWAYS else GATEWAY
    return [
        {
            "exp_labels": {**whose, **labels, **rule["labels"]},
            "exp_annotations": rule["annotations"],
        }
    ]


def case(
    alert: str, name: str, values: str, alerts: list[dict[str, Any]], at: str
) -> dict[str, Any]:
    return {
        "interval": "15s",
        "input_series": series(name, values),
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": alerts}],
    }


# Hours of evaluations for each alert, four times coarser than the samples: promtool takes its time.
@pytest.mark.timeout(300)
def test_every_alert_fires_when_it_must_and_is_silent_otherwise(tmp_path: Path) -> None:
    """By the tool, which says what it expected and got where they differ."""
    tests = []
    for alert, (name, fires, silent, labels) in CASES.items():
        tests.append(case(alert, name, fires, expected(alert, labels), "58m"))
        # Where a series that appears is news, look after the hour in which it was.
        tests.append(case(alert, name, silent, [], "130m" if fires == SINCE else "58m"))
    path = tmp_path / "tests.yaml"
    rules = str(PROMETHEUS / "rules.yaml")
    path.write_bytes(
        orjson.dumps({"rule_files": [rules], "evaluation_interval": "1m", "tests": tests})
    )

    assert "SUCCESS" in promtool("test", "rules", path)


def test_the_tool_would_tell_an_alert_that_does_not_fire(tmp_path: Path) -> None:
    name, _, silent, labels = CASES["TollkeeperStoreDown"]
    wrong = case(
        "TollkeeperStoreDown", name, silent, expected("TollkeeperStoreDown", labels), "58m"
    )
    path = tmp_path / "tests.yaml"
    rules = [str(PROMETHEUS / "rules.yaml")]
    path.write_bytes(orjson.dumps({"rule_files": rules, "tests": [wrong]}))

    with pytest.raises(AssertionError, match="TollkeeperStoreDown"):
        promtool("test", "rules", path)
