"""A real Prometheus scrapes a running gateway of two workers, with the files that we ship."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from support.gateways import gateway_pair
from support.prometheus import Prometheus, running_prometheus
from support.redis_server import Server

from gateway.telemetry.families import FAMILIES
from gateway.telemetry.family import Kind

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = orjson.loads((DEPLOY / "grafana" / "tollkeeper.json").read_text())
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())
RECORDS = {
    rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule
}
CALLS = 6


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in board["panels"]:
        yield panel
        yield from panels(panel) if "panels" in panel else ()


def expressions() -> list[str]:
    """What Grafana would ask, its variables replaced as it replaces them."""
    asked = [target["expr"] for panel in panels(DASHBOARD) for target in panel.get("targets", ())]
    return [each.replace("$__rate_interval", "1m").replace("$job", "tollkeeper") for each in asked]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server("redis").start()
    yield server
    server.stop()


async def test_a_running_gateway_is_scraped_and_what_we_ship_is_answered(server, tmp_path) -> None:
    """One scrape serves all questions: starting a gateway and a Prometheus takes seconds."""
    async with (
        gateway_pair(tmp_path, server.url, workers=2) as pair,
        running_prometheus(tmp_path / "prometheus", pair.process.admin_port) as prometheus,
    ):
        for _ in range(CALLS):
            assert 200 == await pair.client.status("")
        await prometheus.becomes("sum(tollkeeper_calls_total)", CALLS)
        await prometheus.becomes("tollkeeper_workers", 2)

        await every_metric_is_known_by_its_kind(prometheus)
        await every_rule_is_healthy(prometheus)
        await no_alert_of_ours_is_raised(prometheus)
        for expression in expressions():
            await prometheus.query(expression)
        await the_target_is_as_it_should_be(prometheus)


async def every_metric_is_known_by_its_kind(prometheus: Prometheus) -> None:
    told = await prometheus.api("metadata")
    kinds = {name: entries[0]["type"] for name, entries in told.items()}
    # A scraper that speaks OpenMetrics hears of a counter without `_total`.
    names = {f.name.removesuffix("_total") if f.kind is Kind.COUNTER else f.name for f in FAMILIES}
    ours = {name.removesuffix("_total") for name in kinds if name.startswith("tollkeeper_")}

    # Sparse families have no series yet, and are described all the same.
    assert names == ours
    for family in FAMILIES:
        name = family.name if family.name in kinds else family.name.removesuffix("_total")
        assert family.kind == kinds[name]


async def every_rule_is_healthy(prometheus: Prometheus) -> None:
    groups = (await prometheus.api("rules"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]

    assert [] == [rule for rule in rules if rule.get("lastError")]
    assert len(RULES["groups"]) == len(groups)


async def no_alert_of_ours_is_raised(prometheus: Prometheus) -> None:
    alerts = (await prometheus.api("alerts"))["alerts"]

    assert [] == [each["labels"]["alertname"] for each in alerts if each["state"] == "firing"]


async def the_target_is_as_it_should_be(prometheus: Prometheus) -> None:
    [target] = (await prometheus.api("targets"))["activeTargets"]

    assert ("up", "") == (target["health"], target["lastError"])


def test_the_dashboard_names_metrics_that_exist() -> None:
    suffixes = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}
    known = {
        f"{family.name}{suffix}"
        for family in FAMILIES
        for suffix in suffixes.get(family.kind, ("",))
    }
    named = set(re.findall(r"[\w:]*tollkeeper_\w+(?::\w+)*", " ".join(expressions())))

    assert [] == sorted(named - known - RECORDS)
    assert len(named) > 20


def test_the_dashboard_is_one_that_grafana_provisions() -> None:
    ids = [panel["id"] for panel in panels(DASHBOARD)]
    provider = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "dashboards.yaml").read_text())
    source = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "datasource.yaml").read_text())
    [named] = [each for each in DASHBOARD["templating"]["list"] if each["type"] == "datasource"]

    assert len(ids) == len(set(ids))
    assert "tollkeeper" == DASHBOARD["uid"]
    assert "prometheus" == source["datasources"][0]["type"] == named["query"]
    assert provider["providers"][0]["options"]["path"].startswith("/var/lib/grafana/")
    for panel in panels(DASHBOARD):
        assert panel["title"]
        assert 24 >= panel["gridPos"]["x"] + panel["gridPos"]["w"]
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["targets"]
            assert {"type": "prometheus", "uid": "${datasource}"} == panel["datasource"]
