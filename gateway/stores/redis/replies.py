"""Error replies of the server as errors of ours. Never passes the server's text on: a script
error may quote an argument."""

import re

from hiredis import ReplyError

from gateway.errors import GatewayError, StoreUnavailable

RETRY_AFTER_S = 1.0

# The server is there but cannot do this now, or this is not the server to ask.
# https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors, seen 2026-11.
UNAVAILABLE = frozenset(
    {
        *("LOADING", "READONLY", "BUSY", "OOM", "MISCONF", "NOREPLICAS", "MASTERDOWN"),
        *("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"),
        *("NOAUTH", "WRONGPASS", "NOPERM"),
    }
)
_CODE = re.compile(r"\b[A-Z]{3,}\b")


def unavailable(why: str) -> StoreUnavailable:
    return StoreUnavailable(f"The ledger is not available: {why}.", retry_after_s=RETRY_AFTER_S)


def failure(name: str, error: ReplyError) -> GatewayError:
    """The error to raise for a refused command or script called `name`."""
    # 6.2 wraps what a command inside a script answered: "ERR Error running script … -OOM …".
    for code in _CODE.findall(str(error)):
        if code in UNAVAILABLE:
            return unavailable(f"the store answered {code} to {name}")
    # Of a stranger a server takes no command as long as our scripts: "ERR Protocol error:
    # unauthenticated bulk length".
    if "unauthenticated" in str(error):
        return unavailable("the store wants a password")
    return GatewayError(f"The store could not run {name}; its answer is not shown here.")


def script_missing(error: ReplyError) -> bool:
    """The server forgot the script (restart, SCRIPT FLUSH, failover); it did not run."""
    return str(error).startswith("NOSCRIPT")
