"""A notice as an entry of the outbox, for what no script of the ledger brings about."""

from collections.abc import Mapping

import orjson

from gateway.metering.notices import NoticeKind
from gateway.stores.redis.layout import outbox_key, shard_tag
from gateway.stores.redis.wire import Command


def notice(
    kind: NoticeKind, *, account_id: str, subject: str, facts: Mapping[str, object]
) -> Command:
    """The command that writes it; in one transaction with whatever it tells of."""
    head = f"{kind.value}\n{account_id}\n{subject}\n0\n0\n0\n"
    outbox = outbox_key(shard_tag(account_id))
    return ("XADD", outbox, "*", "head", head, "event", orjson.dumps(dict(facts)))
