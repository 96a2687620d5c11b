"""What a target is: where it is set up, and what is known of it once it runs."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from scenarios import MODEL
from tls_door import Door
from tollkeeper import Ledger


@dataclass(frozen=True, slots=True)
class Site:
    """Where a target is set up: a folder of its own, and the upstream to talk to."""

    folder: Path
    upstream_port: int
    door: Door | None = None
    """The upstream by TLS, where it is to be asked so."""
    workers: int = 1
    peers: Path = Path("build/bench-peers")
    """Where other gateways are installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """`pid` None: nothing stands between driver and upstream, so there is no CPU to count."""

    port: int
    pid: int | None = None
    key: str = "bench-key"
    helper_pid: int | None = None
    """Redis: shown beside the gateway, not counted as its own."""
    ledger: Ledger | None = None
    path: str = "/v1/chat/completions"
    model: str = MODEL
    headers: Sequence[str] = ()
    """Lines to send beside the official SDK's."""
    rewrites: bool = False
    """It answers in words of its own: status and end are checked, length and events cannot be."""
    slower: int = 1
    """Asked so many times fewer questions, so that a round ends."""


Target = Callable[[Site], AbstractContextManager[Running]]
