"""What the store holds of an account beside its balance: limits and running calls, as stored."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Any

from gateway.stores.redis import encode_holds, lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.decode import STANDING
from gateway.stores.redis.layout import account_key, bucket_id, owner_field, shard_tag

_BUCKET = Struct("<4d")
_PLACE = Struct("<3d")
TOTALS = Struct("<12d")


@dataclass(frozen=True)
class Hold:
    state: str
    account_id: str
    overdraft_ucr: int
    slices: list[tuple[str, int]]
    """Grant and amount. A grant may be there twice, if it was returned to in between."""
    in_bucket: dict[int, int]
    """Units held, by the bucket's id."""
    expires_ms: dict[int, int]
    """When each of those buckets may be forgotten; 0: never."""


async def hold(client: RedisClient, account_id: str, hold_id: str) -> Hold:
    asked = encode_holds.hold(shard_tag(account_id), hold_id)
    state, account, _, overdraft, *_, slices, where, units = await client.run(lua.HOLD, asked, list)
    known = [tuple(map(int, place)) for place in _places(where)]
    return Hold(
        state=state.decode(),
        account_id=account.decode(),
        overdraft_ucr=overdraft,
        slices=[
            (name.decode(), amount) for name, amount in zip(slices[::2], slices[1::2], strict=True)
        ],
        in_bucket={place[0]: held for place, held in zip(known, units, strict=True)},
        expires_ms={place[0]: place[1] for place in known},
    )


def _places(where: bytes) -> Iterator[tuple[Any, ...]]:
    """Of each charge: the bucket, when it may be forgotten, whose it is; behind the owners."""
    at = 1
    for _ in range(where[0] if where else 0):
        at += 2 + int.from_bytes(where[at : at + 2], "little")
    return _PLACE.iter_unpack(where[at:])


async def change_grant(
    client: RedisClient, account_id: str, grant_id: str, change: Callable[[list[float]], None]
) -> None:
    """Somebody changes by hand how a grant stands, wherever that is: with the account's totals, if
    it is the one that pays at present, else among the grants."""
    account = account_key(account_id)
    place, at = (account, "books"), TOTALS.size
    text = await client.command("HGET", *place)
    if not text[at:].endswith(f"|{grant_id}".encode()):
        place, at = (f"{account}:g", f"{grant_id}:s"), 0
        text = await client.command("HGET", *place)
    standing = list(STANDING.unpack_from(text, at))
    change(standing)
    changed = text[:at] + STANDING.pack(*standing) + text[at + STANDING.size :]
    await client.command("HSET", *place, changed)


async def change_totals(
    client: RedisClient, account_id: str, change: Callable[[list[float]], None]
) -> None:
    """The same of an account's totals."""
    account = account_key(account_id)
    text = await client.command("HGET", account, "books")
    totals = list(TOTALS.unpack_from(text))
    change(totals)
    await client.command("HSET", account, "books", TOTALS.pack(*totals) + text[TOTALS.size :])


async def owners(client: RedisClient, account_id: str) -> list[str]:
    """The fields in which limits stand."""
    fields = await client.command("HKEYS", account_key(account_id))
    return [field.decode() for field in fields if field.startswith(b"b:")]


async def buckets(client: RedisClient, account_id: str, owner: str) -> dict[int, tuple[int, int]]:
    """Held and used units by the bucket's id; of those that were not forgotten."""
    stored = await client.command("HGET", account_key(account_id), owner) or b""
    found = {}
    for number, _, held, used in _BUCKET.iter_unpack(stored):
        assert number not in found, "a bucket has one place"
        found[int(number)] = int(held), int(used)
    return found


async def bucket(client: RedisClient, account_id: str, name: str) -> tuple[int, int]:
    """Held and used units of one bucket; nothing of one that is not there."""
    found = await buckets(client, account_id, owner_field(name))
    return found.get(bucket_id(name), (0, 0))
