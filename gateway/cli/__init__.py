"""The `tollkeeper` command."""

from collections.abc import Mapping
from importlib import import_module

import click

from gateway import __version__

# Each command's module here. It is imported when the command is asked for: most need a fraction of
# the gateway, and all of it takes a second.
COMMANDS: Mapping[str, str] = {
    "accounts": "accounts",
    "audit": "audit",
    "balance": "money",
    "check-config": "check",
    "demo": "demo",
    "doctor": "doctor",
    "export": "export",
    "grant": "money",
    "keys": "keys",
    "prices": "prices",
    "projects": "projects",
    "schema": "check",
    "serve": "serve",
    "trail": "trail",
    "usage": "money",
    "webhooks": "webhooks",
}


class Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        found = getattr(import_module(f"gateway.cli.{module}"), cmd_name.replace("-", "_"))
        assert isinstance(found, click.Command)
        return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tollkeeper")
def main() -> None:
    """A transparent metering gateway for LLM APIs."""
