"""The `tollkeeper` command."""

from collections.abc import Mapping
from importlib import import_module

import click

from gateway import __version__

# In the order in which they are needed: each command's module here, and what the list of commands
# says of it. It is imported when the command is asked for: all of the gateway takes a second.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("demo", "Try it: a simulated provider, some credit, a dashboard."),
    "check-config": ("check", "Tell what a configuration means, or what is wrong with it."),
    "serve": ("serve", "Serve calls until SIGTERM; then drain and end."),
    "doctor": ("doctor", "Check a deployment, and say what to do."),
    "accounts": ("accounts", "Create, list and change accounts."),
    "projects": ("projects", "Create, list and change the projects of an account."),
    "keys": ("keys", "Create, list, rotate and revoke virtual keys."),
    "grant": ("money", "Put credit into an account."),
    "balance": ("money", "What an account has left."),
    "usage": ("money", "What an account used, by day and model."),
    "prices": ("prices", "Rate cards: compare and import prices."),
    "export": ("export", "What billing systems got; send it again."),
    "webhooks": ("webhooks", "Where accounts, and you, are told of notices."),
    "audit": ("audit", "Recompute balances from the journal, and compare."),
    "trail": ("trail", "Who changed what, newest first."),
    "schema": ("check", "Write the JSON Schemas that editors use."),
}


class Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        found = getattr(import_module(f"gateway.cli.{module}"), cmd_name.replace("-", "_"))
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tollkeeper")
def main() -> None:
    """A transparent metering gateway for LLM APIs."""
