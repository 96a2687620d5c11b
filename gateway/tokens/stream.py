"""Counting text that arrives in pieces: exact however it was cut.

Adding up the tokens of each piece over-counts by some 40 % when pieces are not whole tokens. So
text is held back until there is enough of it, encoded up to the last place where a cut changes
nothing (`boundaries.py`), and the rest waits for more. What waits is bounded: text that offers no
such place for LOOK_BACK_CHARS characters (one endless word, a wall of emoji) is counted as it
stands, and each of these cuts may add a token or two.

Knows no dialect: one counter takes one run of text, in order.
"""

from gateway.tokens.boundaries import LOOK_BACK_CHARS, last_boundary
from gateway.tokens.vocabulary import Vocabulary

# Encoding is called once for this much new text: larger steps save little more (0.47 to 0.42 µs a
# piece at 256) and make `total`, which encodes what waits, dearer.
STEP_CHARS = 128


class HeldBackCount:
    """A running count; `feed` appends, and encodes every STEP_CHARS characters.

    `percent` scales what `total` answers, rounded up. Encodes where it stands: a text beyond
    INLINE_CHARS_MAX in one piece belongs to `TokenCounter.count`.
    """

    __slots__ = ("_chars", "_encode_at", "_percent", "_pieces", "_settled", "_vocabulary")

    def __init__(self, vocabulary: Vocabulary, *, percent: int = 100) -> None:
        self._vocabulary = vocabulary
        self._percent = percent
        self._settled = 0
        self._pieces: list[str] = []
        self._chars = 0
        self._encode_at = STEP_CHARS

    def feed(self, text: str) -> None:
        self._pieces.append(text)
        self._chars += len(text)
        if self._chars >= self._encode_at:
            self._settle()

    def total(self) -> int:
        """Tokens so far, the held-back tail included."""
        tokens = self._settled + self._vocabulary.count("".join(self._pieces))
        return scaled(tokens, percent=self._percent)

    def _settle(self) -> None:
        text = "".join(self._pieces)
        look_from = max(0, len(text) - LOOK_BACK_CHARS)
        cut = last_boundary(text, look_from)
        if cut == look_from > 0:
            cut = len(text)
        self._settled += self._vocabulary.count(text[:cut])
        tail = text[cut:]
        self._pieces = [tail]
        self._chars = len(tail)
        # Without a boundary, wait for twice as much: looking again at once would be quadratic.
        self._encode_at = max(STEP_CHARS + len(tail), 2 * len(tail))


def scaled(tokens: int, *, percent: int) -> int:
    """Rounded up: what is scaled is an estimate, and an estimate must not fall below."""
    return -(-tokens * percent // 100)
