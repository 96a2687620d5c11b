"""From files to settings: what a right configuration becomes."""

from decimal import Decimal
from pathlib import Path

import pytest
from support.settings_env import ENVIRON, TEAM_KEY

from gateway.dialects.aws_signing import AwsIdentity
from gateway.errors import ConfigError
from gateway.metering.accounts import Account, digest
from gateway.metering.alerts import Alert
from gateway.metering.ledger import Grant, GrantKind
from gateway.metering.limits import Limit, Scope, Unit, Window
from gateway.metering.plans import Enforcement, OnDisconnect, Plan
from gateway.metering.routes import Route
from gateway.settings import load
from gateway.settings.documents import Node, parse
from gateway.settings.fields import Block
from gateway.settings.schema import GatewayFile, GrantBlock, RouteBlock
from gateway.settings.schema_plans import PlanBlock
from gateway.settings.schema_providers import ProviderBlock
from gateway.settings.values import Auth, UnknownEndpoints
from gateway.tokens.base import EncodingRule

CONFIG = Path(__file__).parents[3] / "config"
SAMPLE = CONFIG / "gateway.yaml"

SMALL = """
providers:
  openai: {base_url: "https://api.openai.com/", credential: env:OPENAI_API_KEY}
  local: {base_url: "http://127.0.0.1:8000/v1", auth: none, idle_timeout_s: 0.5}
models:
  - {match: fast, provider: openai, upstream_model: gpt-4.1-mini}
  - {match: "*", provider: local}
default_price: {input: 1, output: 2}
"""


def write(directory, text, **others):
    for name, content in others.items():
        (directory / name).write_text(content, "utf-8")
    path = directory / "gateway.yaml"
    path.write_text(text, "utf-8")
    return path


def test_the_sample_is_valid():
    settings = load(SAMPLE, ENVIRON)

    assert ("sk-test-openai-credential", Auth.BEARER) == (
        settings.providers["openai"].credential,
        settings.providers["openai"].auth,
    )
    assert 100 < len(settings.rate_card.models)


def test_every_default_stands_in_the_sample_as_it_is():
    root, _ = parse(SAMPLE.read_text("utf-8"), file="sample")
    plans, _ = parse((CONFIG / "plans.yaml").read_text("utf-8"), file="plans")

    assert [] == [
        *_differences(GatewayFile, root, skip={"plans", "prices", "accounts", "models"}),
        *_differences(ProviderBlock, root.at("providers", "openai"), skip={"credential"}),
        *_differences(RouteBlock, root.at("models", 0), skip=ONE_OR_SEVERAL),
        *_differences(PlanBlock, plans.at("plans", "starter"), skip=IN_OTHER_PLANS),
        *_differences(GrantBlock, root.at("accounts", 0, "grants", 0), skip=CHOSEN),
    ]


ONE_OR_SEVERAL = {"provider", "upstream_model", "providers", "balance"}
IN_OTHER_PLANS = {"limits", "overdraft_credits"}
CHOSEN = {"kind", "expires", "note"}


def _differences(block, node: Node, skip=()):
    """Settings of the block whose default the sample lacks or states differently."""
    for name, field in block.model_fields.items():
        if name in skip or field.is_required():
            continue
        below = node.child(name)
        if below is None:
            yield f"{name} is missing"
        elif isinstance(field.default, Block):
            yield from _differences(type(field.default), below)
        elif not _same(field.default, below.plain()):
            yield f"{name}: {below.plain()!r} is not the default {field.default!r}"


def _same(default, written):
    if isinstance(default, Decimal):
        return default == Decimal(str(written))
    if isinstance(default, tuple) and default and hasattr(default[0], "model_dump"):
        return [item.model_dump() for item in default] == list(written)
    return default == (tuple(written) if isinstance(default, tuple) else written)


# What every plan tells, unless it says otherwise.
TOLD = {
    "alerts": (Alert("80%", left_percent=20), Alert("100%", left_percent=0)),
    "expiry_notice_ms": 7 * 24 * 3600 * 1000,
}


def test_what_is_left_out_has_its_default(tmp_path):
    settings = load(write(tmp_path, SMALL + "plans: {team: {}}\n"), ENVIRON)

    assert (8080, 30.0, 33_554_432) == (
        settings.listen.port,
        settings.listen.drain_s,
        settings.listen.body_bytes_max,
    )
    assert (None, None) == (settings.store.url, settings.store.pepper)
    assert None is settings.refusals.quota_status
    assert UnknownEndpoints.REFUSE is settings.unknown_endpoints
    assert {"team": Plan(name="team", **TOLD)} == settings.plans
    assert EncodingRule(match="*", encoding="o200k_base") == settings.encodings[-1]
    assert 10_000_000 == settings.metering.usd_nanos_per_credit


def test_providers_and_routes_become_values(tmp_path):
    settings = load(write(tmp_path, SMALL + "plans: {team: {}}\n"), ENVIRON)

    local = settings.providers["local"]
    assert ("http://127.0.0.1:8000/v1", "", 0.5) == (
        local.base_url,
        local.credential,
        local.idle_timeout_s,
    )
    assert "https://api.openai.com" == settings.providers["openai"].base_url
    assert (
        Route(match="fast", provider="openai", upstream_model="gpt-4.1-mini"),
        Route(match="*", provider="local", entry=1),
    ) == settings.routes


def test_who_signs_for_aws_is_resolved_whole(tmp_path):
    bedrock = """
providers:
  bedrock:
    base_url: https://bedrock-runtime.us-east-1.amazonaws.com
    auth: aws-sigv4
    aws:
      region: us-east-1
      access_key_id: env:AWS_ACCESS_KEY_ID
      secret_access_key: file:secret
      session_token: env:AWS_SESSION_TOKEN
models: [{match: "*", provider: bedrock}]
default_price: {input: 1, output: 2}
plans: {team: {}}
"""
    path = write(tmp_path, bedrock, secret="test-secret-access-key\n")

    provider = load(path, ENVIRON | {"AWS_SESSION_TOKEN": "a-token"}).providers["bedrock"]

    assert (Auth.AWS_SIGV4, "") == (provider.auth, provider.credential)
    assert (
        AwsIdentity(
            access_key_id="AKIDEXAMPLE",
            secret_access_key="test-secret-access-key",
            session_token="a-token",
            region="us-east-1",
        )
        == provider.aws
    )
    assert "test-secret-access-key" not in repr(provider)


def test_a_plan_becomes_limits_in_the_ledgers_units(tmp_path):
    plans = """
plans:
  team:
    enforcement: soft
    overdraft_credits: "0.5"
    on_disconnect: drain
    drain_s: 1.5
    max_output_tokens: 4096
    models: ["fast", "gpt-*"]
    limits:
      - {unit: credits, per: day, ceiling: "50.000001"}
      - {unit: requests, per: minute, ceiling: 60, scope: key, shadow: true}
      - {unit: calls, ceiling: 8}
"""
    path = write(tmp_path, SMALL + "plans: plans.yaml\n", **{"plans.yaml": plans})

    plan = load(path, ENVIRON).plans["team"]

    assert (
        Plan(
            name="team",
            enforcement=Enforcement.SOFT,
            overdraft_ucr=500_000,
            on_disconnect=OnDisconnect.DRAIN,
            drain_s=1.5,
            max_output_tokens=4096,
            models=("fast", "gpt-*"),
            limits=(
                Limit(unit=Unit.MICROCREDITS, ceiling=50_000_001, window=Window.DAY),
                Limit(
                    unit=Unit.REQUESTS,
                    ceiling=60,
                    window=Window.MINUTE,
                    scope=Scope.KEY,
                    shadow=True,
                ),
                Limit(unit=Unit.CALLS, ceiling=8),
            ),
            **TOLD,
        )
        == plan
    )


ACCOUNTS = """
accounts:
  - id: acme
    plan: team
    name: Acme
    keys:
      - id: 0123456789ab
        secret: env:TEAM_KEY
        name: ci
        models: [fast]
        limits: [{unit: tokens, per: day, ceiling: 1000}]
        expires: 2027-01-01
    grants:
      - {id: welcome, credits: "1000.5", kind: promo, expires: "2027-01-01T01:00:00+01:00"}
      - {id: first, credits: 1, priority: 3}
"""


def test_accounts_come_with_keys_and_grants(tmp_path):
    path = write(tmp_path, SMALL + "plans: {team: {}}\n" + ACCOUNTS)

    (declared,) = load(path, ENVIRON).accounts

    assert Account(account_id="acme", plan="team", name="Acme") == declared.account
    assert (
        Grant(
            grant_id="welcome",
            account_id="acme",
            amount_ucr=1_000_500_000,
            kind=GrantKind.PROMO,
            priority=20,
            expires_ms=1_798_761_600_000,
        ),
        Grant(grant_id="first", account_id="acme", amount_ucr=1_000_000, priority=3),
    ) == declared.grants


def test_a_declared_key_is_stored_without_its_secret(tmp_path):
    path = write(tmp_path, SMALL + "plans: {team: {}}\n" + ACCOUNTS)
    (declared,) = load(path, ENVIRON).accounts

    key = declared.keys[0].stored("acme", b"pepper")

    assert (digest(b"pepper", TEAM_KEY), "config", 1_798_761_600_000) == (
        key.digest,
        key.source,
        key.expires_ms,
    )
    assert (
        Limit(unit=Unit.TOKENS, ceiling=1000, window=Window.DAY, scope=Scope.KEY),
    ) == key.limits


def test_no_secret_is_in_the_settings_repr(tmp_path):
    store = "store: {url: env:STORE_URL, pepper: env:PEPPER}\n"
    path = write(tmp_path, store + SMALL + "plans: {team: {}}\n" + ACCOUNTS)

    settings = load(path, ENVIRON)

    assert (ENVIRON["STORE_URL"], ENVIRON["PEPPER"].encode()) == (
        settings.store.url,
        settings.store.pepper,
    )
    assert [] == [name for name, value in ENVIRON.items() if value and value in repr(settings)]


def test_secrets_come_from_files_without_their_last_line_break(tmp_path):
    text = SMALL.replace("env:OPENAI_API_KEY", "file:openai.key") + "plans: {team: {}}\n"
    path = write(tmp_path, text, **{"openai.key": "sk-from-file\n"})

    assert "sk-from-file" == load(path, {}).providers["openai"].credential


def test_the_digest_follows_files_and_secrets(tmp_path):
    path = write(tmp_path, SMALL + "plans: {team: {}}\n")
    before = load(path, ENVIRON).digest

    other_secret = load(path, {**ENVIRON, "OPENAI_API_KEY": "sk-rotated"}).digest
    write(tmp_path, SMALL + "plans: {team: {}, solo: {}}\n")
    other_file = load(path, ENVIRON).digest

    assert 3 == len({before, other_secret, other_file})


def test_the_files_read_are_named(tmp_path):
    path = write(tmp_path, SMALL + "plans: plans.yaml\n", **{"plans.yaml": "plans: {a: {}}\n"})

    assert (path, tmp_path / "plans.yaml") == load(path, ENVIRON).files


def test_a_missing_file_is_a_problem_like_any_other(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere\.yaml: No such file"):
        load(tmp_path / "nowhere.yaml", {})


def test_a_history_in_a_database_is_named_by_reference(tmp_path):
    url = "postgresql://tollkeeper:hunter2secret@db/usage"
    path = write(tmp_path, "history: {url: env:HISTORY_URL}\n" + SMALL + "plans: {team: {}}\n")

    settings = load(path, {**ENVIRON, "HISTORY_URL": url})

    assert url == settings.history.url
    assert "hunter2secret" not in repr(settings)
