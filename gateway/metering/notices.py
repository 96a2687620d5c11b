"""What an account's owner wants to be told: its credit runs low, a grant lapses, a period begins.

A notice is an entry of the outbox like any movement, written by the step that brought it about, so
that nothing happens untold and nothing is told twice. It moves no credit: amount, debt and slices
of its entry are nothing, and its `event` holds the facts below.

| kind | `operation_id` | facts |
|---|---|---|
| `balance.low` | what moved the balance | `alert`, `left_ucr`, `of_ucr` |
| `balance.depleted` | the same | the same; nothing is left, or too little for a call |
| `balance.restored` | the same | the same; `alert` is the one that may be told again |
| `grant.expiring` | the grant | `left_ucr`, `expires_ms` |
| `grant.expired` | the grant | none: it *is* the movement `grant_expired`, whose amount lapsed |
| `allowance.reset` | the grant | `amount_ucr`, `expires_ms` |
| `key.limit_reached` | the key | `limit`, `ceiling` (credits: `ceiling_ucr`); see below |
| `key.created`, `key.revoked` | the key | `name` |
| `key.rotated` | the new key | `name`, `replaces`: the key it takes over from |
| `sink.failing`, `sink.back` | the sink | `reason` |
| `store.rewound` | the entry that the store lacked | `shard` |

`alert` is written as in the plan (`80%`, `100%`, or credits: `20`); `left_ucr` is the account's
credit, held or not, less its debt; `of_ucr` is what percentages are of. A key's limit per day,
week, month or in total is told of when it first refuses a call, once for each of its periods, and
again if it was raised and reached. Rates, and limits that others share, are not. What concerns no
account, a sink or the store, is told to the operator only: its entry has the account `""`.
"""

from enum import StrEnum


class NoticeKind(StrEnum):
    BALANCE_LOW = "balance.low"
    BALANCE_DEPLETED = "balance.depleted"
    BALANCE_RESTORED = "balance.restored"
    GRANT_EXPIRING = "grant.expiring"
    GRANT_EXPIRED = "grant.expired"
    ALLOWANCE_RESET = "allowance.reset"
    KEY_LIMIT_REACHED = "key.limit_reached"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    SINK_FAILING = "sink.failing"
    SINK_BACK = "sink.back"
    STORE_REWOUND = "store.rewound"


OPERATOR = ""
"""The account of what concerns none."""
