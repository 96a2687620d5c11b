"""What a completion has told so far: the texts by choice, and the usage.

Fed with decoded chunks, or with the one completion: both are the same. Streams are named
`<choice>.text`. Usage is chat's (`openai_usage.py`).

- With `echo` a choice begins with its prompt, which is input and no output: as much of the text
  as the prompt has is left out. Of a prompt in tokens only the number is known; its length is
  taken for the usual four letters a token.
- With `best_of` OpenAI makes more continuations than it shows and charges all of them. Where it
  does not say how much that was, each hidden one counts as its largest.
"""

from gateway.dialects.base import OutputPiece, Reported
from gateway.dialects.json_body import objects
from gateway.dialects.openai_chat_story import choice_index
from gateway.dialects.openai_completions_call import prompts_of, shown_of
from gateway.dialects.openai_usage import read_usage, service_tier, usage_in
from gateway.metering.call import Call
from gateway.metering.usage import NOTHING, Usage

CHARS_PER_TOKEN = 4
# What `max_tokens` is when nobody says.
DEFAULT_TOKENS = 16


class CompletionStory:
    """Grows with every chunk. Implements `StreamStory`."""

    __slots__ = ("_call", "_echoes", "_prompts", "_shown", "_texts", "_tier", "_told", "_usage")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._texts: dict[str, list[str]] = {}
        self._told = False
        self._prompts = prompts_of(call.document)
        self._shown = shown_of(call.document)
        # By choice, how many characters of the prompt are still to come.
        self._echoes: dict[int, int] | None = {} if call.document.get("echo") is True else None
        self._usage: object = None
        self._tier = ""

    @property
    def reported(self) -> Reported | None:
        return read_usage(self._usage, tier=self._tier)

    @property
    def so_far(self) -> Usage | None:
        """Nothing: this format reports at its end."""
        return None

    @property
    def extra(self) -> Usage:
        """The continuations that `best_of` made and did not show."""
        hidden = self._call.choices - len(self._prompts) * self._shown
        if hidden <= 0 or not self._told:
            return NOTHING
        cap = self._call.max_output_tokens
        return Usage(output_text=hidden * (DEFAULT_TOKENS if cap is None else cap))

    def take_pieces(self) -> list[OutputPiece]:
        pieces = [OutputPiece(name, "".join(texts)) for name, texts in self._texts.items()]
        self._texts = {}
        return pieces

    def add(self, document: object) -> None:
        """One chunk, or one whole completion."""
        if not isinstance(document, dict):
            return
        usage = usage_in(document)
        if usage is not None:
            self._usage, self._tier = usage, service_tier(document)
        for choice in objects(document.get("choices")):
            text = choice.get("text")
            if isinstance(text, str):
                self._say(choice_index(choice), text)

    def _say(self, index: int, text: str) -> None:
        self._told = True
        if self._echoes is not None:
            text = self._without_echo(index, text, self._echoes)
        if text:
            self._texts.setdefault(f"{index}.text", []).append(text)

    def _without_echo(self, index: int, text: str, echoes: dict[int, int]) -> str:
        left = echoes.get(index)
        if left is None:
            at = index // self._shown
            prompt = self._prompts[at] if at < len(self._prompts) else ""
            left = len(prompt) if isinstance(prompt, str) else len(prompt) * CHARS_PER_TOKEN
        echoes[index] = max(0, left - len(text))
        return text[left:]
