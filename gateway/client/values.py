"""What a service tells and is told."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


class Rejected(Exception):
    """The API refused what was asked. `facts`: the whole problem document."""

    def __init__(self, status: int, facts: Mapping[str, object]) -> None:
        self.status = status
        self.facts = facts
        self.code = str(facts.get("code", ""))
        super().__init__(str(facts.get("detail", f"HTTP {status}")))


class Refused(Rejected):
    """Credit or a limit does not allow it now: 402 or 429."""

    @property
    def affordable_max_tokens(self) -> int | None:
        """The longest answer that would fit, where that is known."""
        affordable = self.facts.get("affordable_max_tokens")
        return affordable if isinstance(affordable, int) else None


class Unanswered(Exception):
    """No answer after all tries; whether it was done is unknown. Asking again is safe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens by class, none of them inside another, and what is sold by the piece."""

    input_uncached: int = 0
    input_cache_read: int = 0
    input_cache_write_5m: int = 0
    input_cache_write_1h: int = 0
    input_audio: int = 0
    input_image: int = 0
    output_text: int = 0
    output_reasoning: int = 0
    output_audio: int = 0
    output_image: int = 0
    pieces: Mapping[str, int] = field(default_factory=dict)
    service_tier: str = ""

    def told(self) -> dict[str, object]:
        """As the API takes it: what there is none of is left out."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """`charged_ucr` is None where an earlier try had settled it and its answer was lost."""

    charged_ucr: int | None
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
    """Usage that was measured elsewhere. `source` and `event_id` make it one event."""

    source: str
    event_id: str
    account_id: str
    time: str
    """RFC 3339; at most 23 hours ago."""
    model: str
    usage: Usage
    key_id: str | None = None
    provenance: str = "reported"

    def told(self) -> dict[str, object]:
        data: dict[str, object] = {
            "model": self.model,
            "usage": self.usage.told(),
            "provenance": self.provenance,
        }
        if self.key_id is not None:
            data["key_id"] = self.key_id
        return {
            "specversion": "1.0",
            "type": "com.tollkeeper.usage.v1",
            "source": self.source,
            "id": self.event_id,
            "subject": self.account_id,
            "time": self.time,
            "data": data,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EventResult:
    """`result`: accepted, duplicate or refused; `code` says why it was refused."""

    event_id: str
    result: str
    code: str | None
    detail: str | None
