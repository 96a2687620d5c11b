"""The simulator's count of its own tokens is checked against the vocabularies themselves."""

import pytest

from gateway.simulator.text import completion
from gateway.tokens.vocabulary import vocabulary


@pytest.mark.parametrize("encoding", ["o200k_base", "cl100k_base"])
def test_every_piece_is_exactly_one_token_wherever_the_text_ends(encoding) -> None:
    count = vocabulary(encoding).count
    for seed in range(20):
        for tokens in range(1, 90):
            words = completion(f"seed {seed}", tokens)

            assert tokens == len(words) == count("".join(words))


def test_the_same_seed_tells_the_same_story_and_another_one_does_not() -> None:
    assert completion("a", 200) == completion("a", 200)
    assert completion("a", 200) != completion("b", 200)
