"""OpenAI's paths that call models: text, images, audio, video, conversations in real time.

Under `/openai/v1` they are those of Azure OpenAI's v1 API (and of Groq, and of OpenAI's models on
Bedrock), under `/openai` those that the AzureOpenAI client of the openai package sends.

Sources: OpenAI API reference and price list, openai package 3.57.0 (read 2026-11-26).
"""

from gateway.dialects.endpoint import (
    CREDENTIAL,
    LIVE,
    MEDIA,
    NO_PRICE,
    OPENAI,
    OTHER_PATH_RESPONSES,
    SHUT_DOWN,
    Endpoint,
    Table,
    free,
    metered,
    realtime,
    refused,
    reports,
)

AZURE_PREFIXES = ("/openai/v1", "/openai")


def openai_table(title: str, *rows: Endpoint) -> Table:
    return Table(
        title=f"OpenAI: {title}", api=OPENAI, rows=rows, prefix="/v1", also_under=AZURE_PREFIXES
    )


OPENAI_TABLES = (
    openai_table(
        "chat completions",
        metered("POST", "/v1/chat/completions", "openai_chat"),
        # What was kept of completions that were charged when they were made.
        free("GET", "/v1/chat/completions"),
        free("GET", "/v1/chat/completions/{completion_id}"),
        free("POST", "/v1/chat/completions/{completion_id}"),
        free("DELETE", "/v1/chat/completions/{completion_id}"),
        free("GET", "/v1/chat/completions/{completion_id}/messages"),
    ),
    openai_table(
        "responses",
        metered("POST", "/v1/responses", "openai_responses"),
        # The same over a WebSocket: many responses on one connection.
        refused("GET", "/v1/responses", OTHER_PATH_RESPONSES),
        metered("POST", "/v1/responses/compact", "openai_responses"),
        free("POST", "/v1/responses/input_tokens"),
        # A response in the background tells what it used when it is asked for.
        reports("GET", "/v1/responses/{response_id}", "openai_responses"),
        free("DELETE", "/v1/responses/{response_id}"),
        reports("POST", "/v1/responses/{response_id}/cancel", "openai_responses"),
        free("GET", "/v1/responses/{response_id}/input_items"),
        free("POST", "/v1/conversations"),
        free("GET", "/v1/conversations/{conversation_id}"),
        free("POST", "/v1/conversations/{conversation_id}"),
        free("DELETE", "/v1/conversations/{conversation_id}"),
        free("GET", "/v1/conversations/{conversation_id}/items"),
        free("POST", "/v1/conversations/{conversation_id}/items"),
        free("GET", "/v1/conversations/{conversation_id}/items/{item_id}"),
        free("DELETE", "/v1/conversations/{conversation_id}/items/{item_id}"),
    ),
    openai_table(
        "completions, embeddings, moderations",
        metered("POST", "/v1/completions", "openai_completions"),
        metered("POST", "/v1/embeddings", "openai_embeddings"),
        metered("POST", "/v1/moderations", "openai_moderations"),
        # Questions about an input of the Responses API's kind, and its usage object.
        metered("POST", "/v1/decisions", "openai_responses"),
        # No price is published for it.
        refused("POST", "/v1/content_provenance_checks", NO_PRICE),
    ),
    openai_table(
        "models",
        free("GET", "/v1/models"),
        free("GET", "/v1/models/{model}"),
        free("DELETE", "/v1/models/{model}"),
    ),
    openai_table(
        "images",
        metered("POST", "/v1/images/generations", "openai_images"),
        metered("POST", "/v1/images/edits", "openai_images"),
        metered("POST", "/v1/images/variations", "openai_images"),
    ),
    openai_table(
        "audio",
        metered("POST", "/v1/audio/speech", "openai_speech"),
        metered("POST", "/v1/audio/transcriptions", "openai_transcription"),
        metered("POST", "/v1/audio/translations", "openai_transcription"),
        # A voice made from a prompt is the work of a model; no price is published for it.
        refused("POST", "/v1/audio/voices", NO_PRICE),
        free("DELETE", "/v1/audio/voices/{voice_id}"),
        free("GET", "/v1/audio/voice_consents"),
        free("POST", "/v1/audio/voice_consents"),
        free("GET", "/v1/audio/voice_consents/{consent_id}"),
        free("POST", "/v1/audio/voice_consents/{consent_id}"),
        free("DELETE", "/v1/audio/voice_consents/{consent_id}"),
    ),
    openai_table(
        "videos",
        # None can be made since 24 September 2026 (OpenAI's deprecations).
        refused("POST", "/v1/videos", SHUT_DOWN),
        refused("POST", "/v1/videos/edits", SHUT_DOWN),
        refused("POST", "/v1/videos/extensions", SHUT_DOWN),
        refused("POST", "/v1/videos/{video_id}/remix", SHUT_DOWN),
        free("GET", "/v1/videos"),
        free("GET", "/v1/videos/{video_id}"),
        free("GET", "/v1/videos/{video_id}/content"),
        free("DELETE", "/v1/videos/{video_id}"),
        refused("POST", "/v1/videos/characters", SHUT_DOWN),
        free("GET", "/v1/videos/characters/{character_id}"),
    ),
    openai_table(
        "realtime",
        realtime("GET", "/v1/realtime", "openai_realtime"),
        refused("GET", "/v1/realtime/translations", LIVE),
        refused("POST", "/v1/realtime/client_secrets", CREDENTIAL),
        refused("POST", "/v1/realtime/sessions", CREDENTIAL),
        refused("POST", "/v1/realtime/transcription_sessions", CREDENTIAL),
        refused("POST", "/v1/realtime/translations/client_secrets", CREDENTIAL),
        # WebRTC and SIP run between the client and OpenAI.
        refused("POST", "/v1/realtime/calls", MEDIA),
        refused("POST", "/v1/realtime/translations/calls", MEDIA),
        refused("POST", "/v1/realtime/calls/{call_id}/accept", MEDIA),
        refused("POST", "/v1/realtime/calls/{call_id}/hangup", MEDIA),
        refused("POST", "/v1/realtime/calls/{call_id}/refer", MEDIA),
        refused("POST", "/v1/realtime/calls/{call_id}/reject", MEDIA),
    ),
    openai_table(
        "live",
        refused("POST", "/v1/live/sessions", MEDIA),
        refused("POST", "/v1/live/sessions/{session_id}/accept", MEDIA),
        refused("POST", "/v1/live/sessions/{session_id}/fork", MEDIA),
        refused("POST", "/v1/live/sessions/{session_id}/hangup", MEDIA),
        refused("POST", "/v1/live/sessions/{session_id}/refer", MEDIA),
        refused("POST", "/v1/live/sessions/{session_id}/reject", MEDIA),
        # WebSockets, in another protocol than Realtime.
        refused("GET", "/v1/live/sessions", LIVE),
        refused("GET", "/v1/live/sessions/{session_id}/attach", LIVE),
        refused("GET", "/v1/live/sessions/{session_id}/fork", LIVE),
        free("GET", "/v1/live/sessions/{session_id}/content"),
    ),
)
