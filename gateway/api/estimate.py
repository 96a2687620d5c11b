"""POST /estimate: what a call may cost, and whether it would be let through now. Holds nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import Field, model_validator

from gateway.api.operation import Asked, Audience, Operation
from gateway.api.outside import (
    ModelName,
    PieceCounts,
    Tokens,
    pieces_of,
    refused_as,
    reserve,
)
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Body, Query, Reply, amount
from gateway.dialects import DIALECTS
from gateway.dialects.base import Request
from gateway.errors import BadCall, Forbidden
from gateway.metering.call import Call
from gateway.metering.ledger import Refused
from gateway.metering.pricing import affordable_output_tokens, charge_ucr
from gateway.metering.reservations import Line, Payer, Wish, line_of, outside_call
from gateway.metering.usage import Usage

# English prose has some four characters a token; none has less than one byte.
TYPICAL_CHARS_PER_TOKEN = 4
# An answer of a page.
TYPICAL_OUTPUT_TOKENS = 500
CHOICES_MAX = 128


class EstimateBody(Body):
    """A call that might be made; its prompt as `input_tokens`, `characters` or `messages`."""

    model: ModelName
    input_tokens: Tokens | None = None
    characters: Tokens | None = None
    """The worst case takes each for a token, which holds for ASCII; four make one as a rule."""
    messages: Annotated[list[dict[str, Any]], Field(max_length=10_000)] | None = None
    """As in a chat completion, and counted as one."""
    max_output_tokens: Tokens | None = None
    """Of each answer; null: the most the model makes."""
    choices: Annotated[int, Field(ge=1, le=CHOICES_MAX)] = 1
    stream: bool = False
    """A stream may begin with less credit than its worst case, if the plan's holds are rolling."""
    pieces: Annotated[PieceCounts, Field(default_factory=dict)]
    """The most it may use of what is sold by the piece."""

    @model_validator(mode="after")
    def _one_prompt(self) -> "EstimateBody":
        given = (self.input_tokens, self.characters, self.messages)
        if sum(each is not None for each in given) != 1:
            raise ValueError("give one of input_tokens, characters and messages")
        return self


class EstimateReply(Reply):
    """What it may cost, and whether it would be let through now."""

    model: str
    rate_version: str
    input_tokens: int
    """The most the prompt may have."""
    max_output_tokens: int
    """The most all answers together may have."""
    worst_case: Amount
    typical: Amount
    """With answers of 500 tokens, or of the most there may be if that is less."""
    required: Amount
    """What must be free for it to begin."""
    available: Amount
    fits: bool
    code: str | None
    """Why it would be refused: the code of the error it would get."""
    detail: str | None
    affordable_max_tokens: int
    """The largest `max_output_tokens` whose worst case the free credit covers."""


def operations(resources: Resources) -> Sequence[Operation]:
    async def estimate(asked: Asked[Query]) -> EstimateReply:
        assert isinstance(asked.body, EstimateBody)
        holder = asked.holder
        payer = Payer(holder.account, holder.plan, holder.key, holder.project)
        return await _estimated(resources, payer, asked.body)

    return (
        Operation(
            method="POST",
            path="/estimate",
            name="estimate",
            summary="What a call may cost, and whether it would be let through now",
            tag="Self-service",
            audience=Audience.KEY,
            body=EstimateBody,
            handler=estimate,
            answer=EstimateReply,
            errors=(Forbidden,),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Prompt:
    most_tokens: int
    typical_tokens: int


async def _estimated(resources: Resources, payer: Payer, body: EstimateBody) -> EstimateReply:
    payer.check_model(body.model)
    line = line_of(body.model, routes=resources.routes, rate_card=resources.rate_card)
    prompt = await _prompt(resources, body, line)
    call = outside_call(
        body.model,
        price=line.price,
        max_output_tokens=body.max_output_tokens,
        pieces=pieces_of(body.pieces),
        choices=body.choices,
        stream=body.stream,
    )
    wish = Wish(
        hold_id="probe",
        payer=payer,
        line=line,
        call=call,
        input_tokens=prompt.most_tokens,
        probe=True,
    )
    estimated, needed = wish.size
    asking = await reserve(resources.ledger, wish)
    refused = None
    if isinstance(asking.answer, Refused):
        refused = refused_as(asking.answer, wish, asking.ask)
    affordable = affordable_output_tokens(
        line.price,
        available_ucr=asking.answer.available_ucr,
        input_tokens=prompt.most_tokens,
        terms=call.terms,
    )
    full = estimated.output_full_tokens
    return EstimateReply(
        model=line.model,
        rate_version=line.price.version,
        input_tokens=prompt.most_tokens,
        max_output_tokens=full,
        worst_case=amount(needed.full_ucr),
        typical=amount(_typical_ucr(line, prompt, call=call, full_tokens=full)),
        required=amount(needed.least_ucr),
        available=amount(asking.answer.available_ucr),
        fits=refused is None,
        code=refused.code if refused else None,
        detail=refused.message if refused else None,
        affordable_max_tokens=min(affordable // body.choices, line.price.max_output_tokens),
    )


def _typical_ucr(line: Line, prompt: _Prompt, *, call: Call, full_tokens: int) -> int:
    usage = Usage(
        input_uncached=prompt.typical_tokens,
        output_text=min(full_tokens, TYPICAL_OUTPUT_TOKENS * call.choices),
        pieces=call.terms.pieces,
    )
    return charge_ucr(line.price, usage)


async def _prompt(resources: Resources, body: EstimateBody, line: Line) -> _Prompt:
    if body.input_tokens is not None:
        return _Prompt(body.input_tokens, body.input_tokens)
    if body.characters is not None:
        return _Prompt(body.characters, -(-body.characters // TYPICAL_CHARS_PER_TOKEN))
    dialect = DIALECTS["openai_chat"]
    document = {"model": line.model, "messages": body.messages}
    try:
        call = dialect.read_call(Request(body=orjson.dumps(document)))
    except TypeError:
        raise BadCall("messages: this cannot be counted.", details={"param": "messages"}) from None
    parts = dialect.prompt_parts(call)
    counted = parts.fixed_tokens + await resources.counter.count(line.model, parts.texts)
    tokens = counted + parts.audio_tokens + parts.image_tokens
    return _Prompt(tokens, tokens)
