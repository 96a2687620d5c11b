"""Texts of ours with words replaced, for tests that run them in a place of their own."""

from collections.abc import Iterable


def reworded(text: str, changes: Iterable[tuple[str, str]]) -> str:
    """Each change in turn; what it replaces must be there."""
    for old, new in changes:
        assert old in text, f"it does not say: {old}"
        text = text.replace(old, new)
    return text
