"""The rerank dialect (`POST /v1/rerank`, `/v2/rerank`, `/rerank`) of Cohere, Jina AI, Voyage AI,
vLLM, llama.cpp and TEI.

Sold by the search unit (Cohere: a query with up to a hundred documents, longer ones counting once
for every 500 tokens together with the query) or by the token (the query read with each document).
Sources: Cohere, Jina and Voyage API references and pricing; TEI, "rerank" (read 2026-11-26).
"""

from collections.abc import Mapping, Sequence

from gateway.dialects.base import AnswerReader, BodyFilter, Prepared, PromptParts, Request
from gateway.dialects.json_body import SingleKeys, model_name, read_object, wrong
from gateway.dialects.json_ends import EndsReader
from gateway.dialects.named_model import prepared_unnamed
from gateway.dialects.passing import Passing
from gateway.dialects.rerank_usage import read_answer
from gateway.metering.call import ByPiece, Call

SINGLE_KEYS = SingleKeys(("model", "query", "documents", "texts"))
# TEI serves one model and is not asked for it by name: this is its line on the rate card.
DEFAULT_MODEL = "rerank"
DOCUMENTS_PER_UNIT = 100
TOKENS_PER_DOCUMENT = 500
# English in the vendors' vocabularies; a token is at least a byte.
BYTES_PER_TOKEN = 4
# What stands between query and document, and around them.
FRAMING_TOKENS = 4


class Rerank:
    """Implements `Dialect`."""

    name = "rerank"

    def read_call(self, request: Request) -> Call:
        document = read_object(request.body, SINGLE_KEYS)
        documents = _documents(document)
        query = _text(document.get("query"))
        sizes = [
            len(f"{query}{_text(each)}".encode("utf-8", "surrogatepass")) for each in documents
        ]
        return Call(
            model=DEFAULT_MODEL if document.get("model") is None else model_name(document),
            max_output_tokens=0,
            prompts=max(1, len(documents)),
            text_bytes=sum(sizes) + FRAMING_TOKENS * len(documents),
            opaque_inputs=sum(not _text(each) and isinstance(each, dict) for each in documents),
            by_piece=ByPiece(
                most=_units(sizes, bytes_per_token=1),
                owed=_units(sizes, bytes_per_token=BYTES_PER_TOKEN),
            ),
            document=document,
        )

    def prompt_parts(self, call: Call) -> PromptParts:
        if not call.counts_tokens:
            return PromptParts(texts=())
        documents, query = _documents(call.document), _text(call.document.get("query"))
        texts = [*map(_text, documents), *[query] * len(documents)]
        return PromptParts(texts=texts, fixed_tokens=FRAMING_TOKENS * len(documents))

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        bound = call.text_bytes + call.opaque_inputs * context_tokens
        return min(bound, call.prompts * context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        return prepared_unnamed(call, request, upstream_model=upstream_model)

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:  # noqa: ARG002 (the protocol's)
        return EndsReader(lambda answer: read_answer(answer, call))

    def usage_filter(self) -> BodyFilter:
        return Passing()


def _documents(document: Mapping[str, object]) -> Sequence[object]:
    """`texts` is TEI's word for them."""
    name = "texts" if "documents" not in document and "texts" in document else "documents"
    documents = document.get(name)
    if not isinstance(documents, list):
        raise wrong(name, "an array", documents)
    return documents


def _text(each: object) -> str:
    """All that is said in a document: a text, or the fields of an object but for its pictures."""
    if isinstance(each, str):
        return each
    fields = each.items() if isinstance(each, dict) else ()
    return "\n".join(value for name, value in fields if isinstance(value, str) and name != "image")


def _units(sizes: Sequence[int], *, bytes_per_token: int) -> tuple[tuple[str, int], ...]:
    parts = sum(max(1, -(-size // (TOKENS_PER_DOCUMENT * bytes_per_token))) for size in sizes)
    return (("search_unit", max(1, -(-parts // DOCUMENTS_PER_UNIT))),)
