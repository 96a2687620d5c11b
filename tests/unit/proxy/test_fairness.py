"""Places in a worker: a busy account never takes the last of them."""

from contextlib import ExitStack

import pytest

from gateway.errors import Overloaded
from gateway.proxy.fairness import Places


def take_all(places: Places, account: str, stack: ExitStack) -> int:
    """How many one account can get now."""
    for taken in range(10_000):
        try:
            stack.enter_context(places.one(account))
        except Overloaded:
            return taken
    raise AssertionError("unbounded")


def test_one_account_takes_at_most_half_and_the_next_half_of_the_rest() -> None:
    places = Places(100)
    with ExitStack() as stack:
        assert 50 == take_all(places, "noisy", stack)
        assert 25 == take_all(places, "second", stack)
        # Whoever else comes finds room.
        for quiet in ("a", "b", "c"):
            with places.one(quiet):
                pass


def test_places_are_given_back_however_the_call_ended() -> None:
    places = Places(100)
    with ExitStack() as stack:
        assert 50 == take_all(places, "noisy", stack)
    for _ in range(200):
        with pytest.raises(ValueError, match="broke"), places.one("noisy"):
            raise ValueError("broke")
    with ExitStack() as stack:
        assert 50 == take_all(places, "noisy", stack)
