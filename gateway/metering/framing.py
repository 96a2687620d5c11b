"""Tokens that are charged and stand in no text, by model family, where a chat format hides them.

GPT-5 and later write their answers in channels: the words that open and close one are output
tokens. The first of them also open a channel to reason in, however little they reason. Since 5.4
an answer under a JSON schema names its format, and tools come with a page of instructions. How a
tool call is framed differs between all of them.

Measured, as next to nothing of it is published: what was reported for recorded calls less the
tokens of their texts (`docs/counting.md`). An answer's framing is the same in all of them; a
call's is the most that was seen: 7 to 23 beside the texts of one by GPT, 24 to 34 of two. Families
newer than the latest recorded one are taken to be like it. What a model thinks unseen is no
framing.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.metering.model_names import bare_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """Tokens beside the texts: `answer_tokens` of each chat answer that came to its end,
    `response_tokens` of one by the Responses API, `thought_tokens` besides if that one tells that
    there was thinking, `schema_tokens` besides if it was asked for under a JSON schema,
    `call_tokens` of each tool call, and `calls_tokens` once if there are any (a single call may
    come in the wrapper for parallel ones); `tools_tokens` of a chat prompt that defines tools."""

    answer_tokens: int = 0
    response_tokens: int = 1
    thought_tokens: int = 0
    schema_tokens: int = 0
    call_tokens: int = 12
    calls_tokens: int = 12
    tools_tokens: int = 0

    def of_calls(self, calls: int) -> int:
        return calls * self.call_tokens + self.calls_tokens if calls else 0


REASONING_GPT = Framing(answer_tokens=9, response_tokens=4, thought_tokens=2)
LATEST_GPT = Framing(
    answer_tokens=3, response_tokens=4, thought_tokens=2, schema_tokens=4, tools_tokens=84
)
# Of open models, Mistral's take most.
OTHERS = Framing(call_tokens=16, calls_tokens=0)
# The first matching row counts.
FAMILIES: tuple[tuple[str, Framing], ...] = (
    ("gpt-5.[1-3]*", REASONING_GPT),
    ("gpt-5.*", LATEST_GPT),
    ("gpt-5*", REASONING_GPT),
    ("gpt-[6-9]*", LATEST_GPT),
    ("gpt-*", Framing()),
    ("chatgpt-*", Framing()),
    ("codex-*", Framing()),
    ("o[1-9]*", Framing()),
    ("deepseek-chat-v3*", Framing(call_tokens=14, calls_tokens=0, tools_tokens=86)),
    ("deepseek*", Framing(call_tokens=26, calls_tokens=0, tools_tokens=230)),
    ("*claude*", Framing(answer_tokens=3, call_tokens=48, calls_tokens=0, tools_tokens=335)),
)


def framing(model: str) -> Framing:
    """Of a model by any of its names: `gpt-5-mini-2025-08-07`, `openai/gpt-5`."""
    name = bare_name(model)
    for match, found in FAMILIES:
        if fnmatchcase(name, match):
            return found
    return OTHERS
