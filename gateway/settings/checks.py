"""Rules between settings: references that lead nowhere, combinations that cannot work.

Each function looks at one subject and adds what is wrong. A rule is skipped where what it
depends on is itself broken and reported already.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.settings.checks_of_accounts import check_accounts, check_plans
from gateway.settings.checks_of_prices import check_prices
from gateway.settings.checks_of_providers import check_providers
from gateway.settings.documents import Node
from gateway.settings.problems import Problems
from gateway.settings.reading import Files
from gateway.settings.routes import check_route
from gateway.settings.sinks import check_sinks

NO_APIS: frozenset[str] = frozenset()
LOCAL_HOSTS = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound


def check(files: Files, problems: Problems) -> None:
    for rule in RULES:
        rule(files, problems)


def _listeners(files: Files, problems: Problems) -> None:
    listen, admin, at = files.main.listen, files.main.admin, files.node.at
    overlap = listen.host == admin.host or {listen.host, admin.host} & set(LOCAL_HOSTS)
    if overlap and listen.port == admin.port != 0:
        written = at("admin", "port")
        problems.add(
            written if written.path else at("listen", "port"),
            f"expected two ports, came {admin.port} as listen.port and as admin.port",
            suggestion="Choose another port for the admin listener.",
        )
    if listen.port == 0 and listen.workers > 1:
        problems.add(
            at("listen", "port"),
            f"port 0 gives each of the {listen.workers} workers another port",
            suggestion="Name the port, or run one worker.",
        )


def _store(files: Files, problems: Problems) -> None:
    store = files.main.store
    if store.url is not None and store.pepper is None:
        problems.add_missing(
            files.node.at("store"),
            "pepper",
            "a pepper is required with store.url: every gateway must have the same",
            suggestion="Add pepper: env:TOLLKEEPER_PEPPER.",
        )


def _metering(files: Files, problems: Problems) -> None:
    metering = files.main.metering
    # Two missed checkpoints must not cost a running stream its lease.
    if metering.checkpoint_s * 3 > metering.lease_s:
        problems.add(
            files.node.at("metering", "checkpoint_s"),
            f"expected at most a third of lease_s ({metering.lease_s}), "
            f"came {metering.checkpoint_s}",
            suggestion="A lease is renewed by checkpoints: shorten checkpoint_s.",
        )


def _routes(files: Files, problems: Problems) -> None:
    routes = files.main.models
    for index, route in enumerate(routes):
        check_route(files, route, files.node.at("models", index), problems=problems)
    spoken = {name: frozenset(block.apis) for name, block in files.main.providers.items()}
    matches = [
        Matching(
            route.match,
            NO_APIS.union(*(spoken.get(each.name, NO_APIS) for each in route.upstreams)),
        )
        for route in routes
    ]
    _check_shadowed(matches, files.node.at("models"), problems)


def _encodings(files: Files, problems: Problems) -> None:
    matches = [Matching(rule.match) for rule in files.main.encodings]
    node = files.node.at("encodings")
    if matches[-1].match != "*" and not problems.about(files.node, "encodings"):
        problems.add(
            node,
            "the last entry must match every model, so that each can be counted",
            suggestion='Add - {match: "*", encoding: o200k_base} at the end.',
        )
    _check_shadowed(matches, node, problems)


@dataclass(frozen=True, slots=True)
class Matching:
    """A glob, and for which APIs it decides."""

    match: str
    apis: frozenset[str] = NO_APIS


def _check_shadowed(matches: list[Matching], node: Node, problems: Problems) -> None:
    """The first match wins, so a later entry that an earlier one covers is never reached."""
    for index, later in enumerate(matches):
        for before in range(index):
            earlier = matches[before]
            if _covers(earlier.match, later.match) and later.apis <= earlier.apis:
                problems.add(
                    node.at(index),
                    f"{later.match!r} is never reached: {earlier.match!r} on line "
                    f"{node.at(before).line} matches first",
                    suggestion="Move it up, or remove it.",
                )
                break


def _covers(wide: str, narrow: str) -> bool:
    """Whether `wide` matches all that `narrow` does, with its stars both empty and long."""
    if "[" in narrow:
        return wide in ("*", narrow)
    longest = narrow.replace("*", "\0" * 300).replace("?", "\0")
    shortest = narrow.replace("*", "").replace("?", "\0")
    return fnmatchcase(longest, wide) and fnmatchcase(shortest, wide)


RULES: tuple[Callable[[Files, Problems], None], ...] = (
    _listeners,
    _store,
    _metering,
    check_providers,
    _routes,
    _encodings,
    check_plans,
    check_accounts,
    check_prices,
    check_sinks,
)
