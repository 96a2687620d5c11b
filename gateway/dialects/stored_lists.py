"""A page of a list of stored objects: read, reduced to what is one account's, gone on from.

| API | its items | the next page is asked for with |
|---|---|---|
| OpenAI | `data` | `after`: the id of the last item |
| Anthropic | `data` | `after_id`: the id of the last item; or `page`, given `next_page` |
| Gemini | its only array | `pageToken`: the answer's `nextPageToken` |

Pure; whose an object is, is asked elsewhere.
"""

from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl, urlencode

import orjson

from gateway.dialects.endpoint import ANTHROPIC, GEMINI
from gateway.dialects.jobs import decoded, text_of
from gateway.dialects.stored_answers import id_of, told

CURSORS = ("after", "before", "after_id", "before_id")
"""Parameters of a list whose values are ids of its items."""


class Page:
    def __init__(self, document: dict[str, object], *, api: str, collection: str) -> None:
        self._document = document
        self._api = api
        self._collection = collection
        self._name = _items_name(document) if api == GEMINI else "data"
        listed = document.get(self._name)
        every = listed if isinstance(listed, list) else []
        self._items = [each for each in every if isinstance(each, dict)]

    def ids(self) -> list[str]:
        """Of its items, in their order; those without one are nobody's."""
        return [self._id(item) for item in self._items]

    def told(self, own: Collection[str]) -> list[str]:
        """What the items of these ids tell of besides themselves."""
        api, collection = self._api, self._collection
        found = {
            each
            for item in self._items
            if self._id(item) in own
            for each in told(item, api=api, collection=collection)
        }
        return sorted(found.difference(own))

    def reduced(self, own: Collection[str]) -> bytes:
        """The page with nothing in it but the items of these ids."""
        document = self._document
        kept = [item for item in self._items if self._id(item) in own]
        if self._name:
            document = document | {self._name: kept}
        for name, at in (("first_id", 0), ("last_id", -1)):
            if name in document:
                document[name] = self._id(kept[at]) if kept else None
        return orjson.dumps(document)

    def next_query(self, query: str) -> str | None:
        """The query for the page after this one, which was asked for with `query`; None at the
        end."""
        document = self._document
        last = self._id(self._items[-1]) if self._items else ""
        if self._api == GEMINI:
            name, value = "pageToken", text_of(document, "nextPageToken")
        elif text_of(document, "next_page"):
            name, value = "page", text_of(document, "next_page")
        elif document.get("has_more") is not True:
            return None
        else:
            name, value = ("after_id" if self._api == ANTHROPIC else "after"), last
        pairs = parse_qsl(query, keep_blank_values=True)
        backwards = any(key in ("before", "before_id") for key, _ in pairs)
        if not value or backwards:
            return None
        return urlencode([(key, each) for key, each in pairs if key != name] + [(name, value)])

    def _id(self, item: Mapping[str, object]) -> str:
        return id_of(item, api=self._api, collection=self._collection)


def read_page(body: bytes, *, api: str, collection: str) -> Page | None:
    """None for what is no list as its API documents them."""
    document = decoded(body)
    if not isinstance(document, dict) or (api != GEMINI and not _is(document.get("data"))):
        return None
    if api == GEMINI and sum(map(_is, document.values())) > 1:
        return None
    return Page(document, api=api, collection=collection)


def _items_name(document: Mapping[str, object]) -> str:
    return next((name for name, value in document.items() if _is(value)), "")


def _is(value: object) -> bool:
    return isinstance(value, list)
