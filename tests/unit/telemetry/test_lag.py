import asyncio
import time

from prometheus_client.parser import text_string_to_metric_families

from gateway.tasks import TaskSet
from gateway.telemetry.closed_sets import MetricLabels
from gateway.telemetry.exposition import render
from gateway.telemetry.lag import LOOK_S, watch_loop
from gateway.telemetry.metrics import Metrics


async def test_a_blocked_loop_shows_as_lag() -> None:
    metrics = Metrics.create(MetricLabels(dialects=(), providers=(), models=()), workers=1)
    tasks = TaskSet()
    tasks.start(watch_loop(metrics), name="lag")
    await asyncio.sleep(0)
    # The loop stands still past the moment the watcher wanted to wake.
    time.sleep(LOOK_S + 0.1)  # noqa: ASYNC251 - blocking the loop is the point
    await asyncio.sleep(0.01)
    await tasks.cancel()

    text = render(metrics, accept="").body.decode()
    lag_s = next(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "tollkeeper_event_loop_lag_seconds_sum"
    )
    assert lag_s >= 0.1
