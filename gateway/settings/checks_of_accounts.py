"""Rules between settings, second part: plans with their limits, accounts with keys and grants."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from gateway.dialects.unknown_endpoint import UNKNOWN_ENDPOINT
from gateway.metering.pieces import PIECES
from gateway.metering.routes import is_exact
from gateway.settings.documents import Node
from gateway.settings.problems import Problems, did_you_mean
from gateway.settings.reading import Files
from gateway.settings.schema import AccountBlock, KeyBlock
from gateway.settings.schema_plans import KeyLimitBlock, LimitBlock, PlanBlock


def check_plans(files: Files, problems: Problems) -> None:
    if files.plans is None:
        return
    for name, plan in files.plans.blocks.items():
        node = files.plans.node.at(name)
        _check_enforcement(plan, node, problems)
        _check_away(plan, node, problems)
        _check_limits(plan.limits, node.at("limits"), problems)
        _check_models_routed(files, plan.models, node.at("models"), problems=problems)


def _check_enforcement(plan: PlanBlock, node: Node, problems: Problems) -> None:
    if problems.about(node, "enforcement"):
        return
    if plan.overdraft_credits is not None and plan.enforcement != "soft":
        problems.add(
            node.at("overdraft_credits"),
            f"an overdraft is for enforcement: soft, came {plan.enforcement}",
            suggestion="Remove it, or write enforcement: soft.",
        )
    if plan.overdraft_credits is None and plan.enforcement == "soft":
        problems.add_missing(
            node,
            "overdraft_credits",
            "soft needs a bound to go below zero by",
            suggestion='Add overdraft_credits: "100".',
        )


def _check_away(plan: PlanBlock, node: Node, problems: Problems) -> None:
    if plan.store_away == "refuse":
        if plan.advance_credits is not None:
            problems.add(
                node.at("advance_credits"),
                "an advance is for store_away: advance, came refuse",
                suggestion="Remove it, or write store_away: advance.",
            )
    elif plan.enforcement == "observe":
        problems.add(
            node.at("store_away"),
            "enforcement: observe refuses nothing, so nothing could bound an advance",
            suggestion="Write store_away: refuse, or another enforcement.",
        )
    elif plan.advance_credits is None:
        problems.add_missing(
            node,
            "advance_credits",
            "advance needs a bound: what a worker may serve without the store",
            suggestion='Add advance_credits: "1".',
        )


def _check_limits(limits: Sequence[KeyLimitBlock], node: Node, problems: Problems) -> None:
    first: dict[tuple[str, str | None, str], int] = {}
    for index, limit in enumerate(limits):
        here = node.at(index)
        _check_limit(limit, here, problems)
        scope = limit.scope if isinstance(limit, LimitBlock) else "own"
        kind = (limit.unit, limit.per, scope)
        if kind in first:
            problems.add(
                here,
                f"the same unit, window and scope as the limit on line {node.at(first[kind]).line}",
                suggestion="Keep the lower of the two.",
            )
        first.setdefault(kind, index)


def _check_limit(limit: KeyLimitBlock, node: Node, problems: Problems) -> None:
    if limit.unit == "calls" and limit.per is not None:
        problems.add(
            node.at("per"),
            "calls are counted while they run and have no window",
            suggestion="Remove per, or count requests.",
        )
    if limit.unit != "calls" and limit.per is None:
        problems.add_missing(
            node,
            "per",
            f"a limit of {limit.unit} needs a window",
            suggestion="Add per: minute, hour, day, week, month or total.",
        )
    if limit.unit != "credits" and limit.ceiling != int(limit.ceiling):
        problems.add(
            node.at("ceiling"),
            f"expected a whole number of {limit.unit}, came {limit.ceiling}",
            suggestion=f"Write {int(limit.ceiling)}.",
        )


def _check_models_routed(
    files: Files, models: tuple[str, ...], node: Node, *, problems: Problems
) -> None:
    # What has no model bears the name of its piece: a container, a search in stored files.
    matches = [*(route.match for route in files.main.models), *PIECES]
    if files.main.unknown_endpoints == "forward_flat":
        matches.append(UNKNOWN_ENDPOINT)
    for index, model in enumerate(models):
        if is_exact(model) and not any(fnmatchcase(model, match) for match in matches):
            close = did_you_mean(model, [match for match in matches if is_exact(match)])
            problems.add(
                node.at(index),
                f"no entry under models routes {model!r}",
                suggestion=close if close.startswith("Did") else "Add a route, or remove it.",
            )


def check_accounts(files: Files, problems: Problems) -> None:
    accounts = files.main.accounts
    node = files.node.at("accounts")
    _check_unique([account.id for account in accounts], node, problems)
    key_ids: dict[str, Node] = {}
    for index, account in enumerate(accounts):
        here = node.at(index)
        _check_account(files, account, here, problems=problems)
        for key_index, key in enumerate(account.keys):
            key_node = here.at("keys", key_index)
            _check_key(files, key, key_node, problems=problems)
            _check_project(key, account, key_node, problems)
            if key.id in key_ids:
                _twice(key_node.at("id"), key.id, key_ids[key.id], problems)
            key_ids.setdefault(key.id, key_node.at("id"))


def _check_account(files: Files, account: AccountBlock, node: Node, *, problems: Problems) -> None:
    if files.plans is not None and account.plan not in files.plans.declared:
        problems.add(
            node.at("plan"),
            f"no plan is named {account.plan!r}",
            suggestion=did_you_mean(account.plan, sorted(files.plans.declared)),
        )
    _check_unique([each.id for each in account.projects], node.at("projects"), problems)
    for index, project in enumerate(account.projects):
        _check_limits(project.limits, node.at("projects", index, "limits"), problems)
    grants = node.at("grants")
    _check_unique([grant.id for grant in account.grants], grants, problems)
    for index, grant in enumerate(account.grants):
        if grant.expires is not None and grant.expires <= (grant.effective or 0):
            problems.add(
                grants.at(index, "expires"),
                "the grant expires before it is effective",
                suggestion="Choose a later day for expires.",
            )


def _check_key(files: Files, key: KeyBlock, node: Node, *, problems: Problems) -> None:
    _check_models_routed(files, key.models, node.at("models"), problems=problems)
    _check_limits(key.limits, node.at("limits"), problems)


def _check_project(key: KeyBlock, account: AccountBlock, node: Node, problems: Problems) -> None:
    known = sorted(project.id for project in account.projects)
    if key.project is not None and key.project not in known:
        problems.add(
            node.at("project"),
            f"the account has no project {key.project!r}",
            suggestion=did_you_mean(key.project, known) if known else "Declare it under projects.",
        )


def _check_unique(ids: list[str], node: Node, problems: Problems) -> None:
    first: dict[str, Node] = {}
    for index, name in enumerate(ids):
        here = node.at(index, "id")
        if name in first:
            _twice(here, name, first[name], problems)
        first.setdefault(name, here)


def _twice(node: Node, name: str, first: Node, problems: Problems) -> None:
    problems.add(
        node,
        f"expected a new id, came {name!r}, which line {first.line} has",
        suggestion="Give each its own id.",
    )
