"""An event written by itself is read as it was, whatever it says, and as the JSON it is."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.events import End, UsageEvent, usage_in
from gateway.metering.hedging import CutOff
from gateway.metering.usage import Provenance, TokenClass, Usage
from gateway.stores.stored_settle import event_of, event_text

COUNTS = st.integers(0, 2**53)
TEXTS = st.text(max_size=8)
PIECES = st.dictionaries(st.sampled_from(["image.hd", "second", 'a"b']), COUNTS, max_size=3)
USAGES = st.builds(
    Usage,
    **{each.value: st.just(0) | COUNTS for each in TokenClass},
    pieces=PIECES.map(lambda counts: tuple(sorted(counts.items()))),
    service_tier=TEXTS,
)
CUT_OFFS = st.builds(CutOff, provider=TEXTS, model=TEXTS, rate_id=TEXTS)
EVENTS = st.builds(
    UsageEvent,
    event_id=TEXTS,
    account_id=TEXTS,
    key_id=TEXTS,
    provider=TEXTS,
    dialect=TEXTS,
    model_requested=TEXTS,
    model=TEXTS,
    rate_version=TEXTS,
    rate_id=TEXTS,
    started_ms=COUNTS,
    stream=st.booleans(),
    usage=USAGES,
    provenance=st.sampled_from(Provenance),
    end=st.sampled_from(End),
    http_status=st.integers(100, 599),
    held_ucr=COUNTS,
    charge_ucr=COUNTS,
    ttfb_ms=COUNTS,
    duration_ms=COUNTS,
    attempts=st.integers(0, 9),
    cut_off=st.none() | CUT_OFFS,
    unmapped=st.dictionaries(TEXTS, COUNTS | st.floats(allow_nan=False, allow_infinity=False)),
)


@given(EVENTS)
def test_what_is_written_is_read(event: UsageEvent) -> None:
    content = orjson.loads(event_text(event))

    assert event == event_of(content)
    assert event.usage == usage_in(content)


@given(EVENTS)
def test_it_says_what_the_whole_object_says(event: UsageEvent) -> None:
    whole, told = orjson.loads(orjson.dumps(event)), orjson.loads(event_text(event))
    whole["usage"] = {name: count for name, count in whole["usage"].items() if count}
    if event.cut_off is None and not event.unmapped:
        del whole["cut_off"], whole["unmapped"]

    assert whole == told
