"""The handful of figures that tell how the gateway is."""

from gateway.telemetry.closed_sets import MetricLabels
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.vitals import vitals

LABELS = MetricLabels(dialects=("chat",), providers=("one",), models=("m",), sinks=(), sources=())


def test_workers_are_put_together() -> None:
    metrics = Metrics.create(LABELS, workers=2)
    for index in (0, 1):
        metrics.attach(index)
        metrics.set_open_calls(3)
        metrics.set_store_up(up=index == 0)
        metrics.refused("invalid_api_key")
        metrics.provider_error("one", 500)

    found = vitals(metrics)

    assert (2, 6, False) == (found.workers, found.open_calls, found.store_up)
    assert {"invalid_api_key": 2} == found.refusals
    assert ({"one": 2}, 2) == (found.provider_errors, found.wrong_keys)


def test_a_quantile_is_at_most_its_buckets_bound_and_unknown_without_anything() -> None:
    metrics = Metrics.create(LABELS, workers=1)
    metrics.attach(0)
    assert None is vitals(metrics).loop_lag_p99_ms
    for _ in range(200):
        metrics.loop_lagged(1)
    near = vitals(metrics).loop_lag_p99_ms
    for _ in range(10):
        metrics.loop_lagged(10**9)

    assert near is not None
    assert None is vitals(metrics).loop_lag_p99_ms


def test_without_a_running_worker_no_store_is_said_to_be_there() -> None:
    assert not vitals(Metrics.create(LABELS, workers=1)).store_up
