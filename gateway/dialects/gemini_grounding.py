"""What a grounded answer owes by the piece: searches and look-ups in maps.

| in the request | piece | and per query |
|---|---|---|
| googleSearch, googleSearchRetrieval | grounding | grounding_query |
| enterpriseWebSearch (Vertex) | grounding.enterprise | grounding_query.enterprise |
| parallelAiSearch (Vertex) | grounding.parallel | grounding_query.parallel |
| exaAiSearch (Vertex) | grounding.exa | grounding_query.exa |
| retrieval (Vertex) | grounding.data | grounding_query.data |
| googleMaps | maps | |

Up to Gemini 2.5 a prompt that was grounded is billed once, however many queries it took; since
Gemini 3 each query is, and an empty one is not. Both are counted, and the rate card has a price
for one of them and zero for the other. Answers do not tell how many queries maps took, so a
grounded prompt counts as one look-up. What urlContext, fileSearch and codeExecution read and run
is billed in tokens.

Sources (read 2026-11-26): Gemini API pricing; "Grounding with Google Search" and "Grounding with
Google Maps" in the Gemini API guide.
"""

from collections.abc import Mapping

from gateway.dialects.gemini_fields import objects, value
from gateway.metering.usage import Pieces

GROUNDING, QUERY, MAPS = "grounding", "grounding_query", "maps"

# By tool, what kind of grounding it is.
_SEARCHES = {
    "googleSearch": "",
    "googleSearchRetrieval": "",
    "enterpriseWebSearch": ".enterprise",
    "parallelAiSearch": ".parallel",
    "exaAiSearch": ".exa",
}
_RETRIEVAL, _DATA = "retrieval", ".data"

# Nothing limits the queries of a prompt; more than this were not seen. Those beyond are charged
# all the same, but were not held.
QUERIES_HELD = 10
# An answer with more is none.
QUERIES_MAX = 1_000


def most_pieces(document: Mapping[str, object]) -> Pieces:
    """The most that a request's tools are held for."""
    pieces: dict[str, int] = {}
    for tool in objects(value(document, "tools")):
        kinds = [kind for name, kind in _SEARCHES.items() if value(tool, name) is not None]
        kinds += [_DATA] if value(tool, _RETRIEVAL) is not None else []
        for kind in kinds:
            pieces |= {GROUNDING + kind: 1, QUERY + kind: QUERIES_HELD}
        if value(tool, "googleMaps") is not None:
            pieces[MAPS] = 1
    return tuple(sorted(pieces.items()))


class Grounding:
    """Grows with every `groundingMetadata` of an answer; later ones repeat the earlier."""

    __slots__ = ("_data", "_kind", "_mapped", "_queries", "_searched")

    def __init__(self, asked: Pieces) -> None:
        """`asked`: what `most_pieces` said of the request."""
        names = [name for name, _ in asked]
        self._kind = next((kind for kind in _SEARCHES.values() if GROUNDING + kind in names), "")
        self._queries: set[tuple[int, str]] = set()
        self._data: set[tuple[int, str]] = set()
        self._searched = False
        self._mapped = False

    def add(self, candidate: int, metadata: Mapping[str, object]) -> None:
        for name in ("webSearchQueries", "imageSearchQueries"):
            _add_queries(self._queries, candidate, metadata.get(name))
        _add_queries(self._data, candidate, metadata.get("retrievalQueries"))
        for chunk in objects(metadata.get("groundingChunks")):
            self._searched = self._searched or "web" in chunk or "image" in chunk
            self._mapped = self._mapped or "maps" in chunk
        self._mapped = self._mapped or bool(metadata.get("googleMapsWidgetContextToken"))

    @property
    def pieces(self) -> Pieces:
        pieces: dict[str, int] = {}
        if self._queries or self._searched:
            # Sources without a query told: there was one.
            pieces |= {GROUNDING + self._kind: 1, QUERY + self._kind: max(1, len(self._queries))}
        if self._data:
            pieces |= {GROUNDING + _DATA: 1, QUERY + _DATA: len(self._data)}
        if self._mapped:
            pieces[MAPS] = 1
        return tuple(sorted(pieces.items()))


def _add_queries(known: set[tuple[int, str]], candidate: int, queries: object) -> None:
    if isinstance(queries, list) and len(known) + len(queries) <= QUERIES_MAX:
        known.update(
            (candidate, query) for query in queries if isinstance(query, str) and query.strip()
        )
