"""Counts go on when a reload lays the cells out anew."""

import re

from gateway.telemetry.closed_sets import MetricLabels
from gateway.telemetry.exposition import render
from gateway.telemetry.metrics import Metrics

FIRST = MetricLabels(dialects=("chat",), providers=("a", "b"), models=("m",))
SECOND = MetricLabels(dialects=("chat", "messages"), providers=("b", "c"), models=("l", "m"))


def value(metrics: Metrics, name: str) -> float:
    page = render(metrics, accept="").body.decode()
    found = re.search(rf"^tollkeeper_{re.escape(name)} ([0-9.e+]+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def refuse(metrics: Metrics, times: int) -> None:
    for _ in range(times):
        metrics.refused("draining")


REFUSED = 'refusals_total{reason="draining"}'


def test_what_was_counted_before_is_added_once() -> None:
    first = Metrics.create(FIRST, workers=2)
    refuse(first, 3)
    second = Metrics.create(SECOND, workers=2, earlier=first)
    refuse(second, 4)
    assert 7 == value(second, REFUSED)


def test_workers_that_are_still_leaving_go_on_counting() -> None:
    first = Metrics.create(FIRST, workers=1)
    second = Metrics.create(SECOND, workers=1, earlier=first)
    refuse(first, 2)
    assert 2 == value(second, REFUSED)


def test_many_reloads_keep_every_count() -> None:
    metrics = Metrics.create(FIRST, workers=1)
    for labels in (SECOND, FIRST, SECOND):
        refuse(metrics, 5)
        before, metrics = metrics, Metrics.create(labels, workers=1, earlier=metrics)
        before.forget_earlier()
    assert 15 == value(metrics, REFUSED)


def test_gauges_of_workers_that_left_are_not_shown() -> None:
    first = Metrics.create(FIRST, workers=1)
    first.attach(0)
    first.set_open_calls(9)
    second = Metrics.create(SECOND, workers=1, earlier=first)
    second.attach(0)
    second.set_open_calls(2)
    assert 2 == value(second, "open_calls")
