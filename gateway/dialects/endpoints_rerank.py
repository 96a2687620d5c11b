"""Reranking, as Cohere, Jina, Voyage and servers such as vLLM have it: one body, three paths.

Sources: Cohere API reference v1 and v2; Jina and Voyage API references; vLLM, OpenAI-compatible
server (read 2026-11-26).
"""

from gateway.dialects.endpoint import OPENAI, Table, metered

RERANK_TABLES = (
    Table(
        title="Rerank",
        api=OPENAI,
        rows=(
            metered("POST", "/v1/rerank", "rerank"),
            metered("POST", "/v2/rerank", "rerank"),
            metered("POST", "/rerank", "rerank"),
        ),
    ),
)
