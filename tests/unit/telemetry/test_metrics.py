"""Counting in shared cells: over real forked workers, and read back through the exposition."""

import os
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from support.error_codes import error_codes

from gateway.metering.events import End, UsageEvent
from gateway.metering.usage import Provenance, TokenClass, Usage
from gateway.telemetry.closed_sets import OTHER, REFUSAL_REASONS, MetricLabels, UnknownHandling
from gateway.telemetry.exposition import render
from gateway.telemetry.families import FAMILIES
from gateway.telemetry.metrics import Metrics

# Of commands, of callers who are gone, of the Metering API: nobody's call is refused with these.
NEVER_ANSWERED = {
    "audit_too_long",
    "invalid_configuration",
    "conflict",
    "client_left",
    "damaged_vocabulary",
    "not_found",
    "scope_missing",
    "idempotency_key_missing",
    "history_unavailable",
    "idempotency_key_reused",
    "idempotency_in_flight",
    "changed_meanwhile",
    "unprocessable",
    "event_ahead_of_time",
    "event_too_old",
    "key_inactive",
    "reservation_ended",
    "signature_invalid",
    "payer_unknown",
    "too_many_attempts",
    "cross_site",
    "currency_unknown",
}

LABELS = MetricLabels(dialects=("openai_chat",), providers=("openai", "vllm"), models=("gpt-5",))
ENDED = {
    "ttfb_us": 300_000,
    "duration_us": 4_000_000,
    "overhead_us": 700,
    "relayed_bytes": 2_048,
}
EVENT = UsageEvent(
    event_id="req_1",
    account_id="a1",
    key_id="k1",
    provider="openai",
    dialect="openai_chat",
    model_requested="gpt-5",
    model="gpt-5",
    rate_version="v1",
    started_ms=0,
    end=End.COMPLETED,
    provenance=Provenance.REPORTED,
    usage=Usage(input_uncached=100, input_cache_read=20, output_text=7),
    charge_ucr=1_000,
    held_ucr=1_500,
)


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = render(metrics, accept="").body.decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_text(text)
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((f"tollkeeper_{name}", frozenset(labels.items())))


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics.create(LABELS, workers=3)
    metrics.attach(0)
    return metrics


def test_a_finished_call_is_counted_in_every_metric_it_concerns(metrics) -> None:
    metrics.call_ended(EVENT, **ENDED)

    route = {"dialect": "openai_chat", "provider": "openai"}
    assert 1 == value(metrics, "calls_total", **route, end="completed")
    assert 1 == value(metrics, "usages_total", model="gpt-5", provenance="reported")
    assert 100 == value(metrics, "tokens_total", model="gpt-5", **{"class": "input_uncached"})
    assert 20 == value(metrics, "tokens_total", model="gpt-5", **{"class": "input_cache_read"})
    assert 7 == value(metrics, "tokens_total", model="gpt-5", **{"class": "output_text"})
    assert 1_000 == value(metrics, "charges_ucr_total", model="gpt-5")
    assert 1_500 == value(metrics, "holds_ucr_total", model="gpt-5")
    assert 0 == value(metrics, "overruns_total")
    assert 2_048 == value(metrics, "relayed_bytes_total")
    assert 0.3 == value(metrics, "time_to_first_byte_seconds_sum", **route)
    assert 4 == value(metrics, "call_duration_seconds_sum", **route)
    assert 1 == value(metrics, "metering_overhead_seconds_count")


def test_every_token_class_has_a_cell_of_its_own(metrics) -> None:
    usage = {name.value: 10 + offset for offset, name in enumerate(TokenClass)}
    metrics.call_ended(replace(EVENT, usage=Usage(**usage)), **ENDED)

    assert usage == {
        name: value(metrics, "tokens_total", model="gpt-5", **{"class": name}) for name in usage
    }


def test_pieces_are_counted_by_kind(metrics) -> None:
    pieces = (("image.hd.1024x1024", 2), ("image.low", 1), ("unheard_of", 7), ("web_search", 4))
    metrics.call_ended(replace(EVENT, usage=Usage(pieces=pieces)), **ENDED)

    assert [3, 4, 7] == [
        value(metrics, "pieces_total", piece=kind) for kind in ("image", "web_search", OTHER)
    ]


def test_what_has_no_price_is_counted_by_its_kind(metrics) -> None:
    for name in ("image.hd", "image", "priority"):
        metrics.unpriced(name)

    assert [2, 1] == [
        value(metrics, "unpriced_uses_total", unpriced=kind) for kind in ("image", "service_tier")
    ]


def test_unmapped_fields_are_counted_by_dialect(metrics) -> None:
    metrics.unmapped(EVENT.dialect, 3)
    metrics.unmapped("canary", 2)

    assert [3, 2] == [
        value(metrics, "unmapped_usage_fields_total", dialect=dialect)
        for dialect in (EVENT.dialect, OTHER)
    ]


def test_a_bucket_holds_what_is_at_most_its_bound(metrics) -> None:
    for overhead_us in (50, 51, 250_000, 250_001):
        metrics.call_ended(EVENT, **ENDED | {"overhead_us": overhead_us})

    name = "metering_overhead_seconds_bucket"
    assert 1 == value(metrics, name, le="5e-05")
    assert 2 == value(metrics, name, le="0.0001")
    assert 3 == value(metrics, name, le="0.25")
    assert 4 == value(metrics, name, le="+Inf")


def test_a_charge_beyond_its_hold_is_an_overrun(metrics) -> None:
    metrics.call_ended(replace(EVENT, charge_ucr=1_700), **ENDED)

    assert 1 == value(metrics, "overruns_total")
    assert 200 == value(metrics, "overruns_ucr_total")


def test_names_outside_the_closed_sets_are_counted_as_other(metrics) -> None:
    names = {"dialect": "canary-d", "provider": "canary-p", "model": "canary-m"}
    metrics.call_ended(replace(EVENT, **names), **ENDED)
    metrics.refused("canary-r")
    metrics.provider_error("canary-p", 503)

    assert 1 == value(metrics, "calls_total", dialect=OTHER, provider=OTHER, end="completed")
    assert 1_000 == value(metrics, "charges_ucr_total", model=OTHER)
    assert 1 == value(metrics, "refusals_total", reason=OTHER)
    assert 1 == value(metrics, "provider_errors_total", provider=OTHER, status="5xx")
    assert b"canary" not in render(metrics, accept="").body


@pytest.mark.parametrize(
    ("status", "label"),
    [(400, "400"), (422, "4xx"), (429, "429"), (302, "3xx"), (500, "5xx"), (999, "5xx")],
)
def test_provider_errors_are_told_apart_where_the_remedy_differs(metrics, status, label) -> None:
    metrics.provider_error("vllm", status)

    assert 1 == value(metrics, "provider_errors_total", provider="vllm", status=label)


def test_a_refused_key_is_also_a_failed_authentication(metrics) -> None:
    metrics.refused("invalid_api_key")
    metrics.refused("draining")

    assert 1 == value(metrics, "authentication_failures_total")
    assert 1 == value(metrics, "refusals_total", reason="draining")


def test_an_unknown_path_is_counted_by_what_was_done_with_it(metrics) -> None:
    metrics.unknown_endpoint(UnknownHandling.REFUSED)
    metrics.unknown_endpoint(UnknownHandling.CHARGED)
    metrics.unknown_endpoint(UnknownHandling.CHARGED)

    name = "unknown_endpoint_requests_total"
    assert [1, 0, 2] == [
        value(metrics, name, handled=handled)
        for handled in ("refused", "forwarded_free", "forwarded_for_a_fee")
    ]


def test_the_rare_facts_each_have_their_counter(metrics) -> None:
    metrics.unmetered()
    metrics.usage_disbelieved()
    metrics.hold_expired(3)
    metrics.settled_late()
    metrics.spooled()
    metrics.relayed(10)
    metrics.log_lines_dropped(4)
    metrics.loop_lagged(30_000)

    assert {
        "unmetered_calls_total": 1,
        "usages_disbelieved_total": 1,
        "holds_expired_total": 3,
        "late_settles_total": 1,
        "spooled_settles_total": 1,
        "relayed_bytes_total": 10,
        "log_lines_dropped_total": 4,
        "event_loop_lag_seconds_sum": 0.03,
    } == {
        name: value(metrics, name)
        for name in (
            "unmetered_calls_total",
            "usages_disbelieved_total",
            "holds_expired_total",
            "late_settles_total",
            "spooled_settles_total",
            "relayed_bytes_total",
            "log_lines_dropped_total",
            "event_loop_lag_seconds_sum",
        )
    }


def test_unmetered_calls_are_shown_before_there_are_any(metrics) -> None:
    assert 0 == value(metrics, "unmetered_calls_total")
    assert 0 == value(metrics, "refusals_total", reason="insufficient_quota")


def in_worker(metrics: Metrics, slot: int, *, calls: int) -> None:
    """Fork a worker that counts and dies, as a supervisor would see it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            metrics.attach(slot)
            for _ in range(calls):
                metrics.call_ended(EVENT, **ENDED)
            metrics.set_open_calls(5)
            metrics.set_store_up(up=True)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert 0 == status


def test_any_process_answers_with_the_totals_of_all_workers(metrics) -> None:
    metrics.set_open_calls(2)
    metrics.set_store_up(up=True)
    metrics.call_ended(EVENT, **ENDED)
    in_worker(metrics, 1, calls=1_000)
    in_worker(metrics, 2, calls=500)

    assert 1_501_000 == value(metrics, "charges_ucr_total", model="gpt-5")
    assert 12 == value(metrics, "open_calls")
    assert 3 == value(metrics, "workers")
    assert 1 == value(metrics, "store_up")


def test_a_replaced_worker_goes_on_counting_and_forgets_the_calls_it_had_open(metrics) -> None:
    in_worker(metrics, 1, calls=10)
    metrics.detach(1)
    between = (value(metrics, "workers"), value(metrics, "open_calls"))
    in_worker(metrics, 1, calls=5)

    assert (1, 0) == between
    assert 15_000 == value(metrics, "charges_ucr_total", model="gpt-5")
    assert 5 == value(metrics, "open_calls")


def test_the_store_is_up_only_if_every_running_worker_says_so(metrics) -> None:
    metrics.set_store_up(up=False)
    in_worker(metrics, 1, calls=0)
    one_without = value(metrics, "store_up")
    metrics.set_store_up(up=True)

    assert 0 == one_without
    assert 1 == value(metrics, "store_up")


def test_openmetrics_is_spoken_to_whoever_asks_for_it(metrics) -> None:
    metrics.call_ended(EVENT, **ENDED)
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    exposition = render(metrics, accept=accept)

    assert exposition.content_type.startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in parse_openmetrics(exposition.body.decode())}
    assert {family.name.removesuffix("_total") for family in FAMILIES} == names


@pytest.mark.parametrize("accept", ["", "*/*", "application/openmetrics-text;version=x", ";;,,"])
def test_everyone_else_gets_the_text_format(metrics, accept) -> None:
    exposition = render(metrics, accept=accept)

    assert "text/plain; version=0.0.4; charset=utf-8" == exposition.content_type


def test_series_stay_few_with_the_whole_card_in_use() -> None:
    """Three dialects, three providers and sixty models, every series touched."""
    metrics = Metrics.create(
        MetricLabels(
            dialects=("a", "b", "c"),
            providers=("x", "y", "z"),
            models=tuple(f"model-{index}" for index in range(60)),
        ),
        workers=1,
    )
    series = sum(family.cells for family in FAMILIES for _ in metrics.layout.series(family))

    assert series < 2_000


def test_every_code_a_caller_may_be_answered_with_is_a_reason_of_its_own() -> None:
    assert sorted(error_codes() - NEVER_ANSWERED - set(REFUSAL_REASONS)) == []
