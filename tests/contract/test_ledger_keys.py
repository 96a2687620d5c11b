"""Every key a script touches is declared to the server and lies in the account's shard.

A cluster places scripts by their declared keys: one that reaches for another would work on a
single server and fail, or lose atomicity, in production.
"""

import asyncio
import re

from support import asks
from support.audit import audit_account
from support.redis_server import Server

from gateway.metering.balance import Look
from gateway.metering.ledger import Correct, Grant, Reserved, VoidGrant
from gateway.stores.redis import encode
from gateway.stores.redis.layout import key_record_key, open_jobs_key, outbox_key, shard_tag
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.lua import CLAIM, DUE, OF_LEDGER, TRIM

WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


async def everything(ledger: RedisLedger) -> None:
    """Run each script, down each of its branches that touches keys of its own."""
    charges = (asks.token_charge(ledger, 1000, 60), asks.call_charge(ledger, 5))
    record = key_record_key(asks.ACCOUNT, "k1")
    await ledger._client.command("HSET", record, "st", "active")
    for number, amount in enumerate((50, 60)):
        grant_id = f"g{number}"
        await ledger.grant(Grant(grant_id=grant_id, account_id=asks.ACCOUNT, amount_ucr=amount))
    for hold_id in ("settled", "released", "expired"):
        ask = asks.reserve(ledger, hold_id, 30, charges=charges, key_id="k1", lease_ms=0)
        assert isinstance(await ledger.reserve(ask), Reserved)
    await ledger.reserve(asks.reserve(ledger, "refused", 90, charges=charges, key_id="k1"))
    await ledger.extend(
        asks.extend("expired", 1, 5, charge_ucr=7, charges=charges, adds=(5, 0), lease_ms=0)
    )
    await ledger.settle(asks.settle("settled", 130, charges=charges, amounts=(40, 0)))
    await ledger.release(asks.release("released", charges))
    assert 1 == await ledger.expire_holds()
    await ledger.settle(asks.settle("expired", 90, charges=charges, amounts=(40, 0)))
    await ledger.grant(Grant(grant_id="g9", account_id=asks.ACCOUNT, amount_ucr=500))
    await ledger.reserve(asks.reserve(ledger, "kept", 30, charges=charges))
    await ledger.keep(asks.keep("kept", 30, charges=charges, amounts=(30, 0)))
    await ledger.void_grant(VoidGrant("g9", asks.ACCOUNT))
    await ledger.settle(
        asks.settle("kept", 9, charges=charges, amounts=(9, 0), job="openai:batch_1")
    )
    await ledger.correct(Correct(correction_id="c", account_id=asks.ACCOUNT, amount_ucr=5))
    seen = await audit_account(ledger, asks.ACCOUNT)
    await ledger.look(Look(account_id=asks.ACCOUNT, seen=seen, plan_since_ms=0, next_ms=0))
    open_jobs = open_jobs_key(shard_tag(asks.ACCOUNT))
    await ledger._client.run(CLAIM, encode.claim(open_jobs, limit=1, claim_ms=1), list)
    await ledger._client.run(TRIM, encode.trim(outbox_key(shard_tag(asks.ACCOUNT)), 1), int)


async def watched(server: Server, ledger: RedisLedger) -> list[list[str]]:
    """The words of every command the server ran meanwhile, the scripts' own marked "lua"."""
    reader, writer = await asyncio.open_unix_connection(str(server.socket_path), limit=2**20)
    writer.write(b"MONITOR\r\n")
    assert b"+OK\r\n" == await reader.readline()
    await everything(ledger)
    await ledger._client.command("ECHO", "the end")
    commands: list[list[str]] = []
    while not commands or commands[-1][1:] != ["ECHO", "the end"]:
        line = (await reader.readline()).decode()
        who = "lua" if line.split("]")[0].endswith(" lua") else "client"
        commands.append([who, *WORD.findall(line)])
    writer.close()
    return commands


async def test_scripts_touch_declared_keys_of_one_shard_only(
    store_server: Server, ledger: RedisLedger
) -> None:
    """Watch the server run them, and hold each command of a script against its KEYS."""
    declared: list[str] = []
    digests, breaches, checked = set(), [], 0
    for who, name, *words in await watched(store_server, ledger):
        if who == "client" and name == "EVALSHA":
            digest = words[0].encode()
            digests.add(digest)
            declared = words[2 : 2 + int(words[1])]
            # What is asked about every shard asks one server about some together (each_shard.py).
            if digest not in {CLAIM.digest, DUE.digest}:
                breaches += [key for key in declared if not key.startswith(shard_tag(asks.ACCOUNT))]
        elif who == "lua" and name != "TIME":
            checked += 1
            # XINFO names what it wants to know before the key.
            key = words[1] if name == "XINFO" else words[0]
            if key not in declared:
                breaches.append(f"{name} {key}")

    assert [] == breaches
    assert {script.digest for script in (*OF_LEDGER, TRIM)} == digests
    assert checked > 100
