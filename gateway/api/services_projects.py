"""Projects of accounts and the plans there are, for services."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from gateway.access.changing import until_made
from gateway.access.services import ServiceScope
from gateway.api.account_shapes import LISTED_MAX, Id, Name
from gateway.api.key import LimitReply, limit_reply
from gateway.api.limit_shapes import LimitBody, limits_in
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.reading import display_text
from gateway.api.resources import Resources
from gateway.api.shapes import (
    Amount,
    Body,
    Moment,
    Page,
    Query,
    Reply,
    Tagged,
    amount,
    etag_of,
    moment,
    page_of,
)
from gateway.api.whose import account_named
from gateway.errors import BadCall, Conflict, NotFound
from gateway.metering.accounts import Account, Project, Status, valid_name
from gateway.metering.limits import Scope
from gateway.metering.plans import Allowance, Plan

Limits = Annotated[list[LimitBody], Field(max_length=20)]


class ProjectRow(Tagged):
    """A part of an account, with limits for all of its keys together."""

    id: str
    account_id: str
    name: str
    status: str
    limits: Sequence[LimitReply]
    created_at: Moment


class CreateProject(Body):
    id: Id
    name: Name = ""
    limits: Annotated[Limits, Field(default_factory=list)]
    """In place of the plan's limits for projects of the same unit and window."""


class ChangeProject(Body):
    """What is left out stays as it is."""

    name: Name | None = None
    status: Literal["active", "suspended"] | None = None
    limits: Limits | None = None


class ListProjects(Query):
    cursor: Annotated[str, Field(max_length=64)] = ""
    """The last id of the page before."""
    limit: Annotated[int, Field(ge=1, le=LISTED_MAX)] = LISTED_MAX


class AllowanceReply(Reply):
    """Credit that comes anew each period."""

    amount: Amount
    every: str
    anchor: str
    """`calendar`: midnight UTC, Mondays, the first of the month; `account`: when it began."""
    rollover: Amount
    """The most that stays of a period's rest."""
    rollover_periods: int
    first_period: str
    plan_change: str


class PlanReply(Reply):
    """What accounts of this plan get and are held to."""

    name: str
    enforcement: str
    models: Sequence[str]
    limits: Sequence[LimitReply]
    overdraft: Amount
    allowance: AllowanceReply | None
    alerts: Sequence[str]
    """Marks whose crossing is told: the part that is used up, or the credits left."""


def operations(resources: Resources) -> Sequence[Operation]:
    projects = _Projects(resources)
    return (*_reading(projects), *_writing(projects))


def _reading(projects: "_Projects") -> Sequence[Operation]:
    read = partial(
        Operation, tag="Accounts", audience=Audience.SERVICE, scope=ServiceScope.ACCOUNTS_READ
    )
    return (
        read(
            method="GET",
            path="/plans",
            name="listPlans",
            summary="The plans of the configuration",
            handler=projects.plans,
            answer=Page[PlanReply],
        ),
        read(
            method="GET",
            path="/accounts/{account_id}/projects",
            name="listProjects",
            summary="An account's projects, by id",
            query=ListProjects,
            handler=projects.listed,
            answer=Page[ProjectRow],
            errors=(NotFound,),
        ),
        read(
            method="GET",
            path="/accounts/{account_id}/projects/{project_id}",
            name="getProject",
            summary="A project of an account",
            handler=projects.get,
            answer=ProjectRow,
            errors=(NotFound,),
        ),
    )


def _writing(projects: "_Projects") -> Sequence[Operation]:
    write = partial(
        Operation,
        tag="Accounts",
        audience=Audience.SERVICE,
        scope=ServiceScope.ACCOUNTS_WRITE,
        changes=True,
    )
    return (
        write(
            method="POST",
            path="/accounts/{account_id}/projects",
            name="createProject",
            summary="A new project of an account",
            body=CreateProject,
            handler=projects.create,
            answer=ProjectRow,
            status=201,
            idempotent=True,
            errors=(NotFound, Conflict),
        ),
        write(
            method="PATCH",
            path="/accounts/{account_id}/projects/{project_id}",
            name="changeProject",
            summary="Another name, status or other limits",
            body=ChangeProject,
            handler=projects.change,
            answer=ProjectRow,
            conditional=True,
            errors=(NotFound,),
        ),
    )


class _Projects:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._keys = resources.keys

    async def plans(self, asked: Asked[Query]) -> Page[PlanReply]:
        del asked
        known = [_plan(plan) for _, plan in sorted(self._resources.plans.items())]
        return Page[PlanReply](data=known, next_cursor=None)

    async def listed(self, asked: Asked[Query]) -> Page[ProjectRow]:
        query = asked.query
        assert isinstance(query, ListProjects)
        account = await self._account(asked)
        page, cursor = page_of(
            await self._keys.projects(account.account_id),
            limit=query.limit,
            cursor=query.cursor,
            place=lambda project: project.project_id,
        )
        return Page[ProjectRow](data=[_row(project) for project in page], next_cursor=cursor)

    async def create(self, asked: Asked[Query]) -> ProjectRow:
        body = asked.body
        assert isinstance(body, CreateProject)
        account = await self._account(asked)
        if not valid_name(body.id):
            raise BadCall(
                "A project id has 1 to 64 letters, digits, '.', '-' or '_'.",
                details={"param": "id"},
            )
        if await self._keys.project(account.account_id, body.id) is not None:
            raise Conflict(f"The account has a project {body.id!r} already.")
        project = Project(
            project_id=body.id,
            account_id=account.account_id,
            name=display_text(body.name, what="A name"),
            limits=limits_in(body.limits, Scope.PROJECT),
            created_ms=self._resources.ledger.now_ms(),
        )
        await self._keys.put_project(project)
        return _row(project)

    async def get(self, asked: Asked[Query]) -> ProjectRow:
        return _row(await self._project(asked))

    async def change(self, asked: Asked[Query]) -> ProjectRow:
        body = asked.body
        assert isinstance(body, ChangeProject)

        async def once() -> ProjectRow | None:
            known = await self._project(asked)
            asked.must_match(etag_of(known))
            changed = _changed(known, body)
            made = changed == known or await self._keys.change_project(known, changed)
            return _row(changed) if made else None

        return await until_made(once)

    async def _project(self, asked: Asked[Query]) -> Project:
        account = await self._account(asked)
        known = await self._keys.project(account.account_id, asked.segments["project_id"])
        if known is None:
            raise NotFound("The account has no project of that id.")
        return known

    async def _account(self, asked: Asked[Query]) -> Account:
        return await account_named(asked.segments["account_id"], self._keys)


def _changed(known: Project, body: ChangeProject) -> Project:
    return replace(
        known,
        name=known.name if body.name is None else display_text(body.name, what="A name"),
        status=known.status if body.status is None else Status(body.status),
        limits=known.limits if body.limits is None else limits_in(body.limits, Scope.PROJECT),
    )


def _row(project: Project) -> ProjectRow:
    return ProjectRow(
        id=project.project_id,
        account_id=project.account_id,
        name=project.name,
        status=project.status,
        limits=[limit_reply(limit) for limit in project.limits],
        created_at=moment(project.created_ms),
        etag=etag_of(project),
    )


def _plan(plan: Plan) -> PlanReply:
    return PlanReply(
        name=plan.name,
        enforcement=plan.enforcement,
        models=plan.models,
        limits=[limit_reply(limit) for limit in plan.limits],
        overdraft=amount(plan.overdraft_ucr),
        allowance=None if plan.allowance is None else _allowance(plan.allowance),
        alerts=[alert.name for alert in plan.alerts],
    )


def _allowance(allowance: Allowance) -> AllowanceReply:
    return AllowanceReply(
        amount=amount(allowance.amount_ucr),
        every=allowance.every,
        anchor=allowance.anchor,
        rollover=amount(allowance.rollover_ucr),
        rollover_periods=allowance.rollover_periods,
        first_period=allowance.first_period,
        plan_change=allowance.plan_change,
    )
