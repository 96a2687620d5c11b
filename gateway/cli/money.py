"""`tollkeeper grant`, `balance`, `usage`: credit in, what is left, where it went."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import click

from gateway.cli.accounts import existing
from gateway.cli.keys import span_ms
from gateway.cli.output import Row, credit, credit_text, json_text, moment, show, show_one
from gateway.cli.session import Session, changing, config_option, display_text, json_option, run
from gateway.errors import BadCall
from gateway.metering.accounts import valid_name
from gateway.metering.allowances import next_reset_ms
from gateway.metering.balance import Balance
from gateway.metering.ledger import DEFAULT_PRIORITY, Grant, Granted, GrantKind
from gateway.metering.pricing import AMOUNT_MAX_UCR, UCR_PER_CREDIT
from gateway.metering.usage import Pieces, added
from gateway.stores.base import DailyUsage

DAY_MS = 86_400_000
AMOUNT = re.compile(r"([0-9]{1,30})(?:\.([0-9]{1,6}))?")


# Unknown options are let through as arguments: -5 is answered as the amount it is meant to be.
@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("account_id")
@click.argument("credits_text", metavar="CREDITS")
@click.option("--id", "grant_id", help="Grant once under this id, however often it is repeated.")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in GrantKind]),
    default=GrantKind.PREPAID.value,
    show_default=True,
    help="Decides what burns first: allowance, then promo, then the others.",
)
@click.option("--priority", type=click.IntRange(0, 100), help="Lower burns first; else by kind.")
@click.option("--expires-in", metavar="SPAN", help="Such as 30d; never without it.")
@click.option(
    "--expires",
    type=click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]),
    metavar="DATE",
    help="2027-12-31 or 2027-12-31T12:00:00Z, in place of --expires-in.",
)
@click.option(
    "--effective",
    type=click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]),
    metavar="DATE",
    help="From when on it counts (UTC); at once without it.",
)
@click.option("--note", default="", help="Why, for the statement.")
@config_option
@json_option
def grant(  # noqa: PLR0917  click passes them by name
    account_id: str,
    credits_text: str,
    grant_id: str | None,
    kind: str,
    priority: int | None,
    expires_in: str | None,
    expires: datetime | None,
    effective: datetime | None,
    note: str,
    config_path: Path,
    *,
    as_json: bool,
) -> None:
    """Put CREDITS into ACCOUNT_ID.

    For example `grant acme 500 --id invoice-17`, or `grant acme 0.25 --kind promo`.
    """
    if expires and expires_in:
        raise click.UsageError("Give either --expires or --expires-in.")
    if grant_id and expires_in:
        raise click.UsageError(
            "With --id, say --expires DATE: --expires-in is another moment at each repetition."
        )

    async def work(session: Session) -> tuple[Grant, Granted, Balance]:
        await existing(session, account_id)
        ledger = session.stores.ledger
        given = Grant(
            grant_id=_grant_id(grant_id),
            account_id=account_id,
            amount_ucr=_ucr(credits_text),
            kind=GrantKind(kind),
            priority=DEFAULT_PRIORITY[GrantKind(kind)] if priority is None else priority,
            effective_ms=_utc_ms(effective),
            expires_ms=ledger.now_ms() + span_ms(expires_in) if expires_in else _utc_ms(expires),
            note=display_text(note),
        )
        return given, await ledger.grant(given), await ledger.balance(account_id)

    change = changing(
        "grant",
        account_id=account_id,
        subject=grant_id or "",
        credits=credits_text,
        kind=kind,
        note=note,
    )
    given, granted, balance = run(config_path, work, change=change)
    show_one(
        {
            "grant": given.grant_id,
            "credits": credit(given.amount_ucr),
            "repeated": granted.repeated,
            "debt_paid": credit(granted.debt_paid_ucr),
            "available": credit(balance.available_ucr),
        },
        as_json=as_json,
    )


@click.command()
@click.argument("account_id")
@config_option
@json_option
def balance(account_id: str, config_path: Path, *, as_json: bool) -> None:
    """Show what ACCOUNT_ID has left.

    What is available, what running calls hold, and the grants in the order in which they burn.
    """

    async def work(session: Session) -> tuple[Balance, int]:
        account = await existing(session, account_id)
        found = await session.stores.ledger.balance(account_id)
        plan = session.settings.plans.get(account.plan)
        return found, next_reset_ms(account, plan, found.now_ms)

    found, resets_ms = run(config_path, work)
    facts: dict[str, object] = {
        "account": found.account_id,
        "as_of": moment(found.now_ms),
        "available": credit(found.available_ucr),
        "held": credit(found.held_ucr),
        "in_advance": credit(found.advances_ucr),
        "running_calls": found.running_calls,
        "next_reset": moment(resets_ms),
        "debt": credit(found.debt_ucr),
        "granted": credit(found.granted_ucr),
        "charged": credit(found.charged_ucr),
        "observed": credit(found.observed_ucr),
        "lapsed": credit(found.lapsed_ucr),
        "taken_back": credit(found.voided_ucr),
        "older_grants": found.forgotten.grants,
    }
    grants = [
        {
            "grant": state.grant_id,
            "kind": state.kind.value,
            "credits": credit(state.amount_ucr),
            "remaining": credit(state.remaining_ucr),
            "held": credit(state.held_ucr),
            "consumed": credit(state.consumed_ucr),
            "expired": credit(state.expired_ucr),
            "effective": moment(state.effective_ms),
            "expires": moment(state.expires_ms),
            "note": state.note,
        }
        for state in found.grants
    ]
    if as_json:
        click.echo(json_text(facts | {"grants": grants}))
        return
    show_one(facts, as_json=False)
    click.echo()
    show(grants, as_json=False, empty="No grants yet: `grant` puts credit in.")


@click.command()
@click.argument("account_id")
@click.option(
    "--days",
    type=click.IntRange(1, 400),
    default=30,
    show_default=True,
    help="How far back, today included.",
)
@config_option
@json_option
def usage(account_id: str, days: int, config_path: Path, *, as_json: bool) -> None:
    """Show what ACCOUNT_ID used, by UTC day and model."""

    async def work(session: Session) -> Sequence[DailyUsage]:
        await existing(session, account_id)
        ledger = session.stores.ledger
        today_ms = ledger.now_ms() // DAY_MS * DAY_MS
        return await ledger.usage_by_day(
            account_id, first_day_ms=today_ms - (days - 1) * DAY_MS, last_day_ms=today_ms
        )

    found = run(config_path, work)
    pieces = as_json or any(row.pieces for row in found)
    rows = [_usage_row(_day(row.day_ms), row.model, [row], pieces=pieces) for row in found]
    if len(rows) > 1 and not as_json:
        rows.append(_usage_row("total", "", found, pieces=pieces))
    show(rows, as_json=as_json, empty=f"No usage in the last {days} days.")


def _usage_row(day: str, model: str, used: Sequence[DailyUsage], *, pieces: bool) -> Row:
    """`pieces`: with a column for what is sold by the piece."""
    row: dict[str, object] = {
        "day_utc": day,
        "model": model,
        "calls": sum(row.calls for row in used),
        "input_tokens": sum(row.input_tokens for row in used),
        "output_tokens": sum(row.output_tokens for row in used),
    }
    if pieces:
        row["pieces"] = _pieces(used)
    return {**row, "credits": credit(sum(row.charge_ucr for row in used))}


def _pieces(used: Sequence[DailyUsage]) -> Mapping[str, int]:
    together: Pieces = ()
    for row in used:
        together = added(together, row.pieces)
    return dict(together)


def _day(day_ms: int) -> str:
    return datetime.fromtimestamp(day_ms / 1000, UTC).strftime("%Y-%m-%d")


def _grant_id(given: str | None) -> str:
    if given is None:
        return f"gr_{uuid4().hex[:16]}"
    if not valid_name(given):
        raise BadCall(f"{given!r} cannot be a grant id: 1 to 64 letters, digits, '.', '-' or '_'.")
    return given


def _utc_ms(moment_given: datetime | None) -> int:
    """0 for none."""
    if moment_given is None:
        return 0
    return int(moment_given.replace(tzinfo=UTC).timestamp() * 1000)


def _ucr(text: str) -> int:
    match = AMOUNT.fullmatch(text)
    if match is None:
        raise BadCall(
            "Expected a number of credits such as 100 or 0.5, more than 0 and with six decimals at "
            f"most, not {text!r}."
        )
    amount_ucr = int(match[1]) * UCR_PER_CREDIT + int((match[2] or "").ljust(6, "0"))
    if not amount_ucr:
        raise BadCall("A grant is more than 0 credits.")
    if amount_ucr > AMOUNT_MAX_UCR:
        raise BadCall(f"An account takes at most {credit_text(AMOUNT_MAX_UCR)} credits.")
    return amount_ucr
