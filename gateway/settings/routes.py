"""Routes: the rules between their settings, and the way into domain values."""

from collections.abc import Iterator, Sequence
from math import inf

from gateway.metering.failover import FailoverPolicy, Unanswered
from gateway.metering.hedging import HedgePolicy
from gateway.metering.routes import Route, is_exact
from gateway.settings.documents import Node
from gateway.settings.problems import Problems, did_you_mean
from gateway.settings.reading import Files
from gateway.settings.schema_routes import FailoverBlock, HedgeBlock, RouteBlock, UpstreamBlock

NO_NAMES: frozenset[str] = frozenset()


def build_routes(blocks: Sequence[RouteBlock], common: FailoverBlock) -> Iterator[Route]:
    """One for each provider of each entry."""
    for entry, block in enumerate(blocks):
        own = block.failover
        failover = None if own is None else build_failover(_over(common, own))
        hedge = None if block.hedge is None else _hedge(block.hedge)
        for upstream in block.upstreams:
            yield Route(
                match=block.match,
                provider=upstream.name,
                upstream_model=upstream.upstream_model,
                price_as=upstream.price_as,
                entry=entry,
                weight=upstream.weight,
                priority=upstream.priority,
                by_latency=block.balance == "latency",
                failover=failover,
                hedge=hedge,
            )


def _over(common: FailoverBlock, own: FailoverBlock) -> FailoverBlock:
    """The common block, but for what the entry says itself."""
    return common.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})


def build_failover(block: FailoverBlock) -> FailoverPolicy:
    return FailoverPolicy(
        retry_on=frozenset(
            each if isinstance(each, int) else Unanswered(each) for each in block.retry_on
        ),
        attempts_max=block.attempts_max,
        deadline_s=block.deadline_s,
        rounds=block.rounds,
        round_pause_s=block.round_pause_s,
        answer_deadline_s=block.answer_deadline_s or inf,
        total_deadline_s=block.total_deadline_s or inf,
    )


def _hedge(block: HedgeBlock) -> HedgePolicy:
    return HedgePolicy(
        after_s=None if block.after_ms is None else block.after_ms / 1000,
        percentile=block.percentile,
        budget_percent=block.budget_percent,
        streams_only=block.calls == "streamed",
    )


def check_route(files: Files, route: RouteBlock, node: Node, *, problems: Problems) -> None:
    """One entry, by itself."""
    if not route.upstreams and not problems.about(node, "providers"):
        problems.add_missing(
            node,
            "provider",
            "a provider is required",
            suggestion="Add provider: and its name, or providers: with several.",
        )
    if route.providers and route.provider is not None:
        problems.add(
            node.at("provider"),
            "both provider and providers are given",
            suggestion="Move it to providers: {name: …}, with its upstream_model and price_as.",
        )
    elif route.providers and (route.upstream_model or route.price_as):
        key = "upstream_model" if route.upstream_model else "price_as"
        problems.add(
            node.at(key),
            f"{key} is given beside providers",
            suggestion="Write it for each provider that it holds for.",
        )
    if route.hedge is not None:
        _check_hedge(files, route, route.hedge, node.at("hedge"), problems=problems)
    seen: set[tuple[str, str | None]] = set()
    for index, upstream in enumerate(route.upstreams):
        at = node if route.provider is not None else node.at("providers", index)
        _check_upstream(files, route, upstream, at, problems=problems)
        if (upstream.name, upstream.upstream_model) in seen:
            problems.add(
                at,
                f"{upstream.name!r} is there already, for the same model",
                suggestion="Remove it, or give the first one more weight.",
            )
        seen.add((upstream.name, upstream.upstream_model))


def _check_hedge(
    files: Files, route: RouteBlock, hedge: HedgeBlock, node: Node, *, problems: Problems
) -> None:
    own, common = route.failover or FailoverBlock(), files.main.failover
    if hedge.after_ms is None and hedge.percentile is None:
        problems.add(
            node,
            "nothing says when a second provider is asked",
            suggestion="Add after_ms: 800, percentile: 95, or both.",
        )
    if len(route.upstreams) == 1:
        problems.add(
            node,
            "hedge is given, and there is one provider only",
            suggestion="Write another one under providers, or remove hedge.",
        )
    elif _over(common, own).attempts_max == 1:
        problems.add(
            node,
            "hedge is given, and failover.attempts_max allows one attempt only",
            suggestion="A hedge is an attempt: allow two, or remove hedge.",
        )


def _check_upstream(
    files: Files, route: RouteBlock, upstream: UpstreamBlock, node: Node, *, problems: Problems
) -> None:
    if upstream.name not in files.providers:
        problems.add(
            node.at("provider" if route.provider is not None else "name"),
            f"no provider is named {upstream.name!r}",
            suggestion=did_you_mean(upstream.name, sorted(files.providers)),
        )
    if upstream.upstream_model is not None and not is_exact(route.match):
        problems.add(
            node.at("upstream_model"),
            f"an alias needs one exact name, and {route.match!r} is a glob",
            suggestion="Write one entry for each alias.",
        )
    _check_price(files, route, upstream, node, problems=problems)


def _check_price(
    files: Files, route: RouteBlock, upstream: UpstreamBlock, node: Node, *, problems: Problems
) -> None:
    named = upstream.price_as or upstream.upstream_model
    priced = named or (route.match if is_exact(route.match) else None)
    if priced is None or files.priced is None:
        return
    known = files.priced.get("", NO_NAMES) | files.priced.get(upstream.name, NO_NAMES)
    if priced in known:
        return
    if upstream.price_as is None and files.main.default_price is not None:
        return
    if problems.about(files.node, "default_price") or problems.about(node, "upstream_model"):
        return
    key = "price_as" if upstream.price_as else "upstream_model"
    close = did_you_mean(priced, sorted(known))
    offer = f"{close} Or add" if close.startswith("Did") else "Add"
    problems.add(
        node.at(key) if named else node.at("match" if route.provider is not None else "name"),
        f"no rate card has a price for {priced!r}",
        suggestion=f"{offer} its price to a file under prices, or name another line by price_as.",
    )
