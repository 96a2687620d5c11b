"""`tollkeeper serve`: the gateway in production."""

import sys
from pathlib import Path

import click

from gateway.app.inherited import Inherited
from gateway.app.stores import store_address
from gateway.cli.session import config_option, errors_as_exits, read_settings
from gateway.cli.supervisor import supervise


@click.command()
@config_option
def serve(config_path: Path) -> None:
    """Serve calls until SIGTERM; then drain and end."""
    with errors_as_exits():
        settings = read_settings(config_path)
        with store_address(settings) as address:
            code = supervise(Inherited.prepare(settings, address))
        sys.exit(code)
