"""`tollkeeper serve`: the gateway in production."""

import sys
from pathlib import Path

import click

from gateway.app.inherited import Inherited
from gateway.app.stores import store_address
from gateway.cli.reloading import Reloading
from gateway.cli.session import config_option, errors_as_exits, read_settings
from gateway.cli.supervisor import supervise


@click.command()
@config_option
@click.option(
    "--watch/--no-watch",
    default=True,
    show_default=True,
    help="Reload when a file of the configuration changes; SIGHUP reloads in any case.",
)
def serve(config_path: Path, *, watch: bool) -> None:
    """Serve calls until SIGTERM; then drain and end."""
    with errors_as_exits():
        settings = read_settings(config_path)
        with store_address(settings) as address:
            reloading = Reloading(lambda: read_settings(config_path), settings)
            code = supervise(Inherited.prepare(settings, address), reloading, watch=watch)
        sys.exit(code)
