"""Tollkeeper: a transparent metering gateway for LLM APIs.

Reading order for newcomers: `proxy/pipeline.py` (the life of a call, top to bottom),
`metering/limits.py` and `stores/redis/scripts/reserve.lua` (why nobody overspends),
`dialects/openai_chat.py` with one of its transcripts (how usage is read).
"""

__version__ = "0.1.0"
