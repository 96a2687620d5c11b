"""`tollkeeper grant`, `balance`, `usage`: credit in, what is left, where it went."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from uuid import uuid4

import click

from gateway.cli.accounts import existing
from gateway.cli.keys import span_ms
from gateway.cli.output import credit_text, show, show_one, utc
from gateway.cli.session import Session, config_option, json_option, run
from gateway.errors import BadCall
from gateway.metering.ledger import DEFAULT_PRIORITY, Balance, Grant, Granted, GrantKind
from gateway.metering.pricing import AMOUNT_MAX_UCR, UCR_PER_CREDIT

DAY_MS = 86_400_000


@click.command()
@click.argument("account_id")
@click.argument("credits_text", metavar="CREDITS")
@click.option("--id", "grant_id", help="Grant once under this id, however often it is repeated.")
@click.option("--kind", type=click.Choice(list(GrantKind)), default=GrantKind.PREPAID)
@click.option("--priority", type=click.IntRange(0, 100), help="Lower burns first.")
@click.option("--expires-in", help="Such as 30d; never without it.")
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
    note: str,
    config_path: Path,
    *,
    as_json: bool,
) -> None:
    """Put CREDITS into ACCOUNT_ID."""

    async def work(session: Session) -> tuple[Grant, Granted, Balance]:
        await existing(session, account_id)
        ledger = session.stores.ledger
        given = Grant(
            grant_id=grant_id or f"gr_{uuid4().hex[:16]}",
            account_id=account_id,
            amount_ucr=_ucr(credits_text),
            kind=GrantKind(kind),
            priority=DEFAULT_PRIORITY[GrantKind(kind)] if priority is None else priority,
            expires_ms=ledger.now_ms() + span_ms(expires_in) if expires_in else 0,
            note=note,
        )
        return given, await ledger.grant(given), await ledger.balance(account_id)

    given, granted, balance = run(config_path, work)
    show_one(
        {
            "grant": given.grant_id,
            "credits": credit_text(given.amount_ucr),
            "repeated": "yes: nothing changed" if granted.repeated else "no",
            "debt_paid": credit_text(granted.debt_paid_ucr),
            "available": credit_text(balance.available_ucr),
        },
        as_json=as_json,
    )


@click.command()
@click.argument("account_id")
@config_option
@json_option
def balance(account_id: str, config_path: Path, *, as_json: bool) -> None:
    """What ACCOUNT_ID has: available, held by running calls, and its grants in burn order."""

    async def work(session: Session) -> Balance:
        await existing(session, account_id)
        return await session.stores.ledger.balance(account_id)

    found = run(config_path, work)
    facts: dict[str, object] = {
        "account": found.account_id,
        "as_of": utc(found.now_ms),
        "available": credit_text(found.available_ucr),
        "held": credit_text(found.held_ucr),
        "running_calls": found.live_holds,
        "debt": credit_text(found.debt_ucr),
        "granted": credit_text(found.granted_ucr),
        "charged": credit_text(found.charged_ucr),
        "observed": credit_text(found.observed_ucr),
    }
    grants = [
        {
            "grant": state.grant_id,
            "kind": state.kind.value,
            "credits": credit_text(state.amount_ucr),
            "remaining": credit_text(state.remaining_ucr),
            "held": credit_text(state.held_ucr),
            "consumed": credit_text(state.consumed_ucr),
            "expired": credit_text(state.expired_ucr),
            "effective": utc(state.effective_ms),
            "expires": utc(state.expires_ms),
            "note": state.note,
        }
        for state in found.grants
    ]
    if as_json:
        show_one(facts | {"grants": grants}, as_json=True)
        return
    show_one(facts, as_json=False)
    click.echo()
    show(grants, as_json=False, empty="No grants yet: `grant` puts credit in.")


@click.command()
@click.argument("account_id")
@click.option("--days", type=click.IntRange(1, 400), default=30, show_default=True)
@config_option
@json_option
def usage(account_id: str, days: int, config_path: Path, *, as_json: bool) -> None:
    """What ACCOUNT_ID used, by UTC day and model."""

    async def work(session: Session) -> list[dict[str, object]]:
        await existing(session, account_id)
        ledger = session.stores.ledger
        today_ms = ledger.now_ms() // DAY_MS * DAY_MS
        found = await ledger.usage_by_day(
            account_id, first_day_ms=today_ms - (days - 1) * DAY_MS, last_day_ms=today_ms
        )
        return [
            {
                "day_utc": datetime.fromtimestamp(row.day_ms / 1000, UTC).strftime("%Y-%m-%d"),
                "model": row.model,
                "calls": row.calls,
                "input_tokens": row.input_tokens,
                "output_tokens": row.output_tokens,
                "credits": credit_text(row.charge_ucr),
            }
            for row in found
        ]

    show(run(config_path, work), as_json=as_json, empty=f"No usage in the last {days} days.")


def _ucr(text: str) -> int:
    try:
        amount = Decimal(text) * UCR_PER_CREDIT
    except InvalidOperation:
        raise BadCall(f"Expected a number of credits such as 100 or 0.5, not {text!r}.") from None
    if not amount.is_finite() or amount != amount.to_integral_value() or amount <= 0:
        raise BadCall(f"Credits are positive and have at most six decimals; {text!r} has not.")
    if amount > AMOUNT_MAX_UCR:
        raise BadCall(f"At most {credit_text(AMOUNT_MAX_UCR)} credits can be granted at once.")
    return int(amount)
