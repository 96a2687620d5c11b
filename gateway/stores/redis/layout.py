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
| `{sNN}a:<account>` | hash | `st` and the account's own fields (`keys.py`); `books`, the ledger's totals; `b:<owner>`, the limits of the account, of a project or key of it |
| `{sNN}a:<account>:gi` | zset | grants with credit left, members sort in burn order, scores are 0; those that are used up, by the ms of that moment |
| `{sNN}a:<account>:g` | hash | these, and those of which calls hold the rest: `<grant>:i` as given, `:s` as it stands, `:w` its coming end was told |
| `{sNN}a:<account>:gf` | hash | `sums` of older grants, used up; ids that were used by those, and by corrections (see `forget.lua`) |
| `{sNN}a:<account>:d:<day>` | hash | usage of one UTC day: `model:<model>`, `piece:<kind> <model>` → how many; forgotten after 400 days |
| `{sNN}a:<account>:r:<day>` | hash | calls of one UTC day that came to nothing, by `<hour> <reason> <key> <model>`, the last two empty where there are too many; of all accounts, without keys, under the account ``; forgotten after 400 days |
| `{sNN}h:<hold>` | string | a running call (see `held.lua`), without TTL; later its tombstone, for a day |
| `{sNN}k:<key id>` | hash | `st` and the key's own fields (`keys.py`) |
| `{sNN}j:<account>:<job>` | hash | a job that a provider still works at: for each of its holds, the hold's id → the job as given |
| `{sNN}jobs` | zset | keys of the open jobs, by the ms when they are to be asked for |
| `{sNN}o:<account>:<object>` | string | `<api>:<id>` at a provider is the account's; what is remembered of it (JSON). TTL 400 days from its last use, a month for answers |
| `{sNN}a:<account>:k` | set | ids of the account's keys |
| `{sNN}a:<account>:p` | hash | the account's projects: id → record (JSON) |
| `{sNN}agenda` | zset | accounts by the ms when they are to be looked at: an allowance is due, a grant's hour comes |
| `kd:<digest>` | string | digest of a key → `<account> <key id>` |
| `ki:<key id>` | string | id of a key → its account |
| `accounts` | set | ids of all accounts |
| `journal` | hash | who drains the outboxes: `history` its id, `holder`, `until_ms` |
| `rewound` | hash | shards that were found to have gone back in time: number → what they lacked (JSON) |
| `{trail}n`, `{trail}` | string, hash | the audit trail: its last number; each change by its number (JSON) |
| `{notices}e`, `{notices}e:<account>` | hash | webhook endpoints by id: whose each is; those of one account, or of the operator (JSON) |
| `{notices}m` | hash | notices on their way to them, or dead, by id (JSON) |
| `{notices}due`, `{notices}dead` | zset | ids of those by the ms when they are sent, or died |
| `{notices}seen:<id>` | string | that a notice was put on its way, for a day |
| `{sinks}<sink>` | hash | how deliveries to a sink go: counters, the last error, whether it is paused |
| `refusals` | string | since when calls that came to nothing are counted, ms; 0: since there is an account |
| `terms` | string | digest of the plans' allowances and alerts under which accounts were last looked at |
| `rates` | hash | a rate card's line by its digest, for as long as the installation lives |

Channel `keys`: `k <digest>` or `a <account>` for each change, so that caches forget it.

Numbers that are read and written together stand together, as little-endian doubles (exact below
2⁵³); amounts are µcr unless named otherwise:

- `books`: `available` (remaining of grants effective at the last turn), `held`, `live` (running
  calls), `debt`, `overdraft_held`, `turn_ms` (when the next grant becomes effective or lapses, so
  that `available` must be counted anew), `charged`, `observed`, `granted`, `corrected` (debt made by
  corrections), `warn`, `clear` (`alerts.lua`). Behind them, if it is known, the grant that pays at
  present, as in `<grant>:s`, which is not there then: nearly every call needs these two alone.
- `b:<owner>`: for each bucket, that is one limit in one window, `bucket_id` of its name, when it
  may be forgotten (ms, 0: never), units held, units used. A new bucket takes the place of one that
  may be forgotten, so there are never more than were of use at once.
- `<grant>:s`: remaining, held, consumed, expired, voided, void (1: nothing goes back to it),
  `expires_ms`, `effective_ms`; then its index member.
- `model:<model>`: calls, input tokens, output tokens, charge.

An entry of `out` has `head`, a line each for kind, account, operation, amount, debt, what was merely
observed, and slices (grant and amount in turn); `event` (JSON); and `known`, see `settle.lua`.
"""  # noqa: E501 - a table row is one line

from functools import lru_cache
from hashlib import blake2b

from gateway.metering.journal import shard_of

DAY_MS = 86_400_000
ACCOUNTS = "accounts"
JOURNAL = "journal"
REWOUND = "rewound"
TERMS = "terms"
RATES = "rates"
REFUSALS_SINCE = "refusals"
TRAIL_NUMBER = "{trail}n"
TRAIL = "{trail}"
NOTICE_OWNERS = "{notices}e"
NOTICES = "{notices}m"
NOTICES_DUE = "{notices}due"
NOTICES_DEAD = "{notices}dead"
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


def notice_endpoints_key(account_id: str) -> str:
    return f"{{notices}}e:{account_id}"


def notice_seen_key(message_id: str) -> str:
    return f"{{notices}}seen:{message_id}"


def sink_key(sink: str) -> str:
    return f"{{sinks}}{sink}"


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


def owner_field(bucket: str) -> str:
    """Where the limits of the bucket's owner stand: its name without limit and window."""
    return f"b:{bucket.rsplit(':', 2)[0]}"


def bucket_id(bucket: str) -> int:
    """48 bits of a digest: among the dozens of buckets of one owner, no two are ever the same."""
    return int.from_bytes(blake2b(bucket.encode(), digest_size=6).digest())


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


def account_projects_key(account_id: str) -> str:
    return f"{account_key(account_id)}:p"


def ids_key(account_id: str) -> str:
    return f"{account_key(account_id)}:gf"


def agenda_key(tag: str) -> str:
    return f"{tag}agenda"


def day_key(account_id: str, day_ms: int) -> str:
    return f"{account_key(account_id)}:d:{day_ms}"


def refusals_key(account_id: str, day_ms: int) -> str:
    return f"{account_key(account_id)}:r:{day_ms}"


def day_of(time_ms: int) -> int:
    """Start of the UTC day around `time_ms`."""
    return time_ms - time_ms % DAY_MS


@lru_cache(maxsize=65_536)
def money_keys(account_id: str) -> tuple[str, str, str, str]:
    """What every script that moves money declares first: totals, grant index, grants, outbox."""
    account = account_key(account_id)
    return account, f"{account}:gi", f"{account}:g", outbox_key(shard_tag(account_id))
