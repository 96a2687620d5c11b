"""A receipt's lines add up to the charge, for every price and every usage."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.pricing import ModelPrice, Rates, Tier, charge_ucr
from gateway.metering.receipt import LineKind, receipt_lines
from gateway.metering.usage import TokenClass, Usage

rates = st.integers(0, 200_000_000)
rate_sets = st.dictionaries(st.sampled_from(TokenClass), rates).map(Rates.of)
names = st.sampled_from(["image", "image.hd", "image.hd.1024x1792", "web_search", "character"])
prices = st.builds(
    ModelPrice,
    model=st.just("small"),
    tiers=st.tuples(
        st.builds(Tier, st.just(0), rate_sets), st.builds(Tier, st.just(900), rate_sets)
    ),
    fee_ucr=st.integers(0, 10_000),
    pieces=st.dictionaries(names, rates),
    tier_percent=st.dictionaries(st.sampled_from(["priority", "batch"]), st.integers(0, 500)),
)
counts = st.integers(0, 2_000_000)
usages = st.builds(
    Usage,
    **{token_class.value: counts for token_class in TokenClass},
    pieces=st.dictionaries(names, counts).map(lambda pieces: tuple(sorted(pieces.items()))),
    service_tier=st.sampled_from(["", "priority", "batch", "priority+batch"]),
)


@given(prices, usages)
def test_the_lines_add_up_to_the_charge_and_nothing_is_left_unexplained(price, usage):
    charge = charge_ucr(price, usage)
    lines = receipt_lines(price, usage, charge_ucr=charge)

    assert charge == sum(line.amount_ucr for line in lines)
    assert LineKind.UNITEMISED not in {line.kind for line in lines}
    assert sum(line.kind is LineKind.ROUNDING for line in lines) <= 1
    assert all(line.amount_ucr >= 0 for line in lines)


@given(prices, usages, st.integers(0, 2**53 - 1))
def test_whatever_was_charged_instead_is_told_apart_from_rounding(price, usage, charge):
    lines = receipt_lines(price, usage, charge_ucr=charge)

    assert charge == sum(line.amount_ucr for line in lines)


@given(usages, st.integers(0, 2**53 - 1))
def test_without_the_rates_quantities_are_told_and_the_amount_in_one_line(usage, charge):
    lines = receipt_lines(None, usage, charge_ucr=charge)

    assert charge == sum(line.amount_ucr for line in lines)
    assert all(line.rate_ucr is None for line in lines)
    used = {line.name: line.quantity for line in lines if line.kind is not LineKind.UNITEMISED}
    assert usage.nonzero() == used


def test_each_line_says_what_was_used_and_at_which_rate():
    given_rates = Rates.of({TokenClass.INPUT_UNCACHED: 40_000_001, TokenClass.OUTPUT_TEXT: 500_000})
    price = ModelPrice(
        model="small", tiers=(Tier(0, given_rates),), pieces={"web_search": 10**12}, fee_ucr=7
    )
    usage = Usage(input_uncached=3, output_text=3, pieces=(("web_search", 2),))

    lines = receipt_lines(price, usage, charge_ucr=charge_ucr(price, usage))

    assert [
        (LineKind.TOKENS, "input_uncached", 3, 40_000_001, 120),
        (LineKind.TOKENS, "output_text", 3, 500_000, 1),
        (LineKind.PIECES, "web_search", 2, 10**12, 2_000_000),
        (LineKind.FEE, "request", 1, None, 7),
        (LineKind.ROUNDING, "rounding", 0, None, 1),
    ] == [(line.kind, line.name, line.quantity, line.rate_ucr, line.amount_ucr) for line in lines]
