"""What a command needs of a running installation: its settings, its stores, its secrets."""

import asyncio
import getpass
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import click

from gateway.access.accounts import Accounts
from gateway.access.issuing import Issuing
from gateway.app.stores import Stores, open_stores, store_address
from gateway.errors import BadCall, GatewayError
from gateway.metering.changes import DONE, FAILED, Change
from gateway.settings import Settings, load

Result = TypeVar("Result")

# A person waits longer than a call does, and a question about 400 days takes its time.
ANSWER_MS = 3_000
NAME_CHARS_MAX = 200

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("config/gateway.yaml"),
    envvar="TOLLKEEPER_CONFIG",
    show_envvar=True,
    show_default=True,
    help="The gateway's configuration file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


@dataclass(frozen=True, slots=True)
class Session:
    settings: Settings
    stores: Stores
    pepper: bytes

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.stores.keys, self.stores.ledger, self.settings.plans)

    @property
    def issuing(self) -> Issuing:
        return Issuing(self.stores.keys, pepper=self.pepper)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Session]:
    """The stores this configuration names; an embedded server is started or joined."""
    patient = replace(settings, store=replace(settings.store, admission_timeout_ms=ANSWER_MS))
    with store_address(patient) as address:
        async with open_stores(patient, address) as stores:
            yield Session(settings, stores, address.pepper)


def read_settings(config_path: Path) -> Settings:
    return load(config_path, os.environ)


def run(
    config_path: Path,
    work: Callable[[Session], Awaitable[Result]],
    *,
    change: Change | None = None,
) -> Result:
    """Do `work` against the stores; what goes wrong on purpose is one line and exit code 1.

    `change`: what it changes, for the audit trail.
    """

    async def session() -> Result:
        async with opened(read_settings(config_path)) as opened_session:
            if change is None:
                return await work(opened_session)
            async with _noted(opened_session, change):
                return await work(opened_session)

    with errors_as_exits():
        return asyncio.run(session())


def changing(action: str, *, account_id: str = "", subject: str = "", **details: object) -> Change:
    """By whoever runs this command, on this machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container's user often has no name.
        user = str(os.getuid())
    return Change(
        action=action,
        actor=f"command:{user}",
        via="command",
        address=socket.gethostname(),
        account_id=account_id,
        subject=subject,
        details={name: value for name, value in details.items() if value not in (None, "", ())},
    )


@asynccontextmanager
async def _noted(session: Session, change: Change) -> AsyncIterator[None]:
    """Nothing is done that could not be noted."""
    trail = session.stores.trail
    number = await trail.begin(change)
    outcome = FAILED
    try:
        yield
        outcome = DONE
    except GatewayError as error:
        outcome = error.code
        raise
    finally:
        with suppress(GatewayError):
            await trail.end(number, replace(change, outcome=outcome))


@contextmanager
def errors_as_exits() -> Iterator[None]:
    """What goes wrong on purpose, or in the file system, is a line on stderr and exit code 1."""
    try:
        yield
    except GatewayError as error:
        raise click.ClickException(error.message) from error
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise click.ClickException(f"The system refused{where}: {error.strerror}.") from error


def display_text(text: str) -> str:
    """A name or note that fits a line of a table; raises BadCall."""
    if len(text) > NAME_CHARS_MAX or not text.isprintable():
        raise BadCall(
            f"A name or note has at most {NAME_CHARS_MAX} characters and no line breaks or "
            "control characters."
        )
    return text
