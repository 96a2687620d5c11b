"""What a reload changed is told in places and values; a secret's value never is."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.gateways import SECRETS, write_config

from gateway.settings import Settings, load
from gateway.settings.difference import CHANGES_MAX, changes, fixed_changes


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, store_url="redis://localhost", provider_url="http://localhost:9")


@pytest.fixture
def settings(config: Path) -> Settings:
    return load(config, SECRETS)


def test_nothing_changed_is_nothing_told(config: Path, settings: Settings) -> None:
    assert [] == changes(settings, load(config, SECRETS))


def test_a_changed_value_is_told_with_its_place(config: Path, settings: Settings) -> None:
    config.write_text(config.read_text().replace("lease_s: 30", "lease_s: 45"))
    assert ["metering.lease_s: 30.0 → 45.0"] == changes(settings, load(config, SECRETS))


def test_what_came_and_went_has_a_dash(config: Path, settings: Settings) -> None:
    text = config.read_text()
    config.write_text(text.replace("plans: {test:", "plans: {other: {enforcement: strict}, test:"))
    [added] = changes(settings, load(config, SECRETS))
    assert added.startswith("plans.other: — → Plan(name='other'")
    [gone] = changes(load(config, SECRETS), settings)
    assert gone.startswith("plans.other: Plan(")
    assert gone.endswith("→ —")


def test_a_changed_secret_is_told_without_its_value(config: Path, settings: Settings) -> None:
    told = changes(settings, load(config, SECRETS | {"TEST_CREDENTIAL": "sk-canary-of-a-new-one"}))
    assert ["providers.simulated.credential: changed"] == told


def test_many_changes_are_counted(settings: Settings) -> None:
    plan = settings.plans["test"]
    many = replace(settings, plans={f"p{n}": plan for n in range(CHANGES_MAX + 7)})
    told = changes(settings, many)
    assert CHANGES_MAX + 1 == len(told)
    assert "and 8 more" == told[-1]


def test_what_cannot_change_while_running_is_named(config: Path, settings: Settings) -> None:
    text = config.read_text().replace("admin: {host: 127.0.0.1", "admin: {host: localhost")
    config.write_text(text.replace('"redis://localhost"', '"redis://elsewhere"'))
    assert ["admin", "store"] == fixed_changes(settings, load(config, SECRETS))
