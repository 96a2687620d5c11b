"""A completions request: what metering must know of it, and how large its prompts are.

A prompt is a text or a list of token ids; several are a list of them, and each is continued `n`
times. With `best_of` more are made than are shown, and all are charged. A prompt is read as it is,
without framing. Source: OpenAI API reference, "Create completion" (read 2026-11-25).
"""

from collections.abc import Mapping, Sequence

from gateway.dialects.base import PromptParts, Request
from gateway.dialects.json_body import SingleKeys, boolean, read_object, tokens, wrong
from gateway.dialects.named_model import asked_model
from gateway.dialects.openai_chat_call import answers
from gateway.dialects.openai_stream_options import include_usage
from gateway.dialects.openai_usage import service_tier
from gateway.errors import BadCall
from gateway.metering.call import Call, Terms, make_call

EXPECTED = "a string, an array of tokens, or an array of either"
# OpenAI's bound is the same for embeddings; beyond it a hold would be absurd.
PROMPTS_MAX = 2_048

SINGLE_KEYS = SingleKeys(
    ("model", "prompt", "suffix", "stream", "stream_options", "n", "best_of", "max_tokens", "echo"),
    inside={"stream_options": ("include_usage",)},
)


def read_call(request: Request) -> Call:
    """Raises BadCall naming the field, what was expected and which type came; never a value."""
    document = read_object(request.body, SINGLE_KEYS)
    prompts = prompts_of(document)
    shown, made = answers(document, "n") or 1, answers(document, "best_of") or 1
    stream = boolean(document, "stream")
    boolean(document, "echo")
    return make_call(
        model=asked_model(request, document),
        stream=stream,
        choices=len(prompts) * max(shown, made),
        prompts=len(prompts),
        max_output_tokens=tokens(document, "max_tokens"),
        wants_usage=include_usage(document) and stream,
        text_bytes=len(request.body),
        # vLLM's, in place of a prompt.
        opaque_inputs=1 if document.get("prompt_embeds") is not None else 0,
        terms=Terms(service_tier=service_tier(document)),
        document=document,
    )


def prompts_of(document: Mapping[str, object]) -> Sequence[str | Sequence[int]]:
    """The prompts one by one, each a text or its tokens; without one the model begins at will."""
    prompt = document.get("prompt")
    if prompt is None:
        return ("",)
    if isinstance(prompt, str):
        return (prompt,)
    if not isinstance(prompt, list) or not prompt:
        raise wrong("prompt", EXPECTED, prompt)
    if _are_tokens(prompt):
        return (prompt,)
    if len(prompt) > PROMPTS_MAX:
        raise BadCall(f"prompt must be at most {PROMPTS_MAX} prompts.", details={"param": "prompt"})
    for each in prompt:
        if not isinstance(each, str) and not (isinstance(each, list) and _are_tokens(each)):
            raise wrong("prompt[]", "a string or an array of tokens", each)
    return prompt


def shown_of(document: Mapping[str, object]) -> int:
    """How many continuations of each prompt are shown."""
    return answers(document, "n") or 1


def shown_choices(document: Mapping[str, object]) -> int:
    return len(prompts_of(document)) * shown_of(document)


def bound_tokens(call: Call, *, context_tokens: int) -> int:
    """A token is at least a byte; each prompt begins with one of its own in some vocabularies."""
    bound = call.text_bytes + call.prompts + call.opaque_inputs * context_tokens
    return min(bound, call.prompts * context_tokens)


def parts_of(call: Call) -> PromptParts:
    texts: list[str] = []
    fixed = 0
    for prompt in prompts_of(call.document):
        if isinstance(prompt, str) and prompt:
            texts.append(prompt)
        else:
            # An empty one is the token that separates documents.
            fixed += len(prompt) or 1
        if isinstance(suffix := call.document.get("suffix"), str) and suffix:
            texts.append(suffix)
    return PromptParts(texts=texts, fixed_tokens=fixed)


def _are_tokens(values: Sequence[object]) -> bool:
    return all(type(each) is int for each in values)
