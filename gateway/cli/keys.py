"""`tollkeeper keys`: virtual keys. A secret is shown once, when it is made."""

import re
from dataclasses import replace
from pathlib import Path

import click

from gateway.access.changing import until_made
from gateway.access.issuing import possible_key_id
from gateway.cli.accounts import existing
from gateway.cli.limits import HELP, limit_text, limits_of
from gateway.cli.output import moment, show, show_one
from gateway.cli.projects import existing_project
from gateway.cli.session import Session, changing, config_option, display_text, json_option, run
from gateway.errors import BadCall
from gateway.metering.accounts import Status, VirtualKey
from gateway.metering.limits import Scope

SPAN = re.compile(r"([0-9]{1,9})([smhd])")
SPAN_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# A century: whoever wants longer wants no end.
SPAN_MAX_MS = 36_500 * SPAN_MS["d"]
KEEP_IT = "Copy the key now: only a digest of it is kept, and it is not shown again."


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke virtual keys."""


@keys.command()
@click.option("--account", "account_id", required=True, help="Who pays for it.")
@click.option("--name", default="", help="What it is for.")
@click.option("--project", "project_id", help="A project of the account; its limits count as well.")
@click.option("--model", "models", multiple=True, help="Allow only models matching this glob.")
@click.option("--limit", "limits", multiple=True, help=HELP)
@click.option("--expires-in", metavar="SPAN", help="Such as 12h or 90d; never without it.")
@click.option("--manage", is_flag=True, help="Let it manage the account's other keys.")
@config_option
@json_option
def create(
    account_id: str,
    name: str,
    *,
    project_id: str | None,
    models: tuple[str, ...],
    limits: tuple[str, ...],
    expires_in: str | None,
    config_path: Path,
    manage: bool,
    as_json: bool,
) -> None:
    """Make a key. Copy it now: only a digest is kept."""

    async def work(session: Session) -> tuple[VirtualKey, str]:
        await existing(session, account_id)
        if project_id is not None:
            await existing_project(session, account_id, project_id)
        now_ms = session.stores.ledger.now_ms()
        return await session.issuing.issue(
            VirtualKey(
                key_id="",
                account_id=account_id,
                digest="",
                name=display_text(name),
                project_id=project_id or "",
                models=tuple(_model_glob(model) for model in models),
                manages=manage,
                limits=limits_of(limits, Scope.KEY),
                created_ms=now_ms,
                expires_ms=now_ms + span_ms(expires_in) if expires_in else 0,
            ),
        )

    change = changing(
        "keys create", account_id=account_id, name=name, models=models, expires_in=expires_in
    )
    _show_made(*run(config_path, work, change=change), as_json=as_json)


@keys.command("list")
@click.option("--account", "account_id", help="Only this account's.")
@config_option
@json_option
def list_all(account_id: str | None, config_path: Path, *, as_json: bool) -> None:
    """All keys, without their secrets."""

    async def work(session: Session) -> list[dict[str, object]]:
        if account_id is not None:
            await existing(session, account_id)
        now_ms = session.stores.ledger.now_ms()
        return [_facts(key, now_ms=now_ms) for key in await session.stores.keys.keys(account_id)]

    show(run(config_path, work), as_json=as_json, empty="No keys yet: `keys create` makes one.")


@keys.command("set")
@click.argument("key_id")
@click.option("--limit", "limits", multiple=True, required=True, help=f'{HELP} --limit "": none.')
@config_option
@json_option
def change(key_id: str, limits: tuple[str, ...], config_path: Path, *, as_json: bool) -> None:
    """Give KEY_ID other limits of its own; they count from the next call on."""

    async def work(session: Session) -> dict[str, object]:
        async def once() -> VirtualKey | None:
            key = await _existing_key(session, key_id)
            changed = replace(key, limits=limits_of(limits, Scope.KEY))
            return changed if await session.stores.keys.change_key(key, changed) else None

        changed = await until_made(once)
        return _facts(changed, now_ms=session.stores.ledger.now_ms())

    noted = changing("keys set", subject=key_id, limits=limits)
    show_one(run(config_path, work, change=noted), as_json=as_json)


@keys.command()
@click.argument("key_id")
@click.option(
    "--overlap",
    metavar="SPAN",
    default="24h",
    show_default=True,
    help="How long the old one still works.",
)
@config_option
@json_option
def rotate(key_id: str, overlap: str, config_path: Path, *, as_json: bool) -> None:
    """Make a new key like KEY_ID; the old one works on during the overlap."""

    async def work(session: Session) -> tuple[VirtualKey, str]:
        async def once() -> tuple[VirtualKey, str] | None:
            old = await _existing_key(session, key_id)
            return await session.issuing.rotate(
                old, overlap_ms=span_ms(overlap), now_ms=session.stores.ledger.now_ms()
            )

        return await until_made(once)

    change = changing("keys rotate", subject=key_id, overlap=overlap)
    _show_made(*run(config_path, work, change=change), as_json=as_json)


@keys.command()
@click.argument("key_id")
@config_option
@json_option
def revoke(key_id: str, config_path: Path, *, as_json: bool) -> None:
    """End KEY_ID for good, everywhere, within a second."""

    async def work(session: Session) -> dict[str, object]:
        key = await _existing_key(session, key_id)
        await session.stores.keys.set_key_status(key_id, Status.REVOKED)
        revoked = replace(key, status=Status.REVOKED)
        return _facts(revoked, now_ms=session.stores.ledger.now_ms())

    change = changing("keys revoke", subject=key_id)
    show_one(run(config_path, work, change=change), as_json=as_json)


async def _existing_key(session: Session, key_id: str) -> VirtualKey:
    key = await session.stores.keys.key(key_id) if possible_key_id(key_id) else None
    if key is None:
        raise BadCall(f"There is no key {key_id!r}. `keys list` shows those there are.")
    return key


def span_ms(text: str) -> int:
    """`90s`, `15m`, `12h`, `30d` in milliseconds."""
    match = SPAN.fullmatch(text)
    if match is None:
        raise BadCall(f"Expected a time span such as 90s, 15m, 12h or 30d, not {text!r}.")
    span = int(match[1]) * SPAN_MS[match[2]]
    if span > SPAN_MAX_MS:
        raise BadCall(f"A time span has at most 36500d, not {text!r}; leave it out for no end.")
    return span


def _model_glob(text: str) -> str:
    if not text.isprintable() or not text or " " in text:
        raise BadCall(f"Expected a model name or glob such as gpt-4.1*, not {text!r}.")
    return text


def _show_made(key: VirtualKey, presented: str, *, as_json: bool) -> None:
    show_one({"key": presented} | _facts(key, now_ms=key.created_ms), as_json=as_json)
    if not as_json:
        click.echo(f"\n{KEEP_IT}")


def _facts(key: VirtualKey, *, now_ms: int) -> dict[str, object]:
    over = key.status is Status.ACTIVE and 0 < key.expires_ms <= now_ms
    return {
        "key_id": key.key_id,
        "account": key.account_id,
        "name": key.name,
        "status": "expired" if over else key.status.value,
        "project": key.project_id,
        "only_models": list(key.models),
        "manages_keys": key.manages,
        "limits": [limit_text(limit) for limit in key.limits],
        "created": moment(key.created_ms),
        "expires": moment(key.expires_ms),
    }
