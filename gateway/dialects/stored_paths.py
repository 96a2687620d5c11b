"""What a path has to do with objects that a provider keeps, read from the endpoint's own row.

All accounts of a gateway share one credential at a provider, so to the provider whatever they store
is one owner's. Whose it is, is for the gateway to know. By these rules:

| the row | what it is |
|---|---|
| a name in its path that is not in `OF_ALL` | about the object of the first such name: `owner` |
| `GET` of a collection: no such name, last segment not in `FOR_ALL` | `lists` |
| free `POST` of a collection, or metered by one of `CREATING` | `creates` what its answer names |
| `DELETE` that ends with its owner | `forgets` it |
| free, no such name, changes a model | `changes_all`: for nobody |

What is below an object belongs to whom the object belongs: the items of a conversation, the files
of a vector store. A report on a job tells of more that is the caller's: where its results are.
"""

import re
from dataclasses import dataclass

# Names in paths that stand for nothing a caller has stored.
OF_ALL = frozenset({"model", "project", "location", "publisher", "workspace_id", "guardrail"})
# Collections that are the same for everybody.
FOR_ALL = frozenset({"models", "tunedModels", "webhook_event_types"})
# Formats of metered calls whose answer is kept by the provider, or names what is.
CREATING = frozenset(
    {
        "anthropic_batches",
        "anthropic_messages",
        "gemini_batches",
        "gemini_cache",
        "gemini_videos",
        "openai_batches",
        "openai_chat",
        "openai_containers",
        "openai_fine_tuning",
        "openai_responses",
    }
)
_NAME = re.compile(r"\{(\w+)%?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """`owner`: the name in the path whose object must be the caller's; `collection`: the segment
    before it, or the last one of a path without an owner."""

    owner: str = ""
    collection: str = ""
    lists: bool = False
    creates: bool = False
    forgets: bool = False
    changes_all: bool = False


NOTHING = Stored()


def stored(method: str, pattern: str, *, kind: str, dialect: str) -> Stored:
    """`kind` as in the endpoint's row."""
    names = [found for found in _NAME.finditer(pattern) if found[1] not in OF_ALL]
    last = pattern.rsplit("/", 1)[1]
    if names:
        owner = names[0]
        return Stored(
            owner=owner[1],
            collection=pattern[: owner.start()].rstrip("/").rsplit("/", 1)[-1],
            creates=kind == "reports" or (kind == "free" and last == "complete"),
            forgets=method == "DELETE" and pattern.endswith(owner[0]),
        )
    # `files:register`: the verb is no part of the collection's name.
    collection = last.partition(":")[0]
    named = "{" not in last and collection not in FOR_ALL
    changes = method in ("DELETE", "PATCH") or last.endswith(":cancel")
    return Stored(
        collection=collection,
        changes_all=changes and kind == "free",
        lists=named and method == "GET" and kind in ("free", "reports"),
        creates=(named and method in ("POST", "PUT") and kind == "free") or dialect in CREATING,
    )
