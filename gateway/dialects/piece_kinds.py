"""What calls of each format may use that is sold by the piece and by nothing else, so that an
operator is told beforehand which of them would be refused for want of a price.

Not here: what a rate card may as well sell by the token, such as pictures made or speech.
"""

from collections.abc import Mapping

PIECE_KINDS: Mapping[str, tuple[str, ...]] = {
    "anthropic_messages": ("web_search",),
    "anthropic_vertex": ("web_search",),
    "gemini_cache": ("cached_token_hour",),
    "gemini_generate": ("grounding", "grounding_query", "maps"),
    "gemini_predict": ("image",),
    "gemini_videos": ("video_second",),
    "openai_chat": ("web_search",),
    "openai_containers": ("container",),
    "openai_fine_tuning": ("trained_token",),
    "openai_responses": (
        "code_interpreter",
        "container",
        "file_search",
        "image",
        "web_search",
        "web_search_preview",
    ),
    "openai_vector_search": ("file_search",),
}
