"""Azure OpenAI's own paths: a deployment in the path, in place of the body's model.

Whatever else Azure has are OpenAI's paths under another prefix: see `endpoints_openai`.

Sources: Azure OpenAI REST reference, data plane, 2024-10-21 and v1; openai package 3.57.0,
`lib/azure.py` (read 2026-11-26).
"""

from gateway.dialects.endpoint import (
    CREDENTIAL,
    DEPRECATED,
    OPENAI,
    Table,
    free,
    metered,
    refused,
)

AZURE_TABLES = (
    Table(
        title="Azure OpenAI: deployments",
        api=OPENAI,
        rows=(
            metered("POST", "/openai/deployments/{model}/chat/completions", "openai_chat"),
            metered("POST", "/openai/deployments/{model}/completions", "openai_completions"),
            metered("POST", "/openai/deployments/{model}/embeddings", "openai_embeddings"),
            metered("POST", "/openai/deployments/{model}/images/generations", "openai_images"),
            metered("POST", "/openai/deployments/{model}/images/edits", "openai_images"),
            metered("POST", "/openai/deployments/{model}/audio/speech", "openai_speech"),
            metered(
                "POST", "/openai/deployments/{model}/audio/transcriptions", "openai_transcription"
            ),
            metered(
                "POST", "/openai/deployments/{model}/audio/translations", "openai_transcription"
            ),
        ),
    ),
    Table(
        title="Azure OpenAI: realtime and video",
        api=OPENAI,
        rows=(
            refused("POST", "/openai/realtimeapi/sessions", CREDENTIAL),
            # Videos as Azure had them before it took over OpenAI's paths for them.
            refused("POST", "/openai/v1/video/generations/jobs", DEPRECATED),
            free("GET", "/openai/v1/video/generations/jobs"),
            free("GET", "/openai/v1/video/generations/jobs/{job_id}"),
            free("DELETE", "/openai/v1/video/generations/jobs/{job_id}"),
            free("GET", "/openai/v1/video/generations/{generation_id}"),
            free("GET", "/openai/v1/video/generations/{generation_id}/content/video"),
            free("GET", "/openai/v1/video/generations/{generation_id}/content/thumbnail"),
        ),
    ),
)
