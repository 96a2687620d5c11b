"""What a provider says of a job decides how its hold ends."""

from dataclasses import replace

import pytest
from support import asks

from gateway.metering.events import End
from gateway.metering.job_ends import Sums, share_of
from gateway.metering.jobs import Job, Phase, Told, pause_ms
from gateway.metering.ledger import Release, Settle
from gateway.metering.limits import Charge, Limit, Unit
from gateway.metering.pricing import ModelPrice, Rates, Tier
from gateway.metering.usage import NOTHING, Provenance, TokenClass, Usage

# One µcr per token of input, two of output.
RATES = Rates.of({TokenClass.INPUT_UNCACHED: 1_000_000, TokenClass.OUTPUT_TEXT: 2_000_000})
PRICE = ModelPrice(model="small-1", tiers=(Tier(0, RATES),), version="2026-11-26")
DEAR = Rates.of({TokenClass.INPUT_UNCACHED: 2_000_000, TokenClass.OUTPUT_TEXT: 3_000_000})
LONG = ModelPrice(model="small-1", tiers=(Tier(0, RATES), Tier(100, DEAR)))
TOKENS = Charge(
    limit=Limit(unit=Unit.TOKENS, ceiling=1), bucket="t", least=0, full=0, resets_ms=0, expires_ms=0
)
CALLS = Charge(
    limit=Limit(unit=Unit.CALLS, ceiling=1), bucket="c", least=0, full=0, resets_ms=0, expires_ms=0
)
LATER_MS = asks.STARTED_MS + 5_000


def job(held_ucr=1_000, *, floor=NOTHING, longest=0, hold_id="r1", model="small-1", observe=False):
    owed = asks.settle(
        hold_id, held_ucr, charges=(TOKENS, CALLS), job="openai:batch_1", observe=observe
    )
    event = replace(
        owed.event,
        model=model,
        usage=NOTHING,
        provenance=Provenance.HELD,
        held_ucr=held_ucr,
        end=End.HOLD_EXPIRED,
    )
    return Job(
        name="openai:batch_1",
        owed=replace(owed, event=event),
        priced_as=model,
        path="/v1/batches/batch_1",
        deadline_ms=0,
        floor=floor,
        longest_input_tokens=longest,
    )


def ended(jobs, phase, *told, price=PRICE):
    sums = Sums(jobs, lambda _job: price)
    for each in told:
        sums.add(each)
    return [ask for _, ask in sums.ends(phase, now_ms=LATER_MS)]


@pytest.mark.parametrize(
    ("phase", "end"),
    [
        (Phase.DONE, End.COMPLETED),
        (Phase.CANCELLED, End.CANCELLED),
        (Phase.FAILED, End.UPSTREAM_FAILED),
    ],
)
def test_what_was_told_is_charged_whatever_became_of_the_job(phase, end):
    [ask] = ended([job()], phase, Told(usage=Usage(input_uncached=10, output_text=5)))

    assert isinstance(ask, Settle)
    assert (20, end, Provenance.REPORTED) == (
        ask.event.charge_ucr,
        ask.event.end,
        ask.event.provenance,
    )
    assert (15, 0) == ask.amounts
    assert ("2026-11-26", 5_000) == (ask.event.rate_version, ask.event.duration_ms)
    assert "openai:batch_1" == ask.job


def test_a_job_that_failed_and_told_nothing_is_released():
    [ask] = ended([job(floor=Usage(input_uncached=9))], Phase.FAILED)

    assert Release("r1", asks.ACCOUNT, (TOKENS, CALLS), "openai:batch_1") == ask


def test_a_cancelled_job_owes_what_could_be_seen_of_it():
    [ask] = ended([job(floor=Usage(input_uncached=9, output_text=3))], Phase.CANCELLED)

    assert (15, Provenance.COUNTED) == (ask.event.charge_ucr, ask.event.provenance)


def test_a_cancelled_job_of_which_nothing_was_seen_is_released():
    [ask] = ended([job()], Phase.CANCELLED)

    assert isinstance(ask, Release)


@pytest.mark.parametrize("phase", [Phase.DONE, Phase.UNREPORTED])
def test_what_nobody_tells_costs_what_was_held(phase):
    [ask] = ended([job(1_000)], phase)

    assert (1_000, Provenance.HELD) == (ask.event.charge_ucr, ask.event.provenance)
    assert job(1_000).owed.amounts == ask.amounts


def test_a_call_that_was_served_and_told_nothing_makes_all_of_it_unknown():
    [ask] = ended([job()], Phase.DONE, Told(usage=Usage(output_text=1)), Told(usage=None))

    assert Provenance.HELD == ask.event.provenance


FILMS = ModelPrice(model="small-1", tiers=(Tier(0, RATES),), pieces={"video_second": 7_000_000})


@pytest.mark.parametrize(
    ("delivered", "seconds"),
    [((2, 2), 16), ((1, 2), 8), ((1, 3), 6), ((0, 2), 0)],
)
def test_of_what_was_ordered_by_the_piece_what_was_delivered_is_charged(delivered, seconds):
    ordered = job(floor=Usage(pieces=(("video_second", 16),)))

    [ask] = ended([ordered], Phase.DONE, Told(usage=None, delivered=delivered), price=FILMS)

    assert (7 * seconds, Provenance.REPORTED) == (ask.event.charge_ucr, ask.event.provenance)
    assert ((("video_second", seconds),) if seconds else ()) == ask.event.usage.pieces


def test_part_of_an_order_that_nobody_knows_is_all_of_it():
    [ask] = ended([job(1_000)], Phase.DONE, Told(usage=None, delivered=(1, 2)), price=FILMS)

    assert (1_000, Provenance.HELD) == (ask.event.charge_ucr, ask.event.provenance)


def test_a_line_that_left_the_card_cannot_be_charged_for_less_than_was_held():
    [ask] = ended([job(1_000)], Phase.DONE, Told(usage=Usage(output_text=1)), price=None)

    assert (1_000, Provenance.HELD) == (ask.event.charge_ucr, ask.event.provenance)


def test_a_batch_that_tells_more_than_it_can_have_used_is_not_believed():
    absurd = Told(usage=Usage(output_text=1_001))

    [batch] = ended([job(1_000, longest=50)], Phase.DONE, absurd)
    assert Provenance.HELD == batch.event.provenance
    [single] = ended([job(1_000)], Phase.DONE, absurd)
    assert 2_002 == single.event.charge_ucr
    [observed] = ended([job(1_000, longest=50, observe=True)], Phase.DONE, absurd)
    assert 2_002 == observed.event.charge_ucr


def test_each_model_is_paid_by_its_own_hold():
    jobs = [job(hold_id="r1", model="large"), job(hold_id="r1.1", model="small")]

    large, small = ended(
        jobs,
        Phase.DONE,
        Told(usage=Usage(output_text=5), model="small-2026-11-26"),
        Told(usage=Usage(output_text=7), model="large"),
        Told(usage=Usage(output_text=1), model="unheard-of"),
    )

    assert ("r1", 16) == (large.hold_id, large.event.charge_ucr)
    assert ("r1.1", 10) == (small.hold_id, small.event.charge_ucr)


def test_a_model_is_known_by_its_dated_name_and_by_no_other_that_begins_alike():
    jobs = [job(model="gpt-5"), job(model="gpt-5-mini", hold_id="r1.1")]

    assert "r1.1" == share_of(jobs, "gpt-5-mini-2026-01-01").hold_id
    assert "r1" == share_of(jobs, "gpt-5").hold_id


def test_sums_of_tokens_are_enough_where_no_prompt_has_rates_of_its_own():
    assert Sums([job(longest=100)], lambda _job: LONG).of_sums
    assert not Sums([job(longest=101)], lambda _job: LONG).of_sums


def test_unmapped_numbers_are_added_up_and_kept():
    told = Told(usage=Usage(output_text=1), unmapped={"cost": 0.5})

    [ask] = ended([job()], Phase.DONE, told, told)

    assert {"cost": 1.0} == ask.event.unmapped


def test_a_job_is_asked_for_ever_more_rarely():
    pauses = [pause_ms(age_ms, longest_ms=60_000) for age_ms in (0, 30_000, 600_000, 86_400_000)]

    assert [3_000, 6_000, 60_000, 60_000] == pauses
