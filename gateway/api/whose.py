"""Whose figures are asked for: a key's holder asks about its own account, a service about any."""

from typing import Annotated

from pydantic import Field

from gateway.api.operation import Asked
from gateway.api.shapes import Query
from gateway.errors import BadCall, Forbidden, NotFound
from gateway.metering.accounts import Account, VirtualKey, valid_name
from gateway.stores.identifying import KeyStore


class AccountQuery(Query):
    """Parameters of what both may ask."""

    account_id: Annotated[str, Field(max_length=64)] = ""
    """For services: whose. The holder of a key has only its own."""


def sees(holder: VirtualKey, key: VirtualKey) -> bool:
    """The holder of a key sees that key; of one that manages, all of its account's."""
    same_account = key.account_id == holder.account_id
    return key.key_id == holder.key_id or (holder.manages and same_account)


def check_manages(asked: Asked[Query]) -> None:
    """Raises Forbidden for the holder of a key that does not manage its account."""
    if asked.caller is not None and not asked.caller.key.manages:
        raise Forbidden(
            "This key does not manage its account. Ask whoever runs the gateway for one that "
            "does: tollkeeper keys create --manage.",
            code="scope_missing",
        )


async def account_named(account_id: str, keys: KeyStore) -> Account:
    """As it is now. Raises NotFound."""
    account = await keys.account(account_id) if valid_name(account_id) else None
    if account is None:
        raise NotFound("There is no account of that id.")
    return account


def not_own(own: str) -> BadCall:
    return BadCall(f"account_id: a virtual key sees its own account only, which is {own!r}.")


def account_of(asked: Asked[AccountQuery]) -> str:
    """Raises BadCall when a service names nobody, or the holder of a key somebody else."""
    named = asked.query.account_id
    if asked.caller is None:
        if not named:
            raise BadCall("Say account_id=... : a service sees all accounts.")
        return named
    own = asked.caller.account.account_id
    if named not in ("", own):
        raise not_own(own)
    return own
