"""What a command needs of a running installation: its settings, its stores, its secrets."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from gateway.app import Stores, open_stores, store_address
from gateway.errors import GatewayError
from gateway.settings import Settings, load

Result = TypeVar("Result")

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("config/gateway.yaml"),
    envvar="TOLLKEEPER_CONFIG",
    show_default=True,
    help="The gateway's configuration file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


@dataclass(frozen=True, slots=True)
class Session:
    settings: Settings
    stores: Stores
    pepper: bytes


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Session]:
    """The stores this configuration names; an embedded server is started or joined."""
    with store_address(settings) as address:
        async with open_stores(settings, address) as stores:
            yield Session(settings, stores, address.pepper)


def read_settings(config_path: Path) -> Settings:
    return load(config_path, os.environ)


def run(config_path: Path, work: Callable[[Session], Awaitable[Result]]) -> Result:
    """Do `work` against the stores; what goes wrong on purpose is one line and exit code 1."""

    async def session() -> Result:
        async with opened(read_settings(config_path)) as opened_session:
            return await work(opened_session)

    with errors_as_exits():
        return asyncio.run(session())


@contextmanager
def errors_as_exits() -> Iterator[None]:
    """A GatewayError becomes its message on stderr and exit code 1."""
    try:
        yield
    except GatewayError as error:
        raise click.ClickException(error.message) from error
