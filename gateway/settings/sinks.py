"""Sinks as configured: rules between their settings, and the options they are made with."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.settings.documents import Node
from gateway.settings.problems import Problems
from gateway.settings.reading import Files
from gateway.settings.schema_sinks import (
    ClickHouseBlock,
    JsonLinesBlock,
    KafkaBlock,
    LagoBlock,
    OpenMeterBlock,
    PostgresBlock,
    SinkBlock,
    StripeBlock,
    TotalsBlock,
    WebhookBlock,
)
from gateway.settings.sources import Sources
from gateway.settings.values import SinkSettings, Webhooks
from gateway.sinks import SinkOptions
from gateway.sinks.addresses import Network, Networks, permitted_literal
from gateway.sinks.base import Limits
from gateway.sinks.clickhouse import ClickHouseOptions
from gateway.sinks.json_lines import JsonLinesOptions
from gateway.sinks.kafka import KafkaOptions
from gateway.sinks.kafka import installed as kafka_installed
from gateway.sinks.lago import LagoOptions
from gateway.sinks.openmeter import OpenMeterOptions
from gateway.sinks.postgres import PostgresOptions, installed
from gateway.sinks.stripe import StripeOptions
from gateway.sinks.totals import TotalsOptions
from gateway.sinks.webhook import WebhookOptions, secret_of


def kinds_of(block: SinkBlock) -> list[str]:
    return [kind for kind in BUILDERS if getattr(block, kind) is not None]


def check_sinks(files: Files, problems: Problems) -> None:
    for name, block in files.main.sinks.items():
        node = files.node.at("sinks", name)
        kinds = kinds_of(block)
        broken = any(problems.about(node, kind) for kind in BUILDERS)
        if len(kinds) != 1 and not broken:
            problems.add(
                node,
                f"expected one kind of sink, came {' and '.join(kinds) or 'none'}",
                suggestion=f"Write one of {', '.join(BUILDERS)} under it.",
            )
        if block.webhook is not None:
            _check_webhook(block.webhook, node.at("webhook"), problems)


def _check_webhook(block: WebhookBlock, node: Node, problems: Problems) -> None:
    networks = _checked_networks(block.allow, node, problems)
    if len(networks) == len(block.allow) and not permitted_literal(block.url, networks):
        problems.add(
            node.at("url"),
            "webhooks go to public addresses only, and this one is not",
            suggestion="Add its network to allow if it is meant.",
        )


def _checked_networks(texts: tuple[str, ...], node: Node, problems: Problems) -> list[Network]:
    networks: list[Network] = []
    for index, text in enumerate(texts):
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError:
            problems.add(
                node.at("allow", index),
                f"expected a network, came {text!r}",
                suggestion="Write it as 10.0.0.0/8 or fd00::/8, or one address as 10.1.2.3/32.",
            )
    return networks


def build_webhooks(files: Files, problems: Problems) -> Webhooks:
    block = files.main.webhooks
    networks = _checked_networks(block.allow, files.node.at("webhooks"), problems)
    return Webhooks(allow=tuple(networks), timeout_s=block.timeout_s)


def build_sinks(files: Files, sources: Sources, problems: Problems) -> tuple[SinkSettings, ...]:
    settings = []
    for name, block in files.main.sinks.items():
        node = files.node.at("sinks", name)
        for kind in kinds_of(block):
            reading = Reading(node.at(kind), sources, problems)
            settings.append(
                SinkSettings(
                    name=name,
                    kind=kind,
                    options=BUILDERS[kind](getattr(block, kind), reading),
                    limits=Limits(events_max=block.batch_max, linger_s=block.linger_s),
                    everything=block.new_gets_everything,
                )
            )
    return tuple(settings)


@dataclass(frozen=True, slots=True)
class Reading:
    """Where a sink's settings stand, and what resolves them."""

    node: Node
    sources: Sources
    problems: Problems

    def secret(self, reference: str | None, key: str) -> str:
        """Empty where there is none, or where it is not to be had, which is told already."""
        asked_by = self.node.at(key)
        return (self.sources.secret(reference, asked_by=asked_by) or "") if reference else ""


def _json_lines(block: JsonLinesBlock, _: Reading) -> JsonLinesOptions:
    return JsonLinesOptions(
        folder=Path(block.folder),
        file_bytes_max=block.file_bytes_max,
        file_age_max_s=block.file_age_max_s,
        fsync=block.fsync,
    )


def _webhook(block: WebhookBlock, reading: Reading) -> WebhookOptions:
    secrets = []
    for index, reference in enumerate(block.secrets):
        here = reading.node.at("secrets", index)
        text = reading.sources.secret(reference, asked_by=here)
        if text is None:
            continue
        try:
            secrets.append(secret_of(text))
        except ValueError:
            reading.problems.add(
                here,
                "expected a signing secret: whsec_ and 24 bytes or more in base64",
                suggestion="Make one: echo whsec_$(openssl rand -base64 32)",
            )
    return WebhookOptions(
        url=block.url,
        secrets=tuple(secrets),
        allow=_networks(block.allow),
        timeout_s=block.timeout_s,
    )


def _networks(texts: tuple[str, ...]) -> Networks:
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            continue  # told by check_sinks
    return tuple(found)


def _stripe(block: StripeBlock, reading: Reading) -> StripeOptions:
    return StripeOptions(
        url=block.url,
        api_key=reading.secret(block.api_key, "api_key"),
        event_name=block.event_name,
        charge_event_name=block.charge_event_name,
        skip_unknown=block.accounts_without_id == "skip",
        timeout_s=block.timeout_s,
    )


def _openmeter(block: OpenMeterBlock, reading: Reading) -> OpenMeterOptions:
    return OpenMeterOptions(
        url=block.url,
        api_key=reading.secret(block.api_key, "api_key"),
        timeout_s=block.timeout_s,
    )


def _lago(block: LagoBlock, reading: Reading) -> LagoOptions:
    return LagoOptions(
        url=block.url,
        api_key=reading.secret(block.api_key, "api_key"),
        metric=block.metric,
        charge_metric=block.charge_metric,
        timeout_s=block.timeout_s,
    )


def _postgres(block: PostgresBlock, reading: Reading) -> PostgresOptions:
    url = reading.secret(block.url, "url")
    if url and not url.startswith(("postgresql://", "postgres://")):
        reading.problems.add(
            reading.node.at("url"),
            "what the reference leads to is no postgresql:// URL",
            suggestion="Put a URL such as postgresql://user:password@host:5432/usage there.",
        )
    if not installed():
        reading.problems.add(
            reading.node,
            "PostgreSQL needs a library that is not installed",
            suggestion="Install it with: pip install 'tollkeeper[postgres]'",
        )
    return PostgresOptions(url=url, table=block.table, timeout_s=block.timeout_s)


def _clickhouse(block: ClickHouseBlock, reading: Reading) -> ClickHouseOptions:
    return ClickHouseOptions(
        url=block.url,
        table=block.table,
        user=block.user,
        password=reading.secret(block.password, "password"),
        timeout_s=block.timeout_s,
    )


def _kafka(block: KafkaBlock, reading: Reading) -> KafkaOptions:
    if not kafka_installed():
        reading.problems.add(
            reading.node,
            "Kafka needs a library that is not installed",
            suggestion="Install it with: pip install 'tollkeeper[kafka]'",
        )
    return KafkaOptions(
        brokers=",".join(block.brokers),
        topic=block.topic,
        tls=block.tls,
        user=block.user,
        password=reading.secret(block.password, "password"),
        timeout_s=block.timeout_s,
    )


def _totals(block: TotalsBlock, _: Reading) -> TotalsOptions:
    return TotalsOptions(folder=Path(block.folder), accounts_max=block.accounts_max)


# Any: each builder takes the block that stands under its name.
BUILDERS: Mapping[str, Callable[[Any, Reading], SinkOptions]] = {
    "json_lines": _json_lines,
    "webhook": _webhook,
    "stripe": _stripe,
    "openmeter": _openmeter,
    "lago": _lago,
    "postgres": _postgres,
    "clickhouse": _clickhouse,
    "kafka": _kafka,
    "totals": _totals,
}
