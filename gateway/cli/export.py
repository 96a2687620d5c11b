"""`tollkeeper export`: what the sinks have and have not got, and what can be done about it."""

from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.access.changing import until_made
from gateway.cli.output import credit, moment, show, show_one
from gateway.cli.session import Session, changing, config_option, json_option, run
from gateway.errors import BadCall
from gateway.settings.values import SinkSettings
from gateway.sinks.base import Fate
from gateway.sinks.stripe import StripeOptions, StripeSink
from gateway.stores.redis.deliveries import RedisDeliveries
from gateway.stores.redis.mending import RedisMending
from gateway.stores.redis.standings import RedisStandings

FOREVER_MS = 10**15
LETTERS_MAX = 100_000


@click.group()
def export() -> None:
    """See what billing systems have got; send it again; look at what they refused."""


@export.command()
@config_option
@json_option
def status(config_path: Path, *, as_json: bool) -> None:
    """What waits for each sink, since when, and what it refused."""

    async def work(session: Session) -> list[dict[str, object]]:
        stores, kinds = session.stores, {each.name: each.kind for each in session.settings.sinks}
        deliveries = RedisDeliveries(stores.client, stores.ledger)
        known = await RedisMending(stores.client).sinks()
        standings = RedisStandings(stores.client, stores.ledger)
        now_ms, rows = stores.ledger.now_ms(), []
        for name in sorted({*kinds, *known}):
            left, standing = await deliveries.backlog(name), await standings.of(name)
            lag_s = max(0, now_ms - left.oldest_ms) / 1000 if left.oldest_ms else 0.0
            rows.append(
                {
                    "sink": name,
                    "kind": kinds.get(name, "not configured"),
                    "waiting": left.waiting,
                    "lag_s": round(lag_s, 1),
                    "repeats": left.repeats,
                    "sums": left.sums,
                    "dead_letters": left.dead,
                    "delivered": standing.delivered,
                    "state": standing.state,
                    "last_error": standing.last_error,
                }
            )
        return rows

    show(run(config_path, work), as_json=as_json, empty="No sinks: name some under `sinks`.")


@export.command()
@click.argument("sink")
@click.option(
    "--limit",
    default=100,
    show_default=True,
    type=click.IntRange(1, LETTERS_MAX),
    help="How many at most.",
)
@config_option
@json_option
def dead(sink: str, limit: int, config_path: Path, *, as_json: bool) -> None:
    """Dead letters of SINK: what it refused for good, and why."""

    async def work(session: Session) -> list[dict[str, object]]:
        await _known(session, sink)
        letters = await RedisMending(session.stores.client).dead(sink, limit=limit)
        return [
            {
                "letter": f"{letter.shard}:{letter.letter_id}",
                "died": _moment_of(letter.letter_id),
                "request": letter.request_id or letter.identifier,
                "account": letter.account_id,
                "credits": credit(letter.amount_ucr),
                "reason": letter.reason,
            }
            for letter in letters
        ]

    show(run(config_path, work), as_json=as_json, empty=f"{sink} has no dead letters.")


@export.command()
@click.argument("sink")
@click.argument("letters", nargs=-1)
@config_option
@json_option
def redrive(sink: str, letters: tuple[str, ...], config_path: Path, *, as_json: bool) -> None:
    """Give dead LETTERS to SINK once more, or all of them. Mend the cause first."""

    async def work(session: Session) -> int:
        await _known(session, sink)
        mending = RedisMending(session.stores.client)
        found = await mending.dead(sink, limit=LETTERS_MAX)
        wanted = [
            each for each in found if not letters or f"{each.shard}:{each.letter_id}" in letters
        ]
        return await mending.redrive(sink, wanted)

    change = changing("export redrive", subject=sink, letters=letters)
    show_one({"sink": sink, "redriven": run(config_path, work, change=change)}, as_json=as_json)


@export.command()
@click.argument("sink")
@click.argument("letters", nargs=-1, required=True)
@config_option
@json_option
def discard(sink: str, letters: tuple[str, ...], config_path: Path, *, as_json: bool) -> None:
    """Forget dead LETTERS of SINK for good: it will never get them."""

    async def work(session: Session) -> int:
        await _known(session, sink)
        mending = RedisMending(session.stores.client)
        return await mending.discard(sink, await mending.letters(sink, letters))

    change = changing("export discard", subject=sink, letters=letters)
    discarded = run(config_path, work, change=change)
    show_one({"sink": sink, "discarded": discarded}, as_json=as_json)


@export.command()
@click.argument("sink")
@config_option
@json_option
def pause(sink: str, config_path: Path, *, as_json: bool) -> None:
    """Send nothing to SINK until it is resumed. It misses nothing, if that is within a day."""
    _change_standing("pause", sink, config_path, as_json=as_json)


@export.command()
@click.argument("sink")
@config_option
@json_option
def resume(sink: str, config_path: Path, *, as_json: bool) -> None:
    """Send to SINK again that was paused or disabled, or at once to one that fails."""
    _change_standing("resume", sink, config_path, as_json=as_json)


def _change_standing(action: str, sink: str, config_path: Path, *, as_json: bool) -> None:
    async def work(session: Session) -> str:
        await _known(session, sink)
        standings = RedisStandings(session.stores.client, session.stores.ledger)
        switch = standings.pause if action == "pause" else standings.resume

        async def once() -> bool | None:
            return await switch(sink, (await standings.of(sink)).switches) or None

        await until_made(once)
        return (await standings.of(sink)).state

    state = run(config_path, work, change=changing(f"export {action}", subject=sink))
    show_one({"sink": sink, "state": state}, as_json=as_json)


@export.command()
@click.argument("sink")
@click.option("--from", "first", type=click.DateTime(), help="Settled at or after this, UTC.")
@click.option("--to", "last", type=click.DateTime(), help="Settled before this, UTC.")
@click.option("--request", "requests", multiple=True, help="Only this request; may be repeated.")
@config_option
@json_option
def replay(
    sink: str,
    first: datetime | None,
    last: datetime | None,
    requests: tuple[str, ...],
    config_path: Path,
    *,
    as_json: bool,
) -> None:
    """Have settlements sent to SINK once more, as far back as the outbox goes."""
    if first is None and last is None and not requests:
        raise click.UsageError("Say what to send again: --from, --to or --request.")

    async def work(session: Session) -> int:
        settings = await _known(session, sink)
        if settings is not None and isinstance(settings.options, StripeOptions):
            raise BadCall(
                f"{sink} gets sums and could not tell a second sum of the same calls from new "
                "ones. Dead letters can be redriven."
            )
        return await RedisMending(session.stores.client).replay(
            sink,
            first_ms=_ms(first, 0),
            last_ms=_ms(last, FOREVER_MS) - 1,
            requests=frozenset(requests),
        )

    change = changing(
        "export replay", subject=sink, first=str(first), last=str(last), requests=requests
    )
    show_one({"sink": sink, "sent_again": run(config_path, work, change=change)}, as_json=as_json)


@export.command()
@click.argument("sink")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@json_option
def forget(sink: str, config_path: Path, *, yes: bool, as_json: bool) -> None:
    """Drop all that waits for SINK, which is no longer configured, and its dead letters."""
    if not yes:
        click.confirm(f"Drop everything that {sink} has not got?", abort=True)

    async def work(session: Session) -> None:
        if any(each.name == sink for each in session.settings.sinks):
            raise BadCall(f"{sink} is configured: remove it from `sinks` and restart first.")
        await _known(session, sink)
        await RedisMending(session.stores.client).forget(sink)

    run(config_path, work, change=changing("export forget", subject=sink))
    show_one({"sink": sink, "forgotten": True}, as_json=as_json)


@export.command()
@click.argument("sink")
@click.argument("identifier")
@click.option("--event-name", help="The meter's; by default the one for tokens.")
@config_option
@json_option
def cancel(
    sink: str, identifier: str, event_name: str | None, config_path: Path, *, as_json: bool
) -> None:
    """Take back the meter event IDENTIFIER at SINK, which is Stripe; within 24 hours."""

    async def work(session: Session) -> str:
        settings = await _known(session, sink)
        if settings is None or not isinstance(settings.options, StripeOptions):
            raise BadCall(f"{sink} is no configured sink of kind stripe.")
        stripe = StripeSink(sink, settings.options, settings.limits)
        await stripe.open()
        try:
            outcome = await stripe.cancel(
                identifier, event_name=event_name or settings.options.event_name
            )
        finally:
            await stripe.close()
        if outcome.fate is not Fate.DELIVERED:
            raise BadCall(f"Stripe did not cancel it. {outcome.reason}")
        return identifier

    change = changing("export cancel", subject=sink, identifier=identifier)
    show_one({"sink": sink, "cancelled": run(config_path, work, change=change)}, as_json=as_json)


async def _known(session: Session, sink: str) -> SinkSettings | None:
    """Its settings, or None for one that has a place in the store only. Raises BadCall."""
    for settings in session.settings.sinks:
        if settings.name == sink:
            return settings
    known = await RedisMending(session.stores.client).sinks()
    if sink not in known:
        names = ", ".join(sorted({*known, *(each.name for each in session.settings.sinks)}))
        raise BadCall(f"There is no sink {sink!r}. There are: {names or 'none'}.")
    return None


def _ms(at: datetime | None, otherwise: int) -> int:
    return int(at.replace(tzinfo=UTC).timestamp() * 1000) if at else otherwise


def _moment_of(letter_id: str) -> datetime | None:
    return moment(int(letter_id.partition("-")[0]))
