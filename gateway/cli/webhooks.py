"""`tollkeeper webhooks`: where accounts, and the operator, are told of notices."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from gateway.access.changing import until_made
from gateway.cli.accounts import existing
from gateway.cli.keys import span_ms
from gateway.cli.output import Row, moment, show, show_one
from gateway.cli.session import Session, changing, config_option, json_option, run
from gateway.errors import BadCall
from gateway.metering.notices import OPERATOR
from gateway.metering.webhooks import ENDPOINTS_MAX, TYPES, Endpoint, secret, secret_text
from gateway.sinks.addresses import permitted_literal

KEEP_IT = "Copy the secret now: it is not shown again. `webhooks rotate` makes another."


@click.group()
def webhooks() -> None:
    """Where accounts, and you, are told of notices: low balances, expiring credit, revoked keys."""


@webhooks.command()
@click.argument("url")
@click.option("--account", "account_id", help="Whose notices; without it, the operator's.")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice(TYPES),
    help="Only these; may be repeated.",
)
@config_option
@json_option
def add(
    url: str, account_id: str | None, types: tuple[str, ...], config_path: Path, *, as_json: bool
) -> None:
    """Have notices posted to URL, signed as Standard Webhooks are."""

    async def work(session: Session) -> Row:
        if account_id is not None:
            await existing(session, account_id)
        if not url.startswith(("https://", "http://")):
            raise BadCall(f"Expected a URL such as https://example.com/hook, not {url!r}.")
        if not permitted_literal(url, session.settings.webhooks.allow):
            raise BadCall(
                "The URL must lead to a public address, or to a network that the configuration "
                "allows under `webhooks`."
            )
        endpoint = Endpoint(
            endpoint_id=f"we_{secrets.token_hex(8)}",
            account_id=account_id or OPERATOR,
            url=url,
            types=types,
            created_ms=session.stores.ledger.now_ms(),
        )
        if not await session.stores.endpoints.add(endpoint):
            raise BadCall(f"An account has at most {ENDPOINTS_MAX} endpoints: remove one.")
        return _facts(endpoint) | {"secret": _secret(session, endpoint)}

    change = changing("webhooks add", account_id=account_id or "", url=url, types=types)
    _show_made(run(config_path, work, change=change), as_json=as_json)


@webhooks.command("list")
@config_option
@json_option
def list_all(config_path: Path, *, as_json: bool) -> None:
    """All endpoints, without their secrets."""

    async def work(session: Session) -> list[Row]:
        return [_facts(endpoint) for endpoint in await session.stores.endpoints.listed()]

    show(
        run(config_path, work), as_json=as_json, empty="No webhooks yet: `webhooks add` makes one."
    )


@webhooks.command()
@click.argument("webhook_id")
@click.option(
    "--overlap",
    metavar="SPAN",
    default="24h",
    show_default=True,
    help="How long the old secret signs as well.",
)
@config_option
@json_option
def rotate(webhook_id: str, overlap: str, config_path: Path, *, as_json: bool) -> None:
    """Make a new secret for WEBHOOK_ID; for a while both sign."""

    async def work(session: Session) -> Row:
        until_ms = session.stores.ledger.now_ms() + span_ms(overlap)
        rotated = await _changed(session, webhook_id, lambda each: each.rotated(until_ms))
        return _facts(rotated) | {"secret": _secret(session, rotated)}

    change = changing("webhooks rotate", subject=webhook_id, overlap=overlap)
    _show_made(run(config_path, work, change=change), as_json=as_json)


@webhooks.command()
@click.argument("webhook_id")
@config_option
@json_option
def enable(webhook_id: str, config_path: Path, *, as_json: bool) -> None:
    """Send to WEBHOOK_ID again, which had answered 410."""

    async def work(session: Session) -> Row:
        return _facts(await _changed(session, webhook_id, lambda each: replace(each, disabled="")))

    change = changing("webhooks enable", subject=webhook_id)
    show_one(run(config_path, work, change=change), as_json=as_json)


@webhooks.command()
@click.argument("webhook_id")
@config_option
@json_option
def remove(webhook_id: str, config_path: Path, *, as_json: bool) -> None:
    """Forget WEBHOOK_ID, and what is on its way to it."""

    async def work(session: Session) -> None:
        async def once() -> bool | None:
            endpoint = await _existing(session, webhook_id)
            return await session.stores.endpoints.remove(endpoint) or None

        await until_made(once)

    run(config_path, work, change=changing("webhooks remove", subject=webhook_id))
    show_one({"webhook": webhook_id, "removed": True}, as_json=as_json)


async def _changed(
    session: Session, webhook_id: str, change: Callable[[Endpoint], Endpoint]
) -> Endpoint:
    async def once() -> Endpoint | None:
        endpoint = await _existing(session, webhook_id)
        changed = change(endpoint)
        return changed if await session.stores.endpoints.change(endpoint, changed) else None

    return await until_made(once)


async def _existing(session: Session, webhook_id: str) -> Endpoint:
    found = await session.stores.endpoints.get(webhook_id)
    if found is None:
        raise BadCall(f"There is no webhook {webhook_id!r}. `webhooks list` shows those there are.")
    return found


def _secret(session: Session, endpoint: Endpoint) -> str:
    return secret_text(secret(session.pepper, endpoint.endpoint_id, endpoint.generation))


def _facts(endpoint: Endpoint) -> dict[str, object]:
    return {
        "webhook": endpoint.endpoint_id,
        "account": endpoint.account_id,
        "url": endpoint.url,
        "types": list(endpoint.types),
        "status": "disabled" if endpoint.disabled else "active",
        "created": moment(endpoint.created_ms),
    }


def _show_made(facts: Row, *, as_json: bool) -> None:
    show_one(facts, as_json=as_json)
    if not as_json:
        click.echo(f"\n{KEEP_IT}")
