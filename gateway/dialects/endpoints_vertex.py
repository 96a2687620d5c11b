"""Vertex AI's paths of models: Google's, Anthropic's, and those an endpoint serves.

`v1beta1` is what the google-genai package sends, `v1` is stable. Without a project they are those
of express mode.

Sources: Vertex AI REST reference, publishers' models; google-genai package 3.6.1; anthropic package
2.14.0, `lib/vertex` (read 2026-11-26).
"""

from gateway.dialects.endpoint import (
    AGENTS,
    BUCKETS,
    CREDENTIAL,
    GEMINI,
    OPENAI,
    OTHER_MODELS,
    TUNING,
    Endpoint,
    Table,
    free,
    metered,
    refused,
    refused_below,
    reports,
)

_PROJECT = "/v1beta1/projects/{project}/locations/{location}"
_STABLE = "/v1/projects/{project}/locations/{location}"
_GOOGLE = f"{_PROJECT}/publishers/google/models/{{model}}"
_CLAUDE = f"{_PROJECT}/publishers/anthropic/models"
_ANYONE = f"{_PROJECT}/publishers/{{publisher}}/models/{{model}}"
_TUNED = f"{_PROJECT}/endpoints/{{model}}"
_EXPRESS = "/v1beta1/publishers/google/models"


def _table(title: str, *rows: Endpoint) -> Table:
    return Table(
        title=f"Vertex AI: {title}",
        api=GEMINI,
        rows=rows,
        prefix=_PROJECT,
        also_under=(_STABLE,),
    )


VERTEX_TABLES = (
    _table(
        "Google's models",
        metered("POST", f"{_GOOGLE}:generateContent", "gemini_generate"),
        metered("POST", f"{_GOOGLE}:streamGenerateContent", "gemini_generate"),
        free("POST", f"{_GOOGLE}:countTokens"),
        free("POST", f"{_GOOGLE}:computeTokens"),
        metered("POST", f"{_GOOGLE}:embedContent", "gemini_embed"),
        metered("POST", f"{_GOOGLE}:batchEmbedContents", "gemini_embed"),
        # Images, and embeddings of older models.
        metered("POST", f"{_GOOGLE}:predict", "gemini_predict"),
        metered("POST", f"{_GOOGLE}:predictLongRunning", "gemini_videos"),
        reports("POST", f"{_GOOGLE}:fetchPredictOperation", "gemini_videos"),
        reports("GET", f"{_GOOGLE}/operations/{{operation}}", "gemini_videos"),
        refused("POST", f"{_GOOGLE}:rawPredict", OTHER_MODELS),
        refused("POST", f"{_GOOGLE}:streamRawPredict", OTHER_MODELS),
    ),
    _table(
        "Anthropic's models",
        metered("POST", f"{_CLAUDE}/{{model}}:rawPredict", "anthropic_vertex"),
        metered("POST", f"{_CLAUDE}/{{model}}:streamRawPredict", "anthropic_vertex"),
        free("POST", f"{_CLAUDE}/count-tokens:rawPredict"),
    ),
    _table(
        "other publishers' models",
        refused("POST", f"{_ANYONE}:rawPredict", OTHER_MODELS),
        refused("POST", f"{_ANYONE}:streamRawPredict", OTHER_MODELS),
        refused("POST", f"{_ANYONE}:predict", OTHER_MODELS),
        refused("POST", f"{_ANYONE}:generateContent", OTHER_MODELS),
        refused("POST", f"{_ANYONE}:streamGenerateContent", OTHER_MODELS),
    ),
    _table(
        "tuned models and endpoints",
        metered("POST", f"{_TUNED}:generateContent", "gemini_generate"),
        metered("POST", f"{_TUNED}:streamGenerateContent", "gemini_generate"),
        free("POST", f"{_TUNED}:countTokens"),
        free("POST", f"{_TUNED}:computeTokens"),
        refused("POST", f"{_TUNED}:predict", OTHER_MODELS),
        refused("POST", f"{_TUNED}:rawPredict", OTHER_MODELS),
        refused("POST", f"{_TUNED}:streamRawPredict", OTHER_MODELS),
        free("GET", f"{_PROJECT}/models"),
        free("GET", f"{_PROJECT}/models/{{model}}"),
        free("PATCH", f"{_PROJECT}/models/{{model}}"),
        free("DELETE", f"{_PROJECT}/models/{{model}}"),
        refused("POST", f"{_PROJECT}/tuningJobs", TUNING),
        refused("POST", f"{_PROJECT}/tuningJobs:validateReinforcementTuningReward", TUNING),
        free("GET", f"{_PROJECT}/tuningJobs"),
        free("GET", f"{_PROJECT}/tuningJobs/{{tuning_job}}"),
        free("POST", f"{_PROJECT}/tuningJobs/{{tuning_job}}:cancel"),
    ),
    _table(
        "caches, batches, operations",
        metered("POST", f"{_PROJECT}/cachedContents", "gemini_cache"),
        metered("PATCH", f"{_PROJECT}/cachedContents/{{cached_content}}", "gemini_cache"),
        free("GET", f"{_PROJECT}/cachedContents"),
        free("GET", f"{_PROJECT}/cachedContents/{{cached_content}}"),
        free("DELETE", f"{_PROJECT}/cachedContents/{{cached_content}}"),
        # From a bucket into a bucket, past the gateway.
        refused("POST", f"{_PROJECT}/batchPredictionJobs", BUCKETS),
        free("GET", f"{_PROJECT}/batchPredictionJobs"),
        free("GET", f"{_PROJECT}/batchPredictionJobs/{{batch}}"),
        free("POST", f"{_PROJECT}/batchPredictionJobs/{{batch}}:cancel"),
        free("DELETE", f"{_PROJECT}/batchPredictionJobs/{{batch}}"),
        free("GET", f"{_PROJECT}/operations/{{operation}}"),
    ),
    _table(
        "interactions and agents",
        refused("POST", f"{_PROJECT}/interactions", AGENTS),
        free("GET", f"{_PROJECT}/interactions/{{interaction}}"),
        free("DELETE", f"{_PROJECT}/interactions/{{interaction}}"),
        free("POST", f"{_PROJECT}/interactions/{{interaction}}/cancel"),
        refused_below(f"{_PROJECT}/interactions/{{interaction}}/auth_tokens", CREDENTIAL),
        free("GET", f"{_PROJECT}/agents"),
        free("POST", f"{_PROJECT}/agents"),
        free("GET", f"{_PROJECT}/agents/{{agent}}"),
        free("DELETE", f"{_PROJECT}/agents/{{agent}}"),
    ),
    Table(
        title="Vertex AI: without a project",
        api=GEMINI,
        prefix="/v1beta1",
        also_under=("/v1",),
        rows=(
            metered("POST", f"{_EXPRESS}/{{model}}:generateContent", "gemini_generate"),
            metered("POST", f"{_EXPRESS}/{{model}}:streamGenerateContent", "gemini_generate"),
            free("POST", f"{_EXPRESS}/{{model}}:countTokens"),
            free("POST", f"{_EXPRESS}/{{model}}:computeTokens"),
            metered("POST", f"{_EXPRESS}/{{model}}:embedContent", "gemini_embed"),
            metered("POST", f"{_EXPRESS}/{{model}}:predict", "gemini_predict"),
            free("GET", _EXPRESS),
            free("GET", f"{_EXPRESS}/{{model}}"),
        ),
    ),
    Table(
        title="Vertex AI: compatibility with OpenAI",
        api=OPENAI,
        prefix=_PROJECT,
        also_under=(_STABLE,),
        rows=(
            metered("POST", f"{_PROJECT}/endpoints/openapi/chat/completions", "openai_chat"),
            metered("POST", f"{_PROJECT}/endpoints/openapi/embeddings", "openai_embeddings"),
        ),
    ),
)
