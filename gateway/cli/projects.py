"""`tollkeeper projects`: parts of an account, with limits for all of their keys together."""

from dataclasses import replace
from pathlib import Path

import click

from gateway.access.changing import until_made
from gateway.cli.accounts import existing
from gateway.cli.limits import HELP, limit_text, limits_of
from gateway.cli.output import moment, show, show_one
from gateway.cli.session import (
    Session,
    changing,
    config_option,
    display_text,
    json_option,
    run,
)
from gateway.errors import BadCall, Conflict
from gateway.metering.accounts import Project, Status, valid_name
from gateway.metering.limits import Scope


@click.group()
def projects() -> None:
    """Create, list and change the projects of an account."""


@projects.command()
@click.argument("account_id")
@click.argument("project_id")
@click.option("--name", default="", help="What people call it.")
@click.option("--limit", "limits", multiple=True, help=HELP)
@config_option
@json_option
def create(
    account_id: str,
    project_id: str,
    name: str,
    limits: tuple[str, ...],
    config_path: Path,
    *,
    as_json: bool,
) -> None:
    """Create PROJECT_ID in ACCOUNT_ID. Its calls are paid by the account."""

    async def work(session: Session) -> Project:
        await existing(session, account_id)
        if not valid_name(project_id):
            raise BadCall("A project id has 1 to 64 letters, digits, '.', '-' or '_'.")
        if await session.stores.keys.project(account_id, project_id) is not None:
            raise Conflict(f"The account has a project {project_id!r} already.")
        project = Project(
            project_id=project_id,
            account_id=account_id,
            name=display_text(name),
            limits=limits_of(limits, Scope.PROJECT),
            created_ms=session.stores.ledger.now_ms(),
        )
        await session.stores.keys.put_project(project)
        return project

    noted = changing(
        "projects create", account_id=account_id, subject=project_id, name=name, limits=limits
    )
    show_one(_facts(run(config_path, work, change=noted)), as_json=as_json)


@projects.command("list")
@click.argument("account_id")
@config_option
@json_option
def list_all(account_id: str, config_path: Path, *, as_json: bool) -> None:
    """All projects of ACCOUNT_ID."""

    async def work(session: Session) -> list[dict[str, object]]:
        await existing(session, account_id)
        return [_facts(project) for project in await session.stores.keys.projects(account_id)]

    rows = run(config_path, work)
    show(rows, as_json=as_json, empty="No projects yet: `projects create` makes one.")


@projects.command("set")
@click.argument("account_id")
@click.argument("project_id")
@click.option("--name", help="Rename it.")
@click.option("--limit", "limits", multiple=True, help=f'{HELP} --limit "" takes all away.')
@click.option(
    "--status",
    type=click.Choice([Status.ACTIVE.value, Status.SUSPENDED.value]),
    help="Only an active project's calls are served.",
)
@config_option
@json_option
def change(
    account_id: str,
    project_id: str,
    name: str | None,
    limits: tuple[str, ...],
    status: str | None,
    *,
    config_path: Path,
    as_json: bool,
) -> None:
    """Change PROJECT_ID of ACCOUNT_ID. Its limits count from the next call on."""
    if name is None and status is None and not limits:
        raise click.UsageError("Nothing to change: give --name, --limit or --status.")

    async def work(session: Session) -> Project:
        async def once() -> Project | None:
            project = await existing_project(session, account_id, project_id)
            changed = replace(
                project,
                name=project.name if name is None else display_text(name),
                status=project.status if status is None else Status(status),
                limits=limits_of(limits, Scope.PROJECT) if limits else project.limits,
            )
            return changed if await session.stores.keys.change_project(project, changed) else None

        return await until_made(once)

    noted = changing(
        "projects set",
        account_id=account_id,
        subject=project_id,
        name=name,
        limits=limits,
        status=status,
    )
    show_one(_facts(run(config_path, work, change=noted)), as_json=as_json)


async def existing_project(session: Session, account_id: str, project_id: str) -> Project:
    """Raises BadCall when the account has none of that id."""
    await existing(session, account_id)
    project = await session.stores.keys.project(account_id, project_id)
    if project is None:
        raise BadCall(f"There is no project {project_id!r}. `projects list` shows those there are.")
    return project


def _facts(project: Project) -> dict[str, object]:
    return {
        "project": project.project_id,
        "account": project.account_id,
        "name": project.name,
        "status": project.status.value,
        "limits": [limit_text(limit) for limit in project.limits],
        "created": moment(project.created_ms),
    }
