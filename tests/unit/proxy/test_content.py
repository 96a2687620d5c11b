"""What an answer is read as."""

import pytest

from gateway.proxy.content import told_type


@pytest.mark.parametrize("untyped", ["", "text/plain", "text/html", "application/octet-stream"])
def test_a_stream_of_words_without_a_type_is_one_of_events(untyped: str) -> None:
    assert "text/event-stream" == told_type(untyped, in_events=True)
    assert untyped == told_type(untyped, in_events=False)


@pytest.mark.parametrize("kind", ["application/json", "application/vnd.amazon.eventstream"])
def test_a_type_of_its_own_counts(kind: str) -> None:
    assert kind == told_type(kind, in_events=True)
