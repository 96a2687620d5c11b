"""Web searches in chat completions: who makes them, and how many a call is charged for.

| asked for by | searches |
|---|---|
| `web_search_options`, or a model that always searches (`*-search-preview*`, `*-search-api*`) | 1 |
| OpenRouter: a model with `:online`, or the plugin `web` | 1 |
| OpenRouter: the tool `openrouter:web_search` | as many as the usage tells |

A search model makes one for each answer it is asked for; what it finds is in the price of it. An
answer that counts its searches itself (`openai_usage.py`) is believed. Sources (read 2026-11-25):
OpenAI's guide on web search, "Chat Completions"; OpenRouter's guides on web search and plugins.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

from gateway.dialects.json_body import kind_of, objects
from gateway.dialects.openai_hosted_tools import CALLS_ASSUMED
from gateway.metering.call import Call
from gateway.metering.model_names import bare_name
from gateway.metering.usage import Pieces

SEARCHING_MODELS = ("*-search-preview*", "*-search-api*", "*:online")
ONE: Pieces = (("web_search", 1),)


def offered_searches(document: Mapping[str, object], model: str) -> Pieces:
    """The most a call may make."""
    tools = document.get("tools")
    if tools and any(kind_of(tool) == "openrouter:web_search" for tool in objects(tools)):
        return (("web_search", CALLS_ASSUMED),)
    return ONE if _asked(document) or _searches(model) else ()


def made_searches(call: Call, answer: Mapping[str, object]) -> Pieces:
    """Those of an answer, or a chunk of it, that does not say how many it made."""
    # The caller may have named the model by an alias.
    model = answer.get("model")
    searched = _searches(call.model) or (isinstance(model, str) and _searches(model))
    return ONE if searched or _asked(call.document) else ()


def may_name_a_searcher(answer: bytes) -> bool:
    """False where no such model can stand in these bytes."""
    # Not `in`: for bytes, Python raises and drops an exception before it looks.
    return answer.find(b"-search-") >= 0 or answer.find(b":online") >= 0


def _asked(document: Mapping[str, object]) -> bool:
    if isinstance(document.get("web_search_options"), dict):
        return True
    plugins = document.get("plugins")
    return bool(plugins) and any(plugin.get("id") == "web" for plugin in objects(plugins))


# Names are made up by strangers, so what is remembered of them is bounded.
@lru_cache(maxsize=1024)
def _searches(model: str) -> bool:
    name = bare_name(model)
    return any(fnmatchcase(name, match) for match in SEARCHING_MODELS)
