"""Time spans and globs as people type them."""

import pytest

from gateway.cli.keys import _model_glob, span_ms
from gateway.errors import BadCall


@pytest.mark.parametrize(
    ("text", "ms"),
    [("0s", 0), ("90s", 90_000), ("15m", 900_000), ("12h", 43_200_000), ("30d", 2_592_000_000)],
)
def test_a_span_is_a_number_and_its_unit(text, ms) -> None:
    assert ms == span_ms(text)


@pytest.mark.parametrize("text", ["", "5", "-1d", "1.5h", "5 m", "5w", "٣d", "9" * 10 + "s"])
def test_what_is_no_span_is_named(text) -> None:
    with pytest.raises(BadCall, match="Expected a time span") as caught:
        span_ms(text)

    assert repr(text) in caught.value.message


def test_a_span_ends_within_a_century() -> None:
    assert 36_500 * 86_400_000 == span_ms("36500d")
    with pytest.raises(BadCall, match="at most 36500d"):
        span_ms("36501d")


@pytest.mark.parametrize("text", ["", "gpt 4", "gpt\n", "\x1b[0m"])
def test_a_model_glob_has_no_blanks(text) -> None:
    with pytest.raises(BadCall, match="Expected a model name"):
        _model_glob(text)
