"""A month of use for the demo's account, so that its dashboard has something to show.

Simulated, and named so wherever it is shown: the account, each request's id, the provider. Else it
is real: every grant and call goes through the ledger's own scripts, and what they wrote into the
outbox comes into the history, only with the time at which it would have happened. So receipts,
sums, statement and balance agree, and an audit finds nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from gateway.access.issuing import Issuing
from gateway.app.stores import Stores
from gateway.metering.accounts import VirtualKey
from gateway.metering.events import End, UsageEvent
from gateway.metering.history import DAY_MS, HOUR_MS
from gateway.metering.journal import START, Drained, Entry, shard_of
from gateway.metering.ledger import DEFAULT_PRIORITY, Grant, GrantKind, Reserve, Settle
from gateway.metering.limits import Window, window_bounds
from gateway.metering.pricing import UCR_PER_CREDIT, ModelPrice, RateCard, charge_ucr
from gateway.metering.refusals import EVERYBODY, PROVIDER_ERROR, Turned
from gateway.metering.usage import Provenance, Usage
from gateway.stores.base import History
from gateway.stores.redis.layout import outbox_key, shard_tag

PROVIDER = "simulated"
DAYS = 30
# Of each round trip to the store, and of each transaction of the history.
CALLS_AT_ONCE = 200
ENTRIES_AT_ONCE = 500
LEASE_MS = 60_000
# How busy the hours of a working day are, UTC.
HOURS = (1, 0, 0, 0, 0, 1, 2, 4, 8, 10, 11, 9, 7, 9, 11, 10, 8, 5, 4, 3, 3, 2, 2, 1)
REFUSED = {"rate_limit_exceeded": 6, "invalid_request": 2, PROVIDER_ERROR: 3, "upstream_timeout": 1}
"""At most, on a day."""
WEEKEND_PERCENT = 35
SATURDAY = 5
# 1970-01-01 was a Thursday.
THURSDAY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """What a key is used for. Calls are those of a working day; tokens from, to."""

    key_name: str
    model: str
    dialect: str
    calls: int
    input_tokens: tuple[int, int]
    cached_percent: int
    output_tokens: tuple[int, int]
    written_percent: int = 0
    at_night: bool = False


HABITS = (
    Habit(
        key_name="web app",
        model="gpt-4.1-mini",
        dialect="openai_chat",
        calls=15,
        input_tokens=(2_800, 18_000),
        cached_percent=55,
        output_tokens=(350, 2_000),
    ),
    Habit(
        key_name="research",
        model="gpt-4.1",
        dialect="openai_chat",
        calls=5,
        input_tokens=(8_000, 60_000),
        cached_percent=35,
        output_tokens=(500, 2_600),
    ),
    Habit(
        key_name="coding agent",
        model="claude-haiku-4-5",
        dialect="anthropic_messages",
        calls=8,
        input_tokens=(15_000, 70_000),
        cached_percent=78,
        written_percent=9,
        output_tokens=(500, 4_000),
    ),
    Habit(
        key_name="nightly batch",
        model="gpt-4.1-mini",
        dialect="openai_chat",
        calls=4,
        input_tokens=(12_000, 30_000),
        cached_percent=0,
        output_tokens=(900, 2_400),
        at_night=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Call:
    at_ms: int
    event: UsageEvent


async def simulate_month(
    account_id: str, *, stores: Stores, history: History, issuing: Issuing, rate_card: RateCard
) -> None:
    """For an account without keys, credit or use, while nothing else drains the outbox."""
    now_ms = stores.ledger.now_ms()
    first_ms = now_ms - DAYS * DAY_MS
    keys = await _keys(account_id, issuing, created_ms=first_ms)
    happened: list[tuple[int, Grant | Call]] = [
        *((at_ms, grant) for at_ms, grant in _grants(account_id, now_ms)),
        *((call.at_ms, call) for call in _calls(account_id, keys, rate_card, now_ms=now_ms)),
    ]
    happened.sort(key=lambda each: each[0])
    await _refused(account_id, keys, stores, now_ms=now_ms)
    for start in range(0, len(happened), CALLS_AT_ONCE):
        await _through_the_ledger(stores, happened[start : start + CALLS_AT_ONCE])
    await _into_the_history(
        account_id,
        dict.fromkeys(keys.values(), first_ms) | {_name(what): at_ms for at_ms, what in happened},
        stores=stores,
        history=history,
        prices=rate_card.lines,
    )


async def _refused(
    account_id: str, keys: Mapping[str, str], stores: Stores, *, now_ms: int
) -> None:
    """Now and then a call comes to nothing, in a month as in life."""
    draw = Random(7)  # noqa: S311  see above
    today_ms = now_ms // DAY_MS * DAY_MS
    for day in range(DAYS):
        hour_ms = today_ms - day * DAY_MS + (now_ms - today_ms) // HOUR_MS * HOUR_MS
        counts = Counter[Turned]()
        for reason, most in REFUSED.items():
            for _ in range(draw.randint(-most, most)):
                habit = draw.choice(HABITS)
                counts[Turned(reason, keys[habit.key_name], habit.model)] += 1
        for whose in (account_id, EVERYBODY):
            await stores.refusals.add(whose, hour_ms=hour_ms, counts=counts)


async def _keys(account_id: str, issuing: Issuing, *, created_ms: int) -> dict[str, str]:
    """Their ids by name; nobody has their secrets."""
    found = {}
    for habit in HABITS:
        template = VirtualKey(
            key_id="", account_id=account_id, digest="", name=habit.key_name, created_ms=created_ms
        )
        found[habit.key_name] = (await issuing.issue(template))[0].key_id
    return found


def _grants(account_id: str, now_ms: int) -> Iterator[tuple[int, Grant]]:
    first_ms = now_ms - DAYS * DAY_MS
    start_ms, end_ms = window_bounds(Window.MONTH, now_ms)
    allowance_ms = max(start_ms, first_ms)

    def grant(name: str, kind: GrantKind, amount: int, at_ms: int, ends_ms: int) -> Grant:
        return Grant(
            grant_id=f"simulated-{name}",
            account_id=account_id,
            amount_ucr=amount * UCR_PER_CREDIT,
            kind=kind,
            priority=DEFAULT_PRIORITY[kind],
            effective_ms=at_ms,
            expires_ms=ends_ms,
            note="simulated",
        )

    yield first_ms, grant("top-up-1", GrantKind.PREPAID, 600, first_ms, 0)
    yield allowance_ms, grant("allowance", GrantKind.ALLOWANCE, 1_500, allowance_ms, end_ms)
    later_ms = now_ms - 12 * DAY_MS
    yield later_ms, grant("top-up-2", GrantKind.PREPAID, 500, later_ms, 0)
    promo_ms = now_ms - 3 * DAY_MS
    yield promo_ms, grant("promo", GrantKind.PROMO, 150, promo_ms, now_ms + 40 * DAY_MS)


def _calls(
    account_id: str, keys: dict[str, str], rate_card: RateCard, *, now_ms: int
) -> Iterator[Call]:
    # The same month each time: it is made up, and need not surprise anybody.
    draw = Random(6)  # noqa: S311  see above
    first_ms = now_ms // DAY_MS * DAY_MS - (DAYS - 1) * DAY_MS
    for day in range(DAYS):
        day_ms = first_ms + day * DAY_MS
        weekend = (day_ms // DAY_MS + THURSDAY) % 7 >= SATURDAY
        percent = (WEEKEND_PERCENT if weekend else 100) * (75 + day) // 100
        for habit in HABITS:
            count = round(habit.calls * percent / 100 * draw.uniform(0.7, 1.3))
            for _ in range(count):
                at_ms = day_ms + _time_of_day_ms(habit, draw)
                if first_ms < at_ms < now_ms - HOUR_MS // 6:
                    price = rate_card.price(habit.model, provider=PROVIDER)
                    assert price is not None, "the demo's card has it"
                    yield _call(
                        account_id, keys[habit.key_name], habit, price, at_ms=at_ms, draw=draw
                    )


def _time_of_day_ms(habit: Habit, draw: Random) -> int:
    hour = 2 if habit.at_night else draw.choices(range(24), HOURS)[0]
    return hour * HOUR_MS + draw.randrange(HOUR_MS)


def _call(
    account_id: str, key_id: str, habit: Habit, price: ModelPrice, *, at_ms: int, draw: Random
) -> Call:
    prompt = draw.randint(*habit.input_tokens)
    # The first call of a conversation finds nothing cached.
    cached = prompt * habit.cached_percent // 100 if draw.random() < 0.8 else 0  # noqa: PLR2004
    written = prompt * habit.written_percent // 100
    answer = draw.randint(*habit.output_tokens)
    left = draw.random() < 0.02  # noqa: PLR2004  two in a hundred
    usage = Usage(
        input_uncached=prompt - cached - written,
        input_cache_read=cached,
        input_cache_write_5m=written,
        output_text=answer,
    )
    charge = charge_ucr(price, usage)
    took_ms = 400 + answer * draw.randint(6, 14)
    event = UsageEvent(
        event_id=f"simulated_{draw.getrandbits(80):020x}",
        account_id=account_id,
        key_id=key_id,
        provider=PROVIDER,
        dialect=habit.dialect,
        model_requested=habit.model,
        model=habit.model,
        rate_version=price.version,
        rate_id=price.rate_id,
        started_ms=at_ms - took_ms,
        stream=not habit.at_night,
        usage=usage,
        provenance=Provenance.COUNTED if left else Provenance.REPORTED,
        end=End.CLIENT_LEFT if left else End.COMPLETED,
        held_ucr=charge + charge // 4,
        charge_ucr=charge,
        ttfb_ms=draw.randint(180, 900),
        duration_ms=took_ms,
    )
    return Call(at_ms, event)


async def _through_the_ledger(stores: Stores, some: Sequence[tuple[int, Grant | Call]]) -> None:
    """In their order: what is sent first is done first."""
    ledger = stores.ledger
    answers: list[Awaitable[object]] = []
    for _, what in some:
        if isinstance(what, Grant):
            await asyncio.gather(*answers)
            answers.clear()
            await ledger.grant(what)
            continue
        event = what.event
        ask = Reserve(
            hold_id=event.event_id,
            account_id=event.account_id,
            key_id=event.key_id,
            least_ucr=event.held_ucr,
            full_ucr=event.held_ucr,
            charges=(),
            lease_ms=LEASE_MS,
            now_ms=ledger.now_ms(),
        )
        end = Settle(
            hold_id=event.event_id,
            account_id=event.account_id,
            charges=(),
            amounts=(),
            event=event,
        )
        answers += (ledger.reserve(ask), ledger.settle(end))
    await asyncio.gather(*answers)


async def _into_the_history(
    account_id: str,
    times: dict[str, int],
    *,
    stores: Stores,
    history: History,
    prices: Sequence[ModelPrice],
) -> None:
    happened = await stores.ledger.events(account_id)
    dated = [
        # What no call or grant brought about (a key that was made) keeps its time.
        replace(entry, entry_id=f"{times.get(entry.operation_id, entry.time_ms)}-{number}")
        for number, entry in enumerate(happened)
    ]
    order = sorted(range(len(dated)), key=lambda number: dated[number].time_ms)
    entries, last = [dated[number] for number in order], happened[order[-1]].entry_id
    shard, after = shard_of(account_id), START
    for start in range(0, len(entries), ENTRIES_AT_ONCE):
        part: Sequence[Entry] = entries[start : start + ENTRIES_AT_ONCE]
        await history.append([Drained(shard, after, part)], {each.rate_id: each for each in prices})
        after = part[-1].entry_id
    # It is all in the history, under other times: nobody must drain it once more. A store without
    # the entry that came into the history last would be one that had lost something.
    outbox = outbox_key(shard_tag(account_id))
    [(_, fields)] = await stores.client.command("XRANGE", outbox, last, last)
    await stores.client.command("DEL", outbox)
    await stores.client.command("XADD", outbox, after, *fields)


def _name(what: Grant | Call) -> str:
    return what.grant_id if isinstance(what, Grant) else what.event.event_id
