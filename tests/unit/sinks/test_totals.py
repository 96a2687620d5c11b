"""Totals by account as node exporter's textfile collector reads them."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from support.records import shipment

from gateway.sinks.base import Fate, Limits
from gateway.sinks.totals import TotalsOptions, TotalsSink


def sink_in(folder: Path, *, accounts_max: int = 10) -> TotalsSink:
    options = TotalsOptions(folder=folder, accounts_max=accounts_max)
    return TotalsSink("totals", options, Limits(events_max=10), writer="h-1-0")


def samples(folder: Path) -> dict[tuple[str, str, str], float]:
    page = (folder / "totals-h-1-0.prom").read_text()
    return {
        (sample.name, sample.labels["account"], sample.labels.get("class", "")): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


async def test_accounts_are_added_up_over_a_restart(tmp_path: Path) -> None:
    first = sink_in(tmp_path)
    await first.open()
    await first.deliver([shipment("r1", 5), shipment("r2", 6, account_id="bolt")])
    second = sink_in(tmp_path)
    await second.open()
    await second.deliver([shipment("r3", 7)])

    found = samples(tmp_path)

    charge = "tollkeeper_account_charge_microcredits_total"
    assert (12, 6) == (found[charge, "acme", ""], found[charge, "bolt", ""])
    assert 2 == found["tollkeeper_account_records_total", "acme", ""]
    assert 12 == found["tollkeeper_account_usage_total", "acme", "input_uncached"]
    assert 2 == found["tollkeeper_account_usage_total", "acme", "web_search"]


async def test_a_record_that_comes_again_is_not_counted_again(tmp_path: Path) -> None:
    sink = sink_in(tmp_path)
    await sink.open()
    await sink.deliver([shipment("r1", 5)])
    again = sink_in(tmp_path)
    await again.open()

    [outcome] = await again.deliver([shipment("r1", 5)])

    assert Fate.DUPLICATE is outcome.fate
    assert 5 == samples(tmp_path)["tollkeeper_account_charge_microcredits_total", "acme", ""]


async def test_accounts_beyond_the_bound_are_added_up_as_other(tmp_path: Path) -> None:
    sink = sink_in(tmp_path, accounts_max=2)
    await sink.open()
    await sink.deliver([shipment(f"r{n}", 10 + n, account_id=f"a{n}") for n in range(4)])

    found = samples(tmp_path)

    charge = "tollkeeper_account_charge_microcredits_total"
    assert {("a0", 10), ("a1", 11), ("other", 25)} == {
        (account, value) for (name, account, _), value in found.items() if name == charge
    }


async def test_what_cannot_be_written_is_not_counted(tmp_path: Path) -> None:
    sink = sink_in(tmp_path)
    await sink.open()
    await sink.deliver([shipment("r1", 5)])
    (tmp_path / "totals-h-1-0.state.new").mkdir()

    [refused] = await sink.deliver([shipment("r2", 6)])
    (tmp_path / "totals-h-1-0.state.new").rmdir()
    [taken] = await sink.deliver([shipment("r2", 6)])

    assert (Fate.RETRY, Fate.DELIVERED) == (refused.fate, taken.fate)
    assert re.search('account="acme".* 11\n', (tmp_path / "totals-h-1-0.prom").read_text())
