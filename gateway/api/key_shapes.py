"""Virtual keys as the Metering API tells and takes them."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from gateway.api.account_shapes import LISTED_MAX, Name
from gateway.api.key import LimitReply
from gateway.api.limit_shapes import LimitBody
from gateway.api.shapes import Body, Moment, Tagged
from gateway.api.whose import AccountQuery

Glob = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[!-~]+$")]
DAY_S = 86_400


Models = Annotated[list[Glob], Field(max_length=100)]
Limits = Annotated[list[LimitBody], Field(max_length=20)]


class KeyRow(Tagged):
    """A key, without its secret."""

    id: str
    account_id: str
    name: str
    project: str | None
    """Whose limits count as well."""
    status: str
    manages: bool
    """It may manage the account's keys."""
    models: Sequence[str]
    limits: Sequence[LimitReply]
    """Its own; the plan's stand beside them."""
    created_at: Moment
    expires_at: Moment | None
    source: str
    """`config` for keys that the configuration declares: those change there only."""


class MadeKey(KeyRow):
    """A key and its secret, which is never told again."""

    key: str


class CreateKey(Body):
    account_id: Annotated[str, Field(max_length=64)] = ""
    """For services: whose. The holder of a key has only its own account."""
    name: Name = ""
    project: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """A project of the account, whose limits count as well. A key that belongs to one makes keys
    of that one."""
    models: Annotated[Models, Field(default_factory=list)]
    """Globs; none: whatever the plan allows."""
    limits: Annotated[Limits, Field(default_factory=list)]
    manages: bool = False
    """For services alone."""
    expires_in_s: Annotated[int, Field(ge=1, le=36_500 * DAY_S)] | None = None


class ChangeKey(Body):
    """What is left out stays as it is."""

    name: Name | None = None
    models: Models | None = None
    limits: Limits | None = None


class ListKeys(AccountQuery):
    cursor: Annotated[str, Field(pattern="^([0-9]{15}-[0-9A-Za-z]{1,64})?$")] = ""
    """`next_cursor` of the page before."""
    limit: Annotated[int, Field(ge=1, le=LISTED_MAX)] = LISTED_MAX


class RotateKey(Body):
    overlap_s: Annotated[int, Field(ge=0, le=365 * DAY_S)] = DAY_S
    """How long the old key works on."""
