"""The Gemini API's paths, as `v1beta` has them; `v1` and `v1alpha` have some of the same.

Paths end in a verb after a colon: the name before it holds none.

Sources: Gemini API reference (85 methods of `v1beta`), its OpenAI compatibility page and its price
list; google-genai package 3.6.1 (read 2026-11-26).
"""

from gateway.dialects.endpoint import (
    ADMINISTRATION,
    CREDENTIAL,
    GEMINI,
    NOT_METERED,
    OPENAI,
    Endpoint,
    Table,
    free,
    metered,
    refused,
    refused_below,
    reports,
)

_STORE = "/v1beta/fileSearchStores/{file_search_store}"


def _table(title: str, *rows: Endpoint) -> Table:
    return Table(
        title=f"Gemini: {title}",
        api=GEMINI,
        rows=rows,
        prefix="/v1beta",
        also_under=("/v1", "/v1alpha"),
    )


GEMINI_TABLES = (
    _table(
        "models",
        metered("POST", "/v1beta/models/{model}:generateContent", "gemini_generate"),
        metered("POST", "/v1beta/models/{model}:streamGenerateContent", "gemini_generate"),
        free("POST", "/v1beta/models/{model}:countTokens"),
        metered("POST", "/v1beta/models/{model}:embedContent", "gemini_embed"),
        metered("POST", "/v1beta/models/{model}:batchEmbedContents", "gemini_embed"),
        metered("POST", "/v1beta/models/{model}:predict", "gemini_predict"),
        metered("POST", "/v1beta/models/{model}:predictLongRunning", "gemini_videos"),
        metered("POST", "/v1beta/models/{model}:batchGenerateContent", "gemini_batches"),
        metered("POST", "/v1beta/models/{model}:asyncBatchEmbedContent", "gemini_batches"),
        free("GET", "/v1beta/models"),
        free("GET", "/v1beta/models/{model}"),
        reports("GET", "/v1beta/models/{model}/operations", "gemini_videos"),
        reports("GET", "/v1beta/models/{model}/operations/{operation}", "gemini_videos"),
        metered("POST", "/v1beta/dynamic/{model}:generateContent", "gemini_generate"),
        metered("POST", "/v1beta/dynamic/{model}:streamGenerateContent", "gemini_generate"),
        refused("POST", "/v1beta/decisions", NOT_METERED),
    ),
    _table(
        "models of before, deprecated",
        metered("POST", "/v1beta/models/{model}:embedText", "gemini_embed"),
        metered("POST", "/v1beta/models/{model}:batchEmbedText", "gemini_embed"),
        refused("POST", "/v1beta/models/{model}:generateAnswer", NOT_METERED),
        refused("POST", "/v1beta/models/{model}:generateMessage", NOT_METERED),
        refused("POST", "/v1beta/models/{model}:generateText", NOT_METERED),
        free("POST", "/v1beta/models/{model}:countMessageTokens"),
        free("POST", "/v1beta/models/{model}:countTextTokens"),
    ),
    _table(
        "tuned models",
        metered("POST", "/v1beta/tunedModels/{model}:generateContent", "gemini_generate"),
        metered("POST", "/v1beta/tunedModels/{model}:streamGenerateContent", "gemini_generate"),
        metered("POST", "/v1beta/tunedModels/{model}:batchGenerateContent", "gemini_batches"),
        metered("POST", "/v1beta/tunedModels/{model}:asyncBatchEmbedContent", "gemini_batches"),
        refused("POST", "/v1beta/tunedModels/{model}:generateText", NOT_METERED),
        refused("POST", "/v1beta/tunedModels", NOT_METERED),
        free("GET", "/v1beta/tunedModels"),
        free("GET", "/v1beta/tunedModels/{model}"),
        free("PATCH", "/v1beta/tunedModels/{model}"),
        free("DELETE", "/v1beta/tunedModels/{model}"),
        free("POST", "/v1beta/tunedModels/{model}:cancel"),
        free("GET", "/v1beta/tunedModels/{model}/operations"),
        free("GET", "/v1beta/tunedModels/{model}/operations/{operation}"),
        refused("POST", "/v1beta/tunedModels/{model}:transferOwnership", ADMINISTRATION),
        refused_below("/v1beta/tunedModels/{model}/permissions", ADMINISTRATION),
    ),
    _table(
        "batches",
        reports("GET", "/v1beta/batches", "gemini_batches"),
        reports("GET", "/v1beta/batches/{batch}", "gemini_batches"),
        reports("POST", "/v1beta/batches/{batch}:cancel", "gemini_batches"),
        free("DELETE", "/v1beta/batches/{batch}"),
        # Names and priorities only.
        free("PATCH", "/v1beta/batches/{batch}:updateGenerateContentBatch"),
        free("PATCH", "/v1beta/batches/{batch}:updateEmbedContentBatch"),
    ),
    _table(
        "cached contents",
        metered("POST", "/v1beta/cachedContents", "gemini_cache"),
        # Keeping it longer is paid by the hour.
        metered("PATCH", "/v1beta/cachedContents/{cached_content}", "gemini_cache"),
        free("GET", "/v1beta/cachedContents"),
        free("GET", "/v1beta/cachedContents/{cached_content}"),
        free("DELETE", "/v1beta/cachedContents/{cached_content}"),
    ),
    _table(
        "files",
        free("GET", "/v1beta/files"),
        free("POST", "/v1beta/files"),
        free("POST", "/v1beta/files:register"),
        free("GET", "/v1beta/files/{file}"),
        free("GET", "/v1beta/files/{file}:download"),
        free("DELETE", "/v1beta/files/{file}"),
        free("GET", "/v1beta/generatedFiles"),
        free("GET", "/v1beta/generatedFiles/{generated_file}"),
        free("GET", "/v1beta/generatedFiles/{generated_file}/operations/{operation}"),
    ),
    _table(
        "file search stores",
        free("GET", "/v1beta/fileSearchStores"),
        free("POST", "/v1beta/fileSearchStores"),
        free("GET", _STORE),
        free("DELETE", _STORE),
        # What is put in is embedded, by the token.
        refused("POST", f"{_STORE}:importFile", NOT_METERED),
        refused("POST", f"{_STORE}:uploadToFileSearchStore", NOT_METERED),
        free("GET", f"{_STORE}/documents"),
        free("GET", f"{_STORE}/documents/{{document}}"),
        free("DELETE", f"{_STORE}/documents/{{document}}"),
        free("GET", f"{_STORE}/media/{{media}}"),
        free("GET", f"{_STORE}/operations/{{operation}}"),
        free("GET", f"{_STORE}/upload/operations/{{operation}}"),
        # What came before them, deprecated.
        refused_below("/v1beta/corpora", NOT_METERED),
    ),
    _table(
        "interactions and agents",
        refused("POST", "/v1beta/interactions", NOT_METERED),
        refused("GET", "/v1beta/interactions/live", NOT_METERED),
        free("GET", "/v1beta/interactions/{interaction}"),
        free("DELETE", "/v1beta/interactions/{interaction}"),
        free("POST", "/v1beta/interactions/{interaction}/cancel"),
        refused_below("/v1beta/interactions/{interaction}/auth_tokens", CREDENTIAL),
        free("GET", "/v1beta/agents"),
        free("POST", "/v1beta/agents"),
        free("GET", "/v1beta/agents/{agent}"),
        free("DELETE", "/v1beta/agents/{agent}"),
        # Each starts interactions by the clock.
        refused("POST", "/v1beta/triggers", NOT_METERED),
        free("GET", "/v1beta/triggers"),
        free("GET", "/v1beta/triggers/{trigger}"),
        refused("PATCH", "/v1beta/triggers/{trigger}", NOT_METERED),
        free("DELETE", "/v1beta/triggers/{trigger}"),
        free("GET", "/v1beta/triggers/{trigger}/executions"),
        refused("POST", "/v1beta/triggers/{trigger}/executions", NOT_METERED),
    ),
    _table(
        "environments, credentials and voices",
        # A hosted machine.
        refused("POST", "/v1beta/environments", NOT_METERED),
        refused("POST", "/v1beta/environments:create", NOT_METERED),
        free("GET", "/v1beta/environments"),
        free("GET", "/v1beta/environments:list"),
        free("GET", "/v1beta/environments/{environment}"),
        free("GET", "/v1beta/environments/{environment}:get"),
        free("DELETE", "/v1beta/environments/{environment}"),
        free("DELETE", "/v1beta/environments/{environment}:delete"),
        free("GET", "/v1beta/environments/{environment}/files/{file}"),
        free("GET", "/v1beta/credentials"),
        free("POST", "/v1beta/credentials"),
        free("GET", "/v1beta/credentials/{credential}"),
        free("PATCH", "/v1beta/credentials/{credential}"),
        free("DELETE", "/v1beta/credentials/{credential}"),
        # No price is published for making one.
        refused("POST", "/v1beta/voices", NOT_METERED),
        free("GET", "/v1beta/voices"),
        free("GET", "/v1beta/voices/{voice}"),
        free("DELETE", "/v1beta/voices/{voice}"),
    ),
    _table(
        "administration",
        refused("POST", "/v1beta/auth_tokens", CREDENTIAL),
        # Whoever registers one hears of everything that happens in the project.
        refused_below("/v1beta/webhooks", ADMINISTRATION),
        refused("POST", "/v1beta/webhooks/{webhook}:ping", ADMINISTRATION),
        refused("POST", "/v1beta/webhooks/{webhook}:rotateSigningSecret", ADMINISTRATION),
    ),
    Table(
        title="Gemini: uploads",
        api=GEMINI,
        prefix="/upload/v1beta",
        also_under=("/upload/v1", "/upload/v1alpha"),
        rows=(
            free("POST", "/upload/v1beta/files"),
            free("PUT", "/upload/v1beta/environments/{environment}/files/{file}"),
            refused(
                "POST",
                "/upload/v1beta/fileSearchStores/{file_search_store}:uploadToFileSearchStore",
                NOT_METERED,
            ),
        ),
    ),
    Table(
        title="Gemini: live sessions",
        api=GEMINI,
        rows=(refused_below("/ws", NOT_METERED),),
    ),
    Table(
        title="Gemini: compatibility with OpenAI",
        api=OPENAI,
        prefix="/v1beta/openai",
        also_under=("/v1/openai", "/v1alpha/openai"),
        rows=(
            metered("POST", "/v1beta/openai/chat/completions", "openai_chat"),
            metered("POST", "/v1beta/openai/embeddings", "openai_embeddings"),
            metered("POST", "/v1beta/openai/images/generations", "openai_images"),
            metered("POST", "/v1beta/openai/audio/speech", "openai_speech"),
            metered("POST", "/v1beta/openai/batches", "openai_batches"),
            reports("GET", "/v1beta/openai/batches", "openai_batches"),
            reports("GET", "/v1beta/openai/batches/{batch_id}", "openai_batches"),
            reports("POST", "/v1beta/openai/batches/{batch_id}/cancel", "openai_batches"),
            # Films are made by `predictLongRunning`.
            refused("POST", "/v1beta/openai/videos", NOT_METERED),
            free("GET", "/v1beta/openai/videos/{video_id}"),
            free("GET", "/v1beta/openai/models"),
            free("GET", "/v1beta/openai/models/{model}"),
            free("GET", "/v1beta/openai/files"),
            free("POST", "/v1beta/openai/files"),
            free("GET", "/v1beta/openai/files/{file_id}"),
            free("GET", "/v1beta/openai/files/{file_id}/content"),
            free("DELETE", "/v1beta/openai/files/{file_id}"),
        ),
    ),
)
