"""Whose figures are asked for: a key's holder asks about its own account, a service about any."""

from typing import Annotated

from pydantic import Field

from gateway.api.operation import Asked
from gateway.api.shapes import Query
from gateway.errors import BadCall


class AccountQuery(Query):
    """Parameters of what both may ask."""

    account_id: Annotated[str, Field(max_length=64)] = ""
    """For services: whose. The holder of a key has only its own."""


def account_of(asked: Asked[AccountQuery]) -> str:
    """Raises BadCall when a service names nobody, or the holder of a key somebody else."""
    named = asked.query.account_id
    if asked.caller is None:
        if not named:
            raise BadCall("Say account_id=... : a service sees all accounts.")
        return named
    own = asked.caller.account.account_id
    if named not in ("", own):
        raise BadCall(f"account_id: a virtual key sees its own account only, which is {own!r}.")
    return own
