"""Payment systems as configured: secrets resolved, rates in microcredits."""

import base64
import binascii
from collections.abc import Mapping

from gateway.incoming import lago, standard, stripe
from gateway.incoming.base import Kind, Source
from gateway.metering.pricing import UCR_PER_CREDIT
from gateway.settings.documents import Node
from gateway.settings.problems import Problems
from gateway.settings.reading import Files
from gateway.settings.schema_incoming import IncomingBlock
from gateway.settings.sources import Sources

DAY_MS = 86_400_000
SECRET_CHARS_MIN = 16
BASE64 = "whsec_"
EVENTS: Mapping[Kind, frozenset[str]] = {
    Kind.STRIPE: stripe.EVENTS,
    Kind.LAGO: lago.EVENTS,
    Kind.STANDARD: standard.EVENTS,
}


def build_incoming(files: Files, sources: Sources, problems: Problems) -> Mapping[str, Source]:
    return {
        name: _source(name, block, files.node.at("incoming", name), sources, problems=problems)
        for name, block in files.main.incoming.items()
    }


def _source(
    name: str, block: IncomingBlock, node: Node, sources: Sources, *, problems: Problems
) -> Source:
    kind = Kind(block.kind)
    secrets = []
    for index, reference in enumerate(block.secrets):
        at = node.at("secrets", index)
        text = sources.secret(reference, asked_by=at)
        secret = _key(text, kind) if text is not None else None
        if text is not None and secret is None:
            problems.add(
                at,
                f"what {reference} holds is no secret that signs: too short, or not of its form",
                suggestion="Copy the signing secret of the webhook from the payment system.",
            )
        if secret is not None:
            secrets.append(secret)
    return Source(
        name=name,
        kind=kind,
        secrets=tuple(secrets),
        tolerance_s=block.tolerance_s,
        rates={
            currency.lower(): int(rate * UCR_PER_CREDIT)
            for currency, rate in block.credits_per_unit.items()
        },
        events=EVENTS[kind] if block.events is None else frozenset(block.events),
        customers=block.customers,
        accounts=dict(block.accounts),
        expires_ms=(block.expires_days or 0) * DAY_MS,
    )


def _key(text: str, kind: Kind) -> bytes | None:
    """Standard Webhooks write theirs as base64; the others sign with the text as it stands."""
    if len(text) < SECRET_CHARS_MIN:
        return None
    if kind is not Kind.STANDARD:
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(BASE64), validate=True)
    except binascii.Error:
        return None
