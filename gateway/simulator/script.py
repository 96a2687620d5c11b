"""How one answer is to be given, faults included: the `x-simulate` header, read.

`x-simulate: tokens=200,delay_ms=20,fail=reset_after:10`. Options, all of them optional:

    tokens=N             completion tokens of each choice (before max_tokens cuts them)
    delay_ms=N           wait before the first byte and between chunks
    first_ms=N           wait before the first byte instead of delay_ms
    chunk_tokens=N       tokens in one chunk (default 1)
    chunk_chars=N        cut chunks by characters instead, across tokens
    split_bytes=N        write the answer N bytes at a time
    status=N             answer this error instead
    retry_after=N        say so on an error, in seconds
    fail=reset_after:N   reset the connection after N chunks
    fail=close_after:N   close it after N chunks, without a proper end
    fail=silent_after:N  say nothing more after N chunks, and keep the connection
    cached=N             report N prompt tokens as cached
    written=N            report N prompt tokens as written to the cache (Anthropic)
    reasoning=N          think first: N reasoning tokens, invisible but charged
    searches=N           search N times before answering, if a tool allows it (Gemini, Responses)
    completion_tokens=N  report this number, whatever was produced
    no_usage             report nothing, even if asked
    usage_zero           report zeros
    usage_with_choice    put the usage on the finish chunk, as some servers do
    no_done              end the stream without [DONE], or what takes its place
    comments             comment lines between the events, as some routers send
    tool                 call the first tool
    gzip | br            compress the answer
    job_ms=N             a job that is begun is done N milliseconds later
    end=failed           how a job ends, by its vendor's word, if not as it should
    no_sum               a batch does not sum up what its requests used
    served=N             how many requests a batch serves before it is cut off; how many films pass
                         the filter (end=filtered)
"""

from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    NONE = "none"
    RESET = "reset_after"
    CLOSE = "close_after"
    SILENT = "silent_after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Zero and None mean: as the request has it, or not at all."""

    tokens: int = 0
    delay_ms: int = 0
    first_ms: int | None = None
    chunk_tokens: int = 1
    chunk_chars: int = 0
    split_bytes: int = 0
    status: int = 0
    retry_after: int = 0
    cached: int = 0
    written: int = 0
    reasoning: int = 0
    searches: int = 0
    completion_tokens: int | None = None
    no_usage: bool = False
    usage_zero: bool = False
    usage_with_choice: bool = False
    no_done: bool = False
    comments: bool = False
    tool: bool = False
    gzip: bool = False
    br: bool = False
    job_ms: int = 0
    end: str = ""
    no_sum: bool = False
    served: int = 0
    fault: Fault = Fault.NONE
    fault_after: int = 0
    """Chunks that still go out before the fault."""

    @property
    def first_delay_ms(self) -> int:
        return self.delay_ms if self.first_ms is None else self.first_ms


SWITCHES = frozenset(field.name for field in fields(Script) if field.type is bool)
NUMBERS = frozenset(field.name for field in fields(Script) if field.type in (int, int | None)) - {
    "fault_after"
}


def read_script(header: str, *, defaults: Script) -> Script:
    """Raises ValueError naming the option that is not understood."""
    changes: dict[str, Any] = {}
    for part in filter(None, (option.strip() for option in header.split(","))):
        name, _, value = part.partition("=")
        if name == "fail":
            fault, _, after = value.partition(":")
            changes |= {"fault": Fault(fault), "fault_after": int(after)}
        elif name == "end":
            changes["end"] = value
        elif name in SWITCHES and not value:
            changes[name] = True
        elif name in NUMBERS and value.isdecimal():
            changes[name] = int(value)
        else:
            raise ValueError(f"x-simulate: {name!r} with value {value!r} is no option")
    return replace(defaults, **changes)
