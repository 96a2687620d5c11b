"""Where text may be cut without changing its tokens.

Both vocabularies first split text with a regular expression and then encode every match on its
own. The expressions look behind nowhere and ahead only inside white space, so a cut is exact
wherever *every* way of matching has to end. These four places qualify, in `o200k_base` and
`cl100k_base` alike (tiktoken's `openai_public`, 0.14.0):

- a letter or digit, then a separator: letters and digits are only matched in runs of their kind.
  An apostrophe is no such separator, because `'s` and its like belong to the word before;
- anything visible, then a space or tab: only runs of white space contain those after the first
  place. A line break is not such a place: it belongs to the punctuation before it;
- an ASCII letter, then a digit, and the reverse: no match contains both.

Separators are listed rather than described by category: Python and the encoder need not agree on
the Unicode version, and a character that became a letter or a combining mark would break the rule.
`tests/property/test_stream_count.py` compares cuts with the whole, over mixed scripts.
"""

import re
from collections.abc import Iterator

# ASCII punctuation and white space without the apostrophe; then Arabic, Indic, typographic,
# CJK and full-width punctuation, none of it a combining mark.
_SEPARATORS = (
    r"\t\n\r !-&(-/:-@\[-`{-~"
    r"\u060c\u061b\u061f\u06d4\u0964\u0965"
    r"\u2010-\u2027\u2030-\u205e"
    r"\u3000-\u3003\u3008-\u3011\uff01-\uff06\uff08-\uff0f\uff1a-\uff20"
)
# The greedy dot makes the match end at the *last* boundary; failing is linear in the text.
_LAST = re.compile(
    rf"(?s:.*)(?:[^\W_](?=[{_SEPARATORS}])|\S(?=[ \t])|[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z]))"
)
# How far back to look for a boundary before cutting anywhere: text without one for this long
# is not language, and each such cut costs a token or two of exactness.
LOOK_BACK_CHARS = 2_000


def last_boundary(text: str, start: int = 0, end: int | None = None) -> int:
    """The last exact cut strictly inside `text[start:end]`; `start` when there is none."""
    found = _LAST.match(text, start, len(text) if end is None else end)
    return start if found is None else found.end()


def pieces(text: str, *, chars_max: int) -> Iterator[str]:
    """Cut `text` into parts of at most `chars_max`, at boundaries where there are any."""
    start = 0
    while len(text) - start > chars_max:
        end = start + chars_max
        look_from = max(start, end - LOOK_BACK_CHARS)
        cut = last_boundary(text, look_from, end)
        if cut == look_from:
            cut = end
        yield text[start:cut]
        start = cut
    yield text[start:]
