"""Error replies, sorted into "not now" and "our mistake"."""

import pytest
from hiredis import ReplyError

from gateway.errors import GatewayError, StoreUnavailable
from gateway.stores.redis.replies import failure

NOT_NOW = """
LOADING Redis is loading the dataset in memory
READONLY You can't write against a read only replica.
BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
OOM command not allowed when used memory > 'maxmemory'. script: 1f, on @user_script:12.
ERR Error running script (call to f_1f): @user_script:12: @user_script: 12: -OOM command not
MOVED 3999 127.0.0.1:6381
NOAUTH Authentication required.
"""


@pytest.mark.parametrize("text", NOT_NOW.strip().splitlines())
def test_a_store_that_cannot_now_is_unavailable(text: str) -> None:
    error = failure("settle", ReplyError(text))

    assert isinstance(error, StoreUnavailable)
    assert error.retry_after_s is not None


def test_a_broken_script_is_named_and_its_data_is_not() -> None:
    error = failure("settle", ReplyError("ERR value sk-secret is not an integer script: 1f"))

    assert GatewayError is type(error)
    assert "settle" in error.message
    assert "secret" not in error.message
