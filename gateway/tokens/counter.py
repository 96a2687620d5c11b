"""The token counter: which vocabulary a model is counted with, and where the work is done.

Small texts are encoded where they stand; large ones in a few threads, piece by piece, so that
neither a long prompt nor a hostile one holds up the event loop. Conversations send the same texts
again with every turn, so counts are remembered, by digest: the texts themselves are not kept.

Knows no dialect, and no vocabulary beyond those carried: other vendors' models are counted with
one of them and the rule's `percent`.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.errors import ConfigError
from gateway.tokens.base import INLINE_CHARS_MAX, EncodingRule, StreamCount
from gateway.tokens.boundaries import pieces
from gateway.tokens.stream import HeldBackCount, scaled
from gateway.tokens.vocabulary import PIECE_CHARS_MAX, SOURCES, Vocabulary, vocabulary

# What OpenAI's models since GPT-4o use; the best guess for a model no rule names.
DEFAULT_RULE = EncodingRule(match="*", encoding="o200k_base")
# Encoding frees the GIL; more threads would only take the cores from the event loops.
THREADS = 2
# Model names come from callers: what is remembered about them is bounded in number and length.
MODELS_MAX = 1_024
MODEL_CHARS_MAX = 128
# Below this a digest costs as much as the count it saves.
REMEMBERED_CHARS_MIN = 256
# Some 2 MB of digests; a conversation adds one or two with each turn.
REMEMBERED_MAX = 8_192


@dataclass(frozen=True, slots=True)
class _Choice:
    vocabulary: Vocabulary
    percent: int


class TiktokenCounter:
    """Implements `TokenCounter`. Loads what its rules name: build it before forking workers."""

    def __init__(self, rules: Sequence[EncodingRule] = ()) -> None:
        """Raises ConfigError for a rule whose encoding is not carried."""
        self._choices = [(rule.match, _choice(rule)) for rule in (*rules, DEFAULT_RULE)]
        self._by_model: dict[str, _Choice] = {}
        self._remembered = CountMemory()
        # Threads start with the first large text, thus in the worker and not before the fork.
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="tokens")

    def close(self) -> None:
        """Drop what is still queued; the piece being encoded ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def open(self, model: str) -> StreamCount:
        choice = self._choose(model)
        return HeldBackCount(choice.vocabulary, percent=choice.percent)

    async def count(self, model: str, texts: Sequence[str]) -> int:
        choice = self._choose(model)
        tokens, unknown = self._remembered.split(choice.vocabulary.name, texts)
        if sum(len(text) for text, _ in unknown) <= INLINE_CHARS_MAX:
            counts = [choice.vocabulary.count(text) for text, _ in unknown]
        else:
            counts = await self._count_in_threads(choice.vocabulary, [text for text, _ in unknown])
        self._remembered.add((key, n) for (_, key), n in zip(unknown, counts, strict=True))
        return scaled(tokens + sum(counts), percent=choice.percent)

    async def _count_in_threads(self, counted_with: Vocabulary, texts: Sequence[str]) -> list[int]:
        """One job after the other: a caller who leaves takes what is not yet begun along, and
        calls that wait for the same threads take turns."""
        loop = asyncio.get_running_loop()
        counts = [0] * len(texts)
        for job in jobs(texts):
            parts = [text for _, text in job]
            done = await loop.run_in_executor(self._pool, _count_all, counted_with, parts)
            for (index, _), tokens in zip(job, done, strict=True):
                counts[index] += tokens
        return counts

    def _choose(self, model: str) -> _Choice:
        choice = self._by_model.get(model)
        if choice is None:
            choice = next(c for match, c in self._choices if fnmatchcase(model, match))
            if len(model) <= MODEL_CHARS_MAX:
                if len(self._by_model) >= MODELS_MAX:
                    self._by_model.clear()
                self._by_model[model] = choice
        return choice


class CountMemory:
    """Counts of texts seen lately, by digest; the least recently used goes first."""

    def __init__(self) -> None:
        self._counts: OrderedDict[bytes, int] = OrderedDict()

    def split(
        self, encoding: str, texts: Iterable[str]
    ) -> tuple[int, list[tuple[str, bytes | None]]]:
        """The sum of the known counts; and the other texts, with the key to add theirs under."""
        known = 0
        unknown: list[tuple[str, bytes | None]] = []
        for text in texts:
            key = _digest(encoding, text) if len(text) >= REMEMBERED_CHARS_MIN else None
            tokens = None if key is None else self._counts.get(key)
            if tokens is None or key is None:
                unknown.append((text, key))
            else:
                known += tokens
                self._counts.move_to_end(key)
        return known, unknown

    def add(self, counts: Iterable[tuple[bytes | None, int]]) -> None:
        for key, tokens in counts:
            if key is not None:
                self._counts[key] = tokens
        while len(self._counts) > REMEMBERED_MAX:
            self._counts.popitem(last=False)


def jobs(texts: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    """Parts of texts, each with its text's index, up to PIECE_CHARS_MAX characters at a time."""
    job: list[tuple[int, str]] = []
    room = PIECE_CHARS_MAX
    for index, text in enumerate(texts):
        for part in pieces(text, chars_max=PIECE_CHARS_MAX):
            if job and len(part) > room:
                yield job
                job, room = [], PIECE_CHARS_MAX
            job.append((index, part))
            room -= len(part)
    if job:
        yield job


def _choice(rule: EncodingRule) -> _Choice:
    if rule.encoding not in SOURCES:
        known = ", ".join(sorted(SOURCES))
        raise ConfigError(
            f"expected one of {known} as the encoding of {rule.match!r}, not {rule.encoding!r}"
        )
    return _Choice(vocabulary(rule.encoding), rule.percent)


def _count_all(counted_with: Vocabulary, texts: Sequence[str]) -> list[int]:
    return [counted_with.count(text) for text in texts]


def _digest(encoding: str, text: str) -> bytes:
    return hashlib.sha256(encoding.encode() + text.encode("utf-8", "surrogatepass")).digest()
