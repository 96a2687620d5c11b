"""Wire formats and vendors' conventions by name.

A new format is one file, one row in `DIALECTS`, its endpoints and its transcripts; a new vendor
one row in `APIS` beside.
"""

from collections.abc import Mapping
from typing import Protocol

from gateway.dialects.anthropic import AnthropicApi
from gateway.dialects.anthropic_complete import AnthropicComplete
from gateway.dialects.anthropic_message_batches import AnthropicMessageBatches
from gateway.dialects.anthropic_messages import AnthropicMessages
from gateway.dialects.anthropic_vertex import AnthropicVertex
from gateway.dialects.base import Api, Dialect
from gateway.dialects.bedrock import BedrockApi
from gateway.dialects.bedrock_messages import BedrockMessages
from gateway.dialects.flat_fee import FlatFee, container, file_search
from gateway.dialects.gemini import GeminiApi
from gateway.dialects.gemini_batches import GeminiBatches
from gateway.dialects.gemini_cache import GeminiCache
from gateway.dialects.gemini_embed import GeminiEmbed
from gateway.dialects.gemini_generate import GeminiGenerate
from gateway.dialects.gemini_predict import GeminiPredict
from gateway.dialects.gemini_videos import GeminiVideos
from gateway.dialects.jobs import Jobs
from gateway.dialects.memos import Memo, UploadedFile
from gateway.dialects.openai import OpenAIApi
from gateway.dialects.openai_background import BackgroundResponses
from gateway.dialects.openai_batches import OpenAIBatches, formats_by_url
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.openai_completions import OpenAICompletions
from gateway.dialects.openai_embeddings import OpenAIEmbeddings
from gateway.dialects.openai_fine_tuning import OpenAIFineTuning
from gateway.dialects.openai_images import OpenAIImages
from gateway.dialects.openai_moderations import OpenAIModerations
from gateway.dialects.openai_realtime import OpenAIRealtime
from gateway.dialects.openai_responses import OpenAIResponses
from gateway.dialects.openai_speech import OpenAISpeech
from gateway.dialects.openai_transcription import OpenAITranscription
from gateway.dialects.rerank import Rerank


class ApiFactory(Protocol):
    """`quota_status` overrides the status of a call refused because credit is gone."""

    def __call__(self, *, quota_status: int | None = None) -> Api: ...


APIS: Mapping[str, ApiFactory] = {
    "openai": OpenAIApi,
    "anthropic": AnthropicApi,
    "bedrock": BedrockApi,
    "gemini": GeminiApi,
}

_CALLS: Mapping[str, Dialect] = {
    "openai_chat": OpenAIChat(),
    "openai_completions": OpenAICompletions(),
    "openai_containers": FlatFee("openai_containers", model="container", piece=container),
    "openai_embeddings": OpenAIEmbeddings(),
    "openai_images": OpenAIImages(),
    "openai_moderations": OpenAIModerations(),
    "openai_speech": OpenAISpeech(),
    "openai_transcription": OpenAITranscription(),
    "rerank": Rerank(),
    "openai_vector_search": FlatFee("openai_vector_search", model="file_search", piece=file_search),
    "anthropic_complete": AnthropicComplete(),
    "anthropic_messages": AnthropicMessages(),
    "anthropic_vertex": AnthropicVertex(),
    "bedrock_messages": BedrockMessages(),
    "gemini_generate": GeminiGenerate(),
    "openai_responses": OpenAIResponses(),
    "gemini_embed": GeminiEmbed(),
    "gemini_cache": GeminiCache(),
    "gemini_predict": GeminiPredict(),
}

_FORMATS_BY_URL = formats_by_url(_CALLS)
_BATCHES = OpenAIBatches()
_FINE_TUNING = OpenAIFineTuning()
_MESSAGE_BATCHES = AnthropicMessageBatches()
_GEMINI_BATCHES = GeminiBatches()
_GEMINI_VIDEOS = GeminiVideos()

DIALECTS: Mapping[str, Dialect] = {
    **_CALLS,
    "openai_batches": _BATCHES,
    "openai_fine_tuning": _FINE_TUNING,
    "anthropic_batches": _MESSAGE_BATCHES,
    "gemini_batches": _GEMINI_BATCHES,
    "gemini_videos": _GEMINI_VIDEOS,
}

JOBS: Mapping[str, Jobs] = {
    "openai_responses": BackgroundResponses(),
    "openai_batches": _BATCHES,
    "openai_fine_tuning": _FINE_TUNING,
    "anthropic_batches": _MESSAGE_BATCHES,
    "gemini_batches": _GEMINI_BATCHES,
    "gemini_videos": _GEMINI_VIDEOS,
}
"""What the dialects say of the jobs that their calls begin."""

MEMOS: Mapping[str, Memo] = {
    "openai_files": UploadedFile(_FORMATS_BY_URL),
}
"""What is remembered of objects when they are created, by the name in their endpoint's row."""

SESSIONS: Mapping[str, OpenAIRealtime] = {
    "openai_realtime": OpenAIRealtime(),
}
"""Formats of a conversation over WebSocket."""


def apis(*, quota_status: int | None) -> Mapping[str, Api]:
    """One of each, by name."""
    return {name: make(quota_status=quota_status) for name, make in APIS.items()}
