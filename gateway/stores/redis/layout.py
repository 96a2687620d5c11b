"""Every key in the store, in one table. No other module spells a key name.

All keys of an account carry the tag of its shard, `{s00}` … `{s63}`: one script touches an
account, its calls, its buckets and the shard's outbox, and in a cluster those must share a slot.
The number of shards is part of the stored format: never change it.

| key | type | holds |
|---|---|---|
| `{sNN}out` | stream | the outbox: one entry per settlement or movement |
| `{sNN}again:<sink>` | stream | entries that one sink is to get once more: `entry` (the id in the outbox) and their fields |
| `{sNN}dead:<sink>` | stream | what a sink did not take: `reason`, and as in `again`; or the `message` |
| `{sNN}sums:<sink>` | hash | sums on their way to a sink: identifier → message; none is made twice |
| `{sNN}told:<sink>:<day>` | hash | what such a sink confirmed of one UTC day: `<customer> <minute>` → sum; for 3 days |
| `{sNN}lane:<sink>` | string | which process delivers to the sink from here and the other shards of its lane |
| `{sNN}due` | zset | hold id by the ms its lease runs out |
| `{sNN}a:<account>` | hash | `st` and the account's own fields (`keys.py`), the ledger's totals |
| `{sNN}a:<account>:gi` | zset | grants with credit left; members sort in burn order, scores are 0 |
| `{sNN}a:<account>:g` | hash | all grants: `<grant>:i` as given, `:m` index member, `:r` remaining, `:h` held, `:c` consumed, `:x` expired, `:v` voided, `:z` nothing goes back to it; `<correction>:n` as given |
| `{sNN}a:<account>:d:<day>` | hash | usage of one UTC day by model; forgotten after 400 days |
| `{sNN}h:<hold>` | hash | a running call, without TTL; later its tombstone, for a day |
| `{sNN}k:<key id>` | hash | `st` and the key's own fields (`keys.py`) |
| `{sNN}j:<account>:<job>` | hash | a job that a provider still works at: for each of its holds, the hold's id → the job as given |
| `{sNN}jobs` | zset | keys of the open jobs, by the ms when they are to be asked for |
| `{sNN}o:<account>:<object>` | string | what is remembered of an object that the account created at a provider (JSON) |
| `{sNN}b:<bucket>` | hash | `held` and `used` units of one limit in one window |
| `{sNN}a:<account>:k` | set | ids of the account's keys |
| `kd:<digest>` | string | digest of a key → `<account> <key id>` |
| `ki:<key id>` | string | id of a key → its account |
| `accounts` | set | ids of all accounts |
| `journal` | hash | who drains the outboxes: `history` its id, `holder`, `until_ms` |
| `rates` | hash | a rate card's line by its digest, for as long as the installation lives |

Channel `keys`: `k <digest>` or `a <account>` for each change, so that caches forget it.

Totals in the account's hash, in µcr unless named otherwise: `available` (remaining of grants
effective at the last turn), `granted`, `held`, `debt`, `observed`, `overdraft_held`, `charged`,
`corrected` (debt made by corrections),
`live` (running calls), `turn_ms` (when the next grant becomes effective or lapses, so that
`available` must be counted anew). What was consumed and what lapsed stands with each grant.
"""  # noqa: E501 - a table row is one line

from functools import lru_cache

from gateway.metering.journal import shard_of

DAY_MS = 86_400_000
ACCOUNTS = "accounts"
JOURNAL = "journal"
RATES = "rates"
KEYS_CHANNEL = "keys"


@lru_cache(maxsize=65_536)
def shard_tag(account_id: str) -> str:
    """The hash tag of the account's shard, braces included."""
    return shard(shard_of(account_id))


def shard(number: int) -> str:
    return f"{{s{number:02d}}}"


def outbox_key(tag: str) -> str:
    return f"{tag}out"


def again_key(tag: str, sink: str) -> str:
    return f"{tag}again:{sink}"


def dead_key(tag: str, sink: str) -> str:
    return f"{tag}dead:{sink}"


def sums_key(tag: str, sink: str) -> str:
    return f"{tag}sums:{sink}"


def told_key(tag: str, sink: str, day_ms: int) -> str:
    return f"{tag}told:{sink}:{day_ms}"


def lane_key(tag: str, sink: str) -> str:
    return f"{tag}lane:{sink}"


def due_key(tag: str) -> str:
    return f"{tag}due"


def hold_key(tag: str, hold_id: str) -> str:
    return f"{tag}h:{hold_id}"


def job_key(account_id: str, name: str) -> str:
    return f"{shard_tag(account_id)}j:{account_id}:{name}"


def open_jobs_key(tag: str) -> str:
    return f"{tag}jobs"


def object_key(account_id: str, name: str) -> str:
    return f"{shard_tag(account_id)}o:{account_id}:{name}"


def bucket_key(tag: str, bucket: str) -> str:
    return f"{tag}b:{bucket}"


def account_key(account_id: str) -> str:
    return f"{shard_tag(account_id)}a:{account_id}"


def key_record_key(account_id: str, key_id: str) -> str:
    """A key's record lives in its account's shard, where the reserve script can read it."""
    return f"{shard_tag(account_id)}k:{key_id}"


def key_digest_key(digest: str) -> str:
    """Outside the shards: before the look-up nobody knows whose key it is."""
    return f"kd:{digest}"


def key_id_key(key_id: str) -> str:
    return f"ki:{key_id}"


def account_keys_key(account_id: str) -> str:
    return f"{account_key(account_id)}:k"


def day_key(account_id: str, day_ms: int) -> str:
    return f"{account_key(account_id)}:d:{day_ms}"


def day_of(time_ms: int) -> int:
    """Start of the UTC day around `time_ms`."""
    return time_ms - time_ms % DAY_MS


@lru_cache(maxsize=65_536)
def money_keys(account_id: str) -> tuple[str, str, str, str]:
    """What every script that moves money declares first: totals, grant index, grants, outbox."""
    account = account_key(account_id)
    return account, f"{account}:gi", f"{account}:g", outbox_key(shard_tag(account_id))
