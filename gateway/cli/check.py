"""`check-config`, `schema`: what can be done with a configuration at rest."""

import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson

from gateway.cli.summary import as_text, summary
from gateway.settings import examine
from gateway.settings.json_schema import schemas, with_reference
from gateway.settings.price_import.files import names_beside
from gateway.settings.price_import.package import known_names
from gateway.settings.price_import.vendors import VENDORS


@click.command("check-config")
@click.argument("path", type=click.Path(path_type=Path), default=Path("config/gateway.yaml"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def check_config(path: Path, *, as_json: bool) -> None:
    """Tell what a configuration means, or what is wrong with it.

    It is read as `serve` would read it. Exit code 1 when there is a problem. Secrets are
    resolved, never printed.
    """
    examined = examine(path, os.environ)
    rows = None
    if examined.settings is not None:
        known = known_names(VENDORS) | names_beside(examined.settings.files)
        rows = summary(examined.settings, known, datetime.now(UTC).date())
    if as_json:
        click.echo(
            orjson.dumps(
                {
                    "valid": examined.settings is not None,
                    "problems": [asdict(problem) for problem in examined.problems],
                    "summary": rows,
                },
                option=orjson.OPT_INDENT_2,
            ).decode()
        )
    elif rows is not None:
        click.echo(as_text(path, rows))
    else:
        count = len(examined.problems)
        click.echo("\n".join(map(str, examined.problems)), err=True)
        click.echo(f"\n{count} problem{'s' if count > 1 else ''}.", err=True)
    if rows is None:
        raise SystemExit(1)


@click.command("schema")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--reference",
    "page",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A page whose reference between the two marks is renewed as well.",
)
def schema(directory: Path, page: Path | None) -> None:
    """Write the JSON Schemas that editors use into DIRECTORY."""
    for name, document in schemas().items():
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        (directory / name).write_bytes(text)
        click.echo(f"wrote {directory / name}")
    if page is not None:
        page.write_text(with_reference(page.read_text("utf-8")), "utf-8")
        click.echo(f"wrote {page}")
