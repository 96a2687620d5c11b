"""What is asked of every target: the requests, how many at a time, and what counts as one unit.

Sizes come in three: `full` for figures, `quick` for a first look, `check` to see that all of it
works. Every run is bounded in requests and, by the driver, in time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import orjson

BODY_BYTES = 1024
MODEL = "bench-model"
# What bench/upstream.c reports; the ledger is checked against it.
PROMPT_TOKENS = 190
JSON_OUTPUT_TOKENS = 120
_SENTENCE = "Please tell me what a meter does between a caller and a model, and what it costs. "


class Size(StrEnum):
    FULL = "full"
    QUICK = "quick"
    CHECK = "check"


ROUNDS = {Size.FULL: 5, Size.QUICK: 2, Size.CHECK: 1}


# What every gateway can be asked, however slow it is and whatever it makes of an answer.
PEER_SCENARIOS = ("json", "json_alone", "sse")


@dataclass(frozen=True, slots=True)
class Load:
    """`connections` opened over `ramp_ms`, each making `each` requests one after the other."""

    connections: int
    each: int
    ramp_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`events` 0 asks for a JSON answer; `per_event` says the unit of CPU time is one event."""

    name: str
    title: str
    loads: Mapping[Size, Load]
    events: int = 0
    pace_ms: int = 0
    per_event: bool = False
    asks_usage: bool = True
    memory: bool = False
    """Memory is compared before and during this one, so it comes first, in a fresh process."""
    events_by_size: Mapping[Size, int] = field(default_factory=dict)

    def events_at(self, size: Size) -> int:
        return self.events_by_size.get(size, self.events)

    def output_tokens(self, size: Size) -> int:
        return self.events_at(size) or JSON_OUTPUT_TOKENS

    def body(self, size: Size, model: str = MODEL) -> bytes:
        """A chat completion of exactly BODY_BYTES; its metadata tells the upstream what to do."""
        request: dict[str, object] = {"model": model}
        if self.events:
            request["stream"] = True
            request["metadata"] = {
                "bench_events": str(self.events_at(size)),
                "bench_pace_ms": str(self.pace_ms),
            }
            if self.asks_usage:
                request["stream_options"] = {"include_usage": True}
        request["temperature"] = 0.7
        request["max_completion_tokens"] = 512
        system = {"role": "system", "content": "You are a careful assistant."}
        request["messages"] = [system, {"role": "user", "content": ""}]
        room = BODY_BYTES - len(orjson.dumps(request))
        text = (_SENTENCE * (room // len(_SENTENCE) + 1))[:room]
        request["messages"] = [system, {"role": "user", "content": text}]
        return orjson.dumps(request)


SCENARIOS = (
    Scenario(
        name="open1000",
        title="1000 open streams",
        events=30,
        pace_ms=200,
        per_event=True,
        memory=True,
        loads={
            Size.FULL: Load(1000, 1, ramp_ms=2000),
            Size.QUICK: Load(1000, 1, ramp_ms=2000),
            Size.CHECK: Load(100, 1, ramp_ms=200),
        },
        # The first stream must outlive the ramp, so that all are open together.
        events_by_size={Size.QUICK: 16, Size.CHECK: 3},
    ),
    Scenario(
        name="json",
        title="JSON 1 KB",
        loads={
            Size.FULL: Load(32, 500),
            Size.QUICK: Load(32, 200),
            Size.CHECK: Load(32, 4),
        },
    ),
    Scenario(
        name="json_alone",
        title="JSON 1 KB, 1 connection",
        loads={Size.FULL: Load(1, 2000), Size.QUICK: Load(1, 800), Size.CHECK: Load(1, 20)},
    ),
    Scenario(
        name="sse",
        title="SSE-100 burst",
        events=100,
        loads={Size.FULL: Load(32, 150), Size.QUICK: Load(32, 60), Size.CHECK: Load(32, 2)},
    ),
    Scenario(
        name="sse_hidden",
        title="SSE-100 burst, usage not asked for",
        events=100,
        asks_usage=False,
        loads={Size.FULL: Load(32, 150), Size.QUICK: Load(32, 60), Size.CHECK: Load(32, 2)},
    ),
    Scenario(
        name="paced200",
        title="paced, 200 streams",
        events=100,
        pace_ms=20,
        per_event=True,
        loads={
            Size.FULL: Load(200, 1, ramp_ms=500),
            Size.QUICK: Load(200, 1, ramp_ms=500),
            Size.CHECK: Load(40, 1, ramp_ms=50),
        },
        events_by_size={Size.CHECK: 10},
    ),
    Scenario(
        name="paced1000",
        title="paced, 1000 streams",
        events=100,
        pace_ms=20,
        per_event=True,
        loads={
            Size.FULL: Load(1000, 1, ramp_ms=1900),
            Size.QUICK: Load(1000, 1, ramp_ms=1900),
            Size.CHECK: Load(40, 1, ramp_ms=50),
        },
        events_by_size={Size.CHECK: 10},
    ),
)
