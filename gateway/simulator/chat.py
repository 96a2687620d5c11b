"""What a chat completion answers: decided from the request alone, so it is the same each time.

Rules follow https://platform.openai.com/docs/api-reference/chat (looked at 2026-11). How an
answer looks on the wire is `wire`'s business; neither knows of a network.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate

import orjson

from gateway.simulator.script import Script
from gateway.simulator.text import completion

CountTokens = Callable[[str], int]

# OpenAI's own figures for chat framing: 3 tokens a message, and 3 that open the answer.
MESSAGE_TOKENS = 3
ANSWER_TOKENS = 3
# A tool call's framing beside its name and arguments.
TOOL_CALL_TOKENS = 7
TOOL_TRIGGER = "use the tool"
ARGUMENT_CHARS = 5
SAMPLE_VALUES: Mapping[object, object] = {
    "string": "Paris",
    "integer": 3,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
}
# An answer's length when nobody asks for one.
SHORTEST_TOKENS = 16
LENGTH_SPREAD_TOKENS = 48


class RefusedRequest(Exception):
    """What the real API answers with an error; `kind`, `param` and `code` as in its object."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.param = param
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Part:
    """What one chunk carries of a choice, and the tokens that are complete with it."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """`tokens` are those of its name and framing; its arguments are the choice's parts."""

    call_id: str
    name: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer in the parts it streams in, and why it ends."""

    parts: tuple[Part, ...]
    finish_reason: str
    tool: ToolCall | None = None
    reasoning_tokens: int = 0

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)

    @property
    def opening_tokens(self) -> int:
        """Spent before the first part: thinking, or naming the tool."""
        return self.reasoning_tokens + (self.tool.tokens if self.tool else 0)

    @property
    def tokens(self) -> int:
        return self.opening_tokens + sum(part.tokens for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswer:
    """A whole answer, decided before its first byte goes out."""

    answer_id: str
    model: str
    created_s: int
    choices: tuple[Choice, ...]
    prompt_tokens: int
    script: Script
    stream: bool
    include_usage: bool

    @property
    def completion_tokens(self) -> int:
        return sum(choice.tokens for choice in self.choices)

    @property
    def reasoning_tokens(self) -> int:
        return sum(choice.reasoning_tokens for choice in self.choices)

    @property
    def text(self) -> str:
        return "".join(choice.text for choice in self.choices)


def answer_chat(
    request: Mapping[str, object], *, script: Script, count: CountTokens, created_s: int
) -> ChatAnswer:
    """Decide the answer. Raises RefusedRequest for what the API would not take."""
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RefusedRequest(
            "Missing required parameter: 'messages'.",
            param="messages",
            code="missing_required_parameter",
        )
    model = request.get("model")
    if not isinstance(model, str):
        raise RefusedRequest("you must provide a model parameter")
    prompt = orjson.dumps(messages).decode()
    options = request.get("stream_options")
    return ChatAnswer(
        answer_id=f"chatcmpl-{_digest(prompt)}",
        model=model,
        created_s=created_s,
        choices=tuple(
            _choice(request, prompt, index=index, script=script, count=count)
            for index in range(_positive(request, "n") or 1)
        ),
        prompt_tokens=_prompt_tokens(messages, count),
        script=script,
        stream=request.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def _choice(
    request: Mapping[str, object], prompt: str, *, index: int, script: Script, count: CountTokens
) -> Choice:
    seed = f"{prompt}{index}"
    if (function := _tool_to_call(request, prompt, script=script)) is not None:
        return _tool_choice(function, seed=seed, count=count)
    spread = int(_digest(seed)[:8], 16) % LENGTH_SPREAD_TOKENS
    words = completion(seed, script.tokens or SHORTEST_TOKENS + spread)
    limit = _positive(request, "max_completion_tokens") or _positive(request, "max_tokens")
    # Reasoning comes out of the same allowance, as at the real provider.
    room = len(words) if limit is None else max(0, limit - script.reasoning)
    kept = words[:room]
    return Choice(
        parts=tuple(_parts(kept, script)),
        finish_reason="stop" if len(kept) == len(words) else "length",
        reasoning_tokens=script.reasoning if limit is None else min(limit, script.reasoning),
    )


def _tool_choice(function: Mapping[str, object], *, seed: str, count: CountTokens) -> Choice:
    name = str(function.get("name", ""))
    return Choice(
        parts=tuple(_argument_parts(orjson.dumps(_arguments(function)).decode(), count)),
        finish_reason="tool_calls",
        tool=ToolCall(
            call_id=f"call_{_digest(seed)[:24]}",
            name=name,
            tokens=count(name) + TOOL_CALL_TOKENS,
        ),
    )


def _parts(words: Sequence[str], script: Script) -> Iterator[Part]:
    """The text as it streams: some tokens at a time, or some characters across tokens."""
    if not script.chunk_chars:
        for start in range(0, len(words), script.chunk_tokens):
            chunk = words[start : start + script.chunk_tokens]
            yield Part("".join(chunk), len(chunk))
        return
    text = "".join(words)
    token_ends = list(accumulate(map(len, words)))
    done = 0
    for start in range(0, len(text), script.chunk_chars):
        part = text[start : start + script.chunk_chars]
        # A token counts as produced once its last character went out.
        ended = bisect_right(token_ends, start + len(part))
        yield Part(part, ended - done)
        done = ended


def _argument_parts(arguments: str, count: CountTokens) -> Iterator[Part]:
    done = 0
    for start in range(0, len(arguments), ARGUMENT_CHARS):
        end = start + ARGUMENT_CHARS
        counted = count(arguments[:end])
        yield Part(arguments[start:end], max(0, counted - done))
        done = max(done, counted)


def _tool_to_call(
    request: Mapping[str, object], prompt: str, *, script: Script
) -> Mapping[str, object] | None:
    """The function that is asked for by name, demanded, scripted or prompted; else none."""
    tools = request.get("tools")
    if not isinstance(tools, list) or not tools:
        return None
    functions = [
        function
        for tool in tools
        if isinstance(tool, dict) and isinstance(function := tool.get("function"), dict)
    ]
    wanted = request.get("tool_choice")
    if wanted == "none" or not functions:
        return None
    if isinstance(wanted, dict) and isinstance(named := wanted.get("function"), dict):
        return next((each for each in functions if each.get("name") == named.get("name")), None)
    asked = wanted == "required" or script.tool or TOOL_TRIGGER in prompt.lower()
    return functions[0] if asked else None


def _arguments(function: Mapping[str, object]) -> dict[str, object]:
    """A value of the right type for each property of the function's schema."""
    parameters = function.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    if not isinstance(properties, dict):
        return {}
    return {
        str(name): SAMPLE_VALUES.get(schema.get("type") if isinstance(schema, dict) else "")
        for name, schema in properties.items()
    }


def _prompt_tokens(messages: Sequence[object], count: CountTokens) -> int:
    total = ANSWER_TOKENS
    for message in messages:
        fields = message if isinstance(message, dict) else {}
        total += MESSAGE_TOKENS + count(str(fields.get("role", ""))) + count(_text_of(fields))
    return total


def _text_of(message: Mapping[str, object]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _positive(request: Mapping[str, object], name: str) -> int | None:
    value = request.get(name)
    if value is None:
        return None
    if type(value) is not int or value < 1:
        raise RefusedRequest(
            f"Invalid value for '{name}': expected an integer of at least 1.",
            param=name,
            code="invalid_value",
        )
    return value


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=15).hexdigest()
