"""Completions, the elder of chat: what `chat` decides to say, without roles, tools and framing.

Several prompts are answered one by one, each `n` times; with `best_of` more is charged than is
shown. Field sets are those of recorded OpenAI answers (2026-11).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import orjson
from aiohttp import web

from gateway.simulator.chat import ChatAnswer, CountTokens, RefusedRequest, answer_chat
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.journal import Entry
from gateway.simulator.sending import send_document, send_stream
from gateway.simulator.wire import COMMENT, DONE, Chunk, usage


async def _complete(exchange: Exchange) -> web.StreamResponse:
    request, entry = exchange.document(), exchange.entry
    answer = _answer(request, exchange)
    entry.prompt_tokens = answer.prompt_tokens
    entry.texts = [""] * len(answer.choices)
    await exchange.ready()
    if answer.stream:
        return await send_stream(exchange, _events(answer))

    def produced(entry: Entry) -> None:
        for index, choice in enumerate(answer.choices):
            entry.produced(tokens=choice.tokens, text=choice.text, choice=index)

    choices = [
        _choice(choice.text, index, finish_reason=choice.finish_reason)
        for index, choice in enumerate(answer.choices)
    ]
    whole = _document(answer, choices)
    if not answer.script.no_usage:
        whole["usage"] = _usage(answer, made=_made_per_shown(request))
    data = orjson.dumps(whole, option=orjson.OPT_INDENT_2)
    return await send_document(exchange, data, produced=produced)


ROUTES = (Route("POST", "/v1/completions", _complete),)


def _answer(request: Mapping[str, object], exchange: Exchange) -> ChatAnswer:
    prompts = _prompts(request)
    answers = [
        answer_chat(
            {**request, "messages": [{"role": "user", "content": str(prompt)}]},
            script=exchange.script,
            count=exchange.count,
            created_s=int(datetime.now(UTC).timestamp()),
        )
        for prompt in prompts
    ]
    return replace(
        answers[0],
        answer_id=answers[0].answer_id.replace("chatcmpl-", "cmpl-"),
        choices=tuple(choice for answer in answers for choice in answer.choices),
        prompt_tokens=sum(_tokens(prompt, exchange.count) for prompt in prompts),
    )


def _prompts(request: Mapping[str, object]) -> list[object]:
    prompt = request.get("prompt")
    if isinstance(prompt, list) and not any(isinstance(each, int) for each in prompt):
        if not prompt:
            raise RefusedRequest("Invalid 'prompt': empty array.", param="prompt")
        return prompt
    return ["" if prompt is None else prompt]


def _tokens(prompt: object, count: CountTokens) -> int:
    return len(prompt) if isinstance(prompt, list) else max(1, count(str(prompt)))


def _made_per_shown(request: Mapping[str, object]) -> int:
    """Every candidate is taken to be as long as those that are shown."""
    made, shown = request.get("best_of"), request.get("n") or 1
    return made // shown if type(made) is int and type(shown) is int else 1


def _usage(answer: ChatAnswer, *, made: int = 1) -> dict[str, object]:
    told = usage(answer)
    prompt, completion = told["prompt_tokens"], answer.completion_tokens * made
    if answer.script.completion_tokens is not None or answer.script.usage_zero:
        return told
    assert isinstance(prompt, int)
    return told | {"completion_tokens": completion, "total_tokens": prompt + completion}


def _events(answer: ChatAnswer) -> Iterator[Chunk]:
    """The stream, event by event; the choices take turns."""
    reports = answer.include_usage and not answer.script.no_usage
    longest = max(len(choice.parts) for choice in answer.choices)
    for turn in range(longest):
        for index, choice in enumerate(answer.choices):
            if turn < len(choice.parts):
                part = choice.parts[turn]
                event = _event(answer, [_choice(part.text, index)], reports=reports)
                yield Chunk(event, part.tokens, part.text, index)
    for index, choice in enumerate(answer.choices):
        ended = [_choice("", index, finish_reason=choice.finish_reason)]
        yield Chunk(_event(answer, ended, reports=reports))
    if reports:
        yield Chunk(_event(answer, [], reports=True, reported=_usage(answer)))
    if not answer.script.no_done:
        yield Chunk(DONE)


def _choice(text: str, index: int, *, finish_reason: str | None = None) -> dict[str, object]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason}


def _document(answer: ChatAnswer, choices: list[dict[str, object]]) -> dict[str, object]:
    return {
        "id": answer.answer_id,
        "object": "text_completion",
        "created": answer.created_s,
        "model": answer.model,
        "choices": choices,
    }


def _event(
    answer: ChatAnswer,
    choices: list[dict[str, object]],
    *,
    reports: bool,
    reported: Mapping[str, object] | None = None,
) -> bytes:
    told = _document(answer, choices) | ({"usage": reported} if reports else {})
    lead = COMMENT if answer.script.comments else b""
    return b"%bdata: %b\n\n" % (lead, orjson.dumps(told))
