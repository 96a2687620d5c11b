"""Prose out of nothing: deterministic, plausible, and with a token count that is true.

Each piece (a word with the space before it, or a mark) is exactly one token in o200k_base and
cl100k_base, because both split text before spaces and have these words as single tokens;
tests/unit/simulator/test_text.py checks it against the vocabularies themselves.
"""

import random
from collections.abc import Iterator
from itertools import islice

SUBJECTS = ("The system", "A small team", "The market", "This approach", "Each reader", "The river")
VERBS = ("shows", "follows", "changes", "explains", "supports", "reaches", "needs", "keeps")
ADJECTIVES = ("simple", "quiet", "early", "common", "strong", "careful", "modern", "clear")
NOUNS = ("answer", "pattern", "season", "question", "result", "garden", "method", "story")
LINKS = ("while", "because", "and", "so", "but", "since")
MARK = "."


def pieces(seed: str) -> Iterator[str]:
    """Sentences without end, one token at a time; the same seed tells the same story."""
    draw = random.Random(seed)  # noqa: S311 - prose, not a secret
    first = True
    while True:
        for piece in _sentence(draw):
            yield piece.removeprefix(" ") if first else piece
            first = False


def completion(seed: str, tokens: int) -> list[str]:
    """Exactly `tokens` pieces, ending with a full stop where a word can take one."""
    words = list(islice(pieces(seed), tokens))
    # Two marks in a row would be one token.
    if len(words) > 1 and words[-2].startswith(" "):
        words[-1] = MARK
    return words


def _sentence(draw: random.Random) -> Iterator[str]:
    for word in draw.choice(SUBJECTS).split():
        yield f" {word}"
    yield from _predicate(draw)
    if draw.choice((True, False)):
        yield ","
        yield f" {draw.choice(LINKS)}"
        yield " it"
        yield from _predicate(draw)
    yield MARK


def _predicate(draw: random.Random) -> Iterator[str]:
    yield f" {draw.choice(VERBS)}"
    yield " a"
    yield f" {draw.choice(ADJECTIVES)}"
    yield f" {draw.choice(NOUNS)}"
