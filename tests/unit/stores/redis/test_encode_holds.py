"""Numbers on their way to a script: exact, or refused."""

from struct import unpack

import pytest
from hiredis import Reader

from gateway.errors import BadCall
from gateway.metering.pricing import AMOUNT_MAX_UCR
from gateway.stores.redis import encode_holds
from tests.support import asks


class Clock:
    def now_ms(self) -> int:
        return asks.STARTED_MS


def numbers(full_ucr: int) -> tuple[float, ...]:
    asked = asks.reserve(Clock(), "r1", full_ucr)
    (_, _, count), _, arguments = encode_holds.reserve(asked)
    parser = Reader()
    parser.feed(b"*%d\r\n%b" % (count, arguments))
    packed = parser.gets()[2]
    return unpack(f"<{len(packed) // 8}d", packed)


@pytest.mark.parametrize("amount", [0, 1, 2**49 - 1, 2**49, 2**49 + 1, AMOUNT_MAX_UCR])
def test_amounts_arrive_exactly(amount: int) -> None:
    assert (amount, amount) == numbers(amount)[1:3]


@pytest.mark.parametrize("amount", [-1, -(2**60), AMOUNT_MAX_UCR + 1, 2**64, 10**400])
def test_an_amount_that_a_script_could_not_count_is_refused(amount: int) -> None:
    with pytest.raises(BadCall):
        numbers(amount)
