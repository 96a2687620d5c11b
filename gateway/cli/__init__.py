"""The `tollkeeper` command."""

import click

from gateway import __version__
from gateway.cli.accounts import accounts
from gateway.cli.audit import audit
from gateway.cli.check import check_config, schema
from gateway.cli.demo import demo
from gateway.cli.export import export
from gateway.cli.keys import keys
from gateway.cli.money import balance, grant, usage
from gateway.cli.prices import prices
from gateway.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tollkeeper")
def main() -> None:
    """A transparent metering gateway for LLM APIs."""


for command in (
    *(serve, demo),
    *(check_config, schema, prices),
    *(accounts, keys, grant, balance, usage, export, audit),
):
    main.add_command(command)
