"""Every error raised on purpose, as one shallow tree.

An error knows its status, its machine code and the facts a caller can act on. How it looks
on the wire is the caller's dialect's business (`dialects/`), decided once, at the edge.
Messages say what was expected, what came and what to do; never a key, never a prompt.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class GatewayError(Exception):
    """Base of all; subclasses fix `status` and `code`.

    `details` are numbers and names a program can act on. `should_retry` is an order to the
    official SDKs (`x-should-retry`); None leaves the choice to them. `headers` go out as they are.
    """

    status: ClassVar[int] = 500
    code: str = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retry_after_s: float | None = None,
        should_retry: bool | None = None,
        details: Mapping[str, int | str] | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.retry_after_s = retry_after_s
        self.should_retry = should_retry
        self.details = dict(details or {})
        self.headers = headers


class BadCall(GatewayError):
    """The request cannot be understood; nothing was reserved or forwarded."""

    status = 400
    code = "invalid_request"


class BodyTooLarge(GatewayError):
    status = 413
    code = "request_too_large"


class Unauthenticated(GatewayError):
    """One message for missing, unknown, revoked and expired keys: no oracle for guessers."""

    status = 401
    code = "invalid_api_key"


class Forbidden(GatewayError):
    status = 403
    code = "model_not_allowed"


class UnknownEndpoint(GatewayError):
    status = 404
    code = "unknown_endpoint"


class ObjectNotFound(GatewayError):
    """A stored object that the account did not create: there may be none, or it is another's."""

    status = 404
    code = "object_not_found"


class QuotaExceeded(GatewayError):
    """The ledger refused. `code`: insufficient_quota, balance_held or rate_limit_exceeded."""

    status = 429
    code = "rate_limit_exceeded"


class PaymentRequired(QuotaExceeded):
    """The credit is gone, where a status of its own says so."""

    status = 402
    code = "insufficient_quota"


class UpstreamFailed(GatewayError):
    """The provider could not be reached or broke off before its answer began."""

    status = 502
    code = "upstream_failed"


class UpstreamTimeout(UpstreamFailed):
    status = 504
    code = "upstream_timeout"


class UpstreamAtLimit(UpstreamFailed):
    """As many calls are at the provider, or went there lately, as the operator lets it have."""

    status = 503
    code = "upstream_at_limit"


class StoreUnavailable(GatewayError):
    """The ledger did not answer in time: no admission without a place to settle."""

    status = 503
    code = "metering_unavailable"


class StoreBehind(StoreUnavailable):
    """The ledger answers, and has lost what it knew of this account: nothing was asked of it."""


class HistoryUnavailable(GatewayError):
    """What is behind the ledger cannot be read or written now; calls and balances go on."""

    status = 503
    code = "history_unavailable"


class Overloaded(GatewayError):
    """This process does as much as it can; an account with fewer calls is still served."""

    status = 503
    code = "overloaded"


class ClientLeft(GatewayError):
    """Nobody is there to answer; 499 is what nginx logs for it."""

    status = 499
    code = "client_left"


class Draining(GatewayError):
    """This process is shutting down and takes no new calls."""

    status = 503
    code = "draining"


class ConfigError(GatewayError):
    """The configuration is wrong; carries every problem found, one per line."""

    code = "invalid_configuration"


class Conflict(GatewayError):
    """The same operation id came with a different payload, or the name is taken."""

    status = 409
    code = "conflict"


class ChangedMeanwhile(GatewayError):
    """`If-Match` names a state that is no more."""

    status = 412
    code = "changed_meanwhile"


class NotFound(GatewayError):
    """There is nothing of that name that the caller may see."""

    status = 404
    code = "not_found"


class ScopeMissing(GatewayError):
    """The key is valid and may not do this."""

    status = 403
    code = "scope_missing"


class Unprocessable(GatewayError):
    """Understood, and refused for what it says."""

    status = 422
    code = "unprocessable"
