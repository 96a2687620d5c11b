"""From the files as written to the settings: domain values, secrets resolved.

Runs even when there are problems already, because resolving secrets and converting money finds
more; its result then is incomplete and must not be used.
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from gateway.dialects.aws_signing import AwsIdentity
from gateway.dialects.unknown_endpoint import REQUEST, UNKNOWN_ENDPOINT
from gateway.metering.accounts import KEY_PATTERN, Account, Project, well_formed
from gateway.metering.alerts import alerts_named
from gateway.metering.failover import Budget, HealthPolicy, ProbePolicy
from gateway.metering.ledger import DEFAULT_PRIORITY, Grant, GrantKind
from gateway.metering.limits import UNITS, Limit, Scope, Unit, Window
from gateway.metering.periods import DAY_MS, Anchor, Every
from gateway.metering.plans import (
    Allowance,
    Away,
    Enforcement,
    FirstPeriod,
    OnDisconnect,
    Plan,
    PlanChange,
)
from gateway.metering.pricing import UCR_PER_CREDIT
from gateway.settings.documents import Node
from gateway.settings.fields import STORE_SCHEMES
from gateway.settings.history import build_history
from gateway.settings.incoming import build_incoming
from gateway.settings.problems import Problems
from gateway.settings.rate_card import DEFAULT_NAME, Part, build_rate_card
from gateway.settings.reading import Files
from gateway.settings.routes import build_failover, build_routes
from gateway.settings.schema import AccountBlock, GrantBlock, KeyBlock
from gateway.settings.schema_plans import AllowanceBlock, KeyLimitBlock, LimitBlock, PlanBlock
from gateway.settings.schema_prices import PriceBlock
from gateway.settings.schema_providers import AwsBlock, ProviderBlock
from gateway.settings.services import build_services
from gateway.settings.sinks import build_sinks, build_webhooks
from gateway.settings.sources import Sources
from gateway.settings.telemetry import build_telemetry
from gateway.settings.values import (
    Admin,
    Auth,
    DeclaredAccount,
    DeclaredKey,
    Export,
    Listen,
    Metering,
    Provider,
    Refusals,
    Settings,
    Store,
    UnknownEndpoints,
)
from gateway.tokens.base import EncodingRule

# As long as a 192-bit secret in hexadecimal, less what other spellings save.
PEPPER_CHARS_MIN = 32
NANOS = 1_000_000_000


def build(files: Files, sources: Sources, problems: Problems) -> Settings:
    main = files.main
    rate_card = build_rate_card(
        files.cards,
        _own_lines(files),
        costs=files.costs,
        credit_usd=main.metering.credit_usd,
        problems=problems,
    )
    providers = _providers(files, sources)
    store = _store(files, sources, problems)
    accounts = _accounts(files, sources, problems)
    return Settings(
        listen=Listen(**main.listen.model_dump()),
        admin=Admin(**main.admin.model_dump()),
        store=store,
        history=build_history(files, sources, problems),
        metering=_metering(files),
        refusals=_refusals(files),
        unknown_endpoints=UnknownEndpoints(main.unknown_endpoints),
        providers=providers,
        routes=tuple(build_routes(main.models, main.failover)),
        failover=build_failover(main.failover),
        encodings=tuple(EncodingRule(**rule.model_dump()) for rule in main.encodings),
        rate_card=rate_card,
        plans=_plans(files),
        services=build_services(files, sources, problems),
        export=Export(**main.export.model_dump()),
        sinks=build_sinks(files, sources, problems),
        webhooks=build_webhooks(files, problems),
        telemetry=build_telemetry(files, problems),
        incoming=build_incoming(files, sources, problems),
        accounts=accounts,
        digest=sources.digest,
        files=tuple(sources.files),
    )


def _own_lines(files: Files) -> Mapping[str, Part]:
    """What the main file itself puts on the rate card."""
    main, at = files.main, files.node.at
    lines = {}
    if main.default_price is not None:
        lines[DEFAULT_NAME] = Part(main.default_price, at("default_price"))
    if main.unknown_endpoint_usd is not None:
        fee = PriceBlock(pieces={REQUEST: main.unknown_endpoint_usd})
        lines[UNKNOWN_ENDPOINT] = Part(fee, at("unknown_endpoint_usd"))
    return lines


def _metering(files: Files) -> Metering:
    metering = files.main.metering
    return Metering(
        lease_s=metering.lease_s,
        checkpoint_s=metering.checkpoint_s,
        job_poll_s=metering.job_poll_s,
        advances_max=metering.advances_max,
        usd_nanos_per_credit=int(metering.credit_usd * NANOS),
    )


def _refusals(files: Files) -> Refusals:
    status = files.main.refusals.quota_status
    return Refusals(quota_status=None if status == "native" else status)


def _store(files: Files, sources: Sources, problems: Problems) -> Store:
    store, node = files.main.store, files.node.at("store")
    url = store.url
    if url is not None and url.startswith(("env:", "file:")):
        url = sources.secret(url, asked_by=node.at("url"))
        if url is not None and not url.startswith(STORE_SCHEMES):
            problems.add(
                node.at("url"),
                "what the reference leads to is no redis://, rediss://, unix://, "
                "redis+sentinel:// or redis+cluster:// URL",
                suggestion="Put a URL such as redis://:password@host:6379/0 there.",
            )
    return Store(
        url=url,
        data_dir=Path(store.data_dir),
        admission_timeout_ms=store.admission_timeout_ms,
        pepper=_pepper(store.pepper, node.at("pepper"), sources, problems=problems),
    )


def _pepper(
    reference: str | None, node: Node, sources: Sources, *, problems: Problems
) -> bytes | None:
    pepper = sources.secret(reference, asked_by=node) if reference else None
    if pepper is None:
        return None
    if len(pepper) < PEPPER_CHARS_MIN:
        problems.add(
            node,
            f"expected a pepper of {PEPPER_CHARS_MIN} characters or more, came {len(pepper)}",
            suggestion="Make one with: openssl rand -hex 32",
        )
    return pepper.encode()


def _providers(files: Files, sources: Sources) -> Mapping[str, Provider]:
    return {
        name: _provider(name, block, files.node.at("providers", name), sources=sources)
        for name, block in files.main.providers.items()
    }


def _provider(name: str, block: ProviderBlock, node: Node, *, sources: Sources) -> Provider:
    credential, ca_file = "", None
    if block.credential is not None:
        credential = sources.secret(block.credential, asked_by=node.at("credential")) or ""
    if block.ca_file is not None:
        ca_file = sources.readable(block.ca_file, asked_by=node.at("ca_file"))
    return Provider(
        name=name,
        base_url=block.base_url,
        apis=block.apis,
        credential=credential,
        auth=Auth(block.auth),
        aws=None if block.aws is None else _aws(block.aws, node.at("aws"), sources=sources),
        connect_timeout_s=block.connect_timeout_s,
        first_byte_timeout_s=block.first_byte_timeout_s,
        idle_timeout_s=block.idle_timeout_s,
        connections_max=block.connections_max,
        keepalive_s=block.keepalive_s,
        budget=Budget(calls_max=block.calls_max, calls_per_minute=block.calls_per_minute),
        health=HealthPolicy(**block.health.model_dump()),
        probe=None if block.probe is None else ProbePolicy(**block.probe.model_dump()),
        ca_file=ca_file,
        objects_by_account=block.stored_objects == "by_account",
    )


def _aws(block: AwsBlock, node: Node, *, sources: Sources) -> AwsIdentity:
    """Incomplete where a secret is not to be had, which is a problem told already."""
    key_id = sources.secret(block.access_key_id, asked_by=node.at("access_key_id"))
    secret = sources.secret(block.secret_access_key, asked_by=node.at("secret_access_key"))
    token = block.session_token
    return AwsIdentity(
        access_key_id=key_id or "",
        secret_access_key=secret or "",
        session_token=token and sources.secret(token, asked_by=node.at("session_token")),
        region=block.region,
    )


def _plans(files: Files) -> Mapping[str, Plan]:
    blocks = files.plans.blocks if files.plans else {}
    return {name: _plan(name, block) for name, block in blocks.items()}


def _plan(name: str, block: PlanBlock) -> Plan:
    return Plan(
        name=name,
        enforcement=Enforcement(block.enforcement),
        limits=tuple(_limit(limit, Scope(limit.scope)) for limit in block.limits),
        models=tuple(block.models),
        max_output_tokens=block.max_output_tokens,
        slice_tokens=block.slice_tokens,
        overdraft_ucr=_ucr(block.overdraft_credits or Decimal()),
        on_disconnect=OnDisconnect(block.on_disconnect),
        drain_s=block.drain_s,
        allowance=None if block.allowance is None else _allowance(block.allowance),
        alerts=alerts_named(block.alerts),
        expiry_notice_ms=block.expiry_notice_days * DAY_MS,
        away=_away(block),
    )


def _away(block: PlanBlock) -> Away | None:
    if block.store_away == "refuse" or block.advance_credits is None:
        return None
    return Away(advance_ucr=_ucr(block.advance_credits), usable_ms=int(block.advance_s * 1000))


def _allowance(block: AllowanceBlock) -> Allowance:
    rollover = block.rollover
    return Allowance(
        amount_ucr=_ucr(block.credits),
        every=Every(block.every),
        anchor=Anchor(block.anchor),
        rollover_ucr=_ucr(rollover.credits) if rollover else 0,
        rollover_periods=rollover.periods if rollover else 1,
        first_period=FirstPeriod(block.first_period),
        plan_change=PlanChange(block.plan_change),
    )


def _limit(block: KeyLimitBlock | LimitBlock, scope: Scope) -> Limit:
    unit = UNITS[block.unit]
    ceiling = _ucr(block.ceiling) if unit is Unit.MICROCREDITS else int(block.ceiling)
    return Limit(
        unit=unit,
        ceiling=ceiling,
        window=Window(block.per) if block.per else Window.NONE,
        scope=scope,
        shadow=block.shadow,
    )


def _accounts(files: Files, sources: Sources, problems: Problems) -> tuple[DeclaredAccount, ...]:
    return tuple(
        _account(block, files.node.at("accounts", index), sources, problems=problems)
        for index, block in enumerate(files.main.accounts)
    )


def _account(
    block: AccountBlock, node: Node, sources: Sources, *, problems: Problems
) -> DeclaredAccount:
    return DeclaredAccount(
        account=Account(
            account_id=block.id,
            plan=block.plan,
            name=block.name,
            external=block.external,
            anchor_ms=block.anchor or 0,
            alerts=None if block.alerts is None else alerts_named(block.alerts),
        ),
        projects=tuple(
            Project(
                project_id=project.id,
                account_id=block.id,
                name=project.name,
                limits=tuple(_limit(limit, Scope.PROJECT) for limit in project.limits),
            )
            for project in block.projects
        ),
        keys=tuple(
            _key(key, node.at("keys", index), sources, problems=problems)
            for index, key in enumerate(block.keys)
        ),
        grants=tuple(_grant(grant, block.id) for grant in block.grants),
    )


def _key(block: KeyBlock, node: Node, sources: Sources, *, problems: Problems) -> DeclaredKey:
    presented = sources.secret(block.secret, asked_by=node.at("secret"))
    if presented is not None:
        _check_key(block, presented, node, problems=problems)
    return DeclaredKey(
        key_id=block.id,
        presented=presented or "",
        name=block.name,
        project_id=block.project or "",
        models=tuple(block.models),
        limits=tuple(_limit(limit, Scope.KEY) for limit in block.limits),
        manages=block.manage,
        expires_ms=block.expires or 0,
    )


def _check_key(block: KeyBlock, presented: str, node: Node, *, problems: Problems) -> None:
    match = KEY_PATTERN.fullmatch(presented)
    if match is None or not well_formed(presented):
        problems.add(
            node.at("secret"),
            f"what {block.secret} holds is no key of ours: form or checksum is wrong",
            suggestion="Use a whole key (tk_…) as made by: tollkeeper keys create",
        )
    elif match[1] != block.id:
        problems.add(
            node.at("id"),
            f"expected the id inside the key ({match[1]}), came {block.id}",
            suggestion=f"Write id: {match[1]}.",
        )


def _grant(block: GrantBlock, account_id: str) -> Grant:
    kind = GrantKind(block.kind)
    return Grant(
        grant_id=block.id,
        account_id=account_id,
        amount_ucr=_ucr(block.credits),
        kind=kind,
        priority=DEFAULT_PRIORITY[kind] if block.priority is None else block.priority,
        effective_ms=block.effective or 0,
        expires_ms=block.expires or 0,
        note=block.note,
    )


def _ucr(amount: Decimal) -> int:
    """Credits have at most six decimals (the schema sees to it), so this is exact."""
    return int(amount * UCR_PER_CREDIT)
