"""Places in a worker: a busy account never takes the last of them."""

from gateway.errors import Overloaded
from gateway.proxy.fairness import Places


def take_all(places: Places, account: str) -> int:
    """How many one account can get now."""
    for taken in range(10_000):
        try:
            places.take(account)
        except Overloaded:
            return taken
    raise AssertionError("unbounded")


def test_one_account_takes_at_most_half_and_the_next_half_of_the_rest() -> None:
    places = Places(100)
    assert 50 == take_all(places, "noisy")
    assert 25 == take_all(places, "second")
    # Whoever else comes finds room.
    for quiet in ("a", "b", "c"):
        places.take(quiet)
        places.give_back(quiet)


def test_places_that_are_given_back_are_free() -> None:
    places = Places(100)
    for _ in range(3):
        assert 50 == take_all(places, "noisy")
        for _ in range(50):
            places.give_back("noisy")
