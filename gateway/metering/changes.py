"""What the audit trail keeps: who changed what, when, from where, and what came of it.

Every change that somebody asks for is noted before it is made and completed after, so that one
that was broken off in between stays visible as `unfinished`. Bodies are kept as they were asked,
and none of them carries a secret: secrets are made here, and only ever told in answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

UNFINISHED = "unfinished"
"""Begun, and not over, or its process died."""
DONE = "done"
FAILED = "failed"
"""By a fault inside the gateway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`outcome`: `done`, `unfinished`, `failed`, or the code of the error that refused it.

    `actor`: `service:<id>`, `key:<id>`, or `command:<user>` for who ran the command line.
    `address`: where the request came from, or the host the command ran on. `subject`: what was
    made or changed.
    """

    action: str
    actor: str
    via: str
    address: str
    account_id: str = ""
    subject: str = ""
    request_id: str = ""
    details: Mapping[str, object] = field(default_factory=dict, hash=False)
    outcome: str = UNFINISHED
    begun_ms: int = 0
    ended_ms: int = 0
