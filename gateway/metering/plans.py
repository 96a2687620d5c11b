"""Plans: named sets of limits and the policy applied when credit runs short."""

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from gateway.metering.limits import Limit


class Enforcement(StrEnum):
    """STRICT holds the worst case. ROLLING holds the prompt and a slice of output, and extends
    the hold while the stream runs. SOFT lets a running call go negative down to
    `overdraft_ucr`; a new one needs a positive balance. OBSERVE counts and never refuses."""

    STRICT = "strict"
    ROLLING = "rolling"
    SOFT = "soft"
    OBSERVE = "observe"


class OnDisconnect(StrEnum):
    """ABORT cancels upstream and charges what was counted; DRAIN reads on for the usage report."""

    ABORT = "abort"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    name: str
    enforcement: Enforcement = Enforcement.ROLLING
    limits: tuple[Limit, ...] = ()
    models: tuple[str, ...] = ("*",)
    max_output_tokens: int | None = None
    """The plan's own cap; it bounds the hold, the provider is not told."""
    slice_tokens: int = 1024
    """Output tokens held at a time under ROLLING and SOFT when credit is not ample."""
    overdraft_ucr: int = 0
    on_disconnect: OnDisconnect = OnDisconnect.ABORT
    drain_s: float = 30.0
    """Under DRAIN: how long to read on after the client left."""

    @property
    def observes(self) -> bool:
        return self.enforcement is Enforcement.OBSERVE


def model_allowed(globs: tuple[str, ...], model: str) -> bool:
    return any(fnmatchcase(model, glob) for glob in globs)
