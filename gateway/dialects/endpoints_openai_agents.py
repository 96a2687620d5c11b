"""OpenAI's paths of managed agents, of ChatKit, and of administration.

A managed agent calls models for as long as it likes after the request that woke it; its usage is
told later and "best effort". What wakes one is therefore refused; what only describes, shows or
removes one is free.

Sources: OpenAI API reference, openai package 3.57.0 (read 2026-11-26).
"""

from gateway.dialects.endpoint import (
    ADMINISTRATION,
    AGENTS,
    CREDENTIAL,
    MACHINE,
    free,
    refused,
    refused_below,
)
from gateway.dialects.endpoints_openai import openai_table

_SESSION = "/v1/agents/sessions/{session_id}"
_SUBAGENT = f"{_SESSION}/subagents/{{subagent_id}}"
_AUTOMATION = "/v1/agents/automations/{automation_id}"
_TEMPLATE = "/v1/agents/environments/templates/{environment_template_id}"

OPENAI_AGENT_TABLES = (
    openai_table(
        "managed agents",
        free("GET", "/v1/agents"),
        free("POST", "/v1/agents"),
        free("GET", "/v1/agents/{agent_id}"),
        free("POST", "/v1/agents/{agent_id}"),
        free("DELETE", "/v1/agents/{agent_id}"),
        refused("POST", "/v1/agents/sessions", AGENTS),
        free("GET", "/v1/agents/sessions"),
        free("GET", _SESSION),
        # Settings of later turns; nothing runs.
        free("POST", _SESSION),
        free("DELETE", _SESSION),
        refused("POST", f"{_SESSION}/events", AGENTS),
        free("GET", f"{_SESSION}/events"),
        free("GET", f"{_SESSION}/items"),
        free("GET", f"{_SESSION}/traces"),
        free("GET", f"{_SESSION}/artifacts"),
        free("GET", f"{_SESSION}/artifacts/{{artifact_id}}"),
        free("DELETE", f"{_SESSION}/artifacts/{{artifact_id}}"),
        free("GET", f"{_SESSION}/artifacts/{{artifact_id}}/content"),
        free("GET", f"{_SESSION}/turns"),
        free("GET", f"{_SESSION}/turns/{{turn_id}}"),
        free("GET", f"{_SESSION}/turns/{{turn_id}}/items"),
        free("GET", f"{_SESSION}/subagents"),
        free("GET", _SUBAGENT),
        free("GET", f"{_SUBAGENT}/items"),
        free("GET", f"{_SUBAGENT}/turns"),
        free("GET", f"{_SUBAGENT}/turns/{{turn_id}}"),
        free("GET", f"{_SUBAGENT}/turns/{{turn_id}}/items"),
    ),
    openai_table(
        "automations of agents",
        # Each starts sessions by the clock.
        refused("POST", "/v1/agents/automations", AGENTS),
        free("GET", "/v1/agents/automations"),
        free("GET", _AUTOMATION),
        refused("POST", _AUTOMATION, AGENTS),
        free("DELETE", _AUTOMATION),
        free("POST", f"{_AUTOMATION}/pause"),
        refused("POST", f"{_AUTOMATION}/resume", AGENTS),
        refused("POST", f"{_AUTOMATION}/invocations", AGENTS),
        free("GET", f"{_AUTOMATION}/invocations"),
        free("GET", f"{_AUTOMATION}/invocations/{{invocation_id}}"),
    ),
    openai_table(
        "environments and vaults of agents",
        # A hosted machine, billed while it is up.
        refused("POST", "/v1/agents/environments", MACHINE),
        free("GET", "/v1/agents/environments"),
        free("GET", "/v1/agents/environments/{environment_id}"),
        free("GET", "/v1/agents/environments/{environment_id}/files"),
        free("POST", "/v1/agents/environments/{environment_id}/files"),
        free("GET", "/v1/agents/environments/templates"),
        free("POST", "/v1/agents/environments/templates"),
        free("GET", _TEMPLATE),
        free("POST", _TEMPLATE),
        free("DELETE", _TEMPLATE),
        free("GET", "/v1/vaults"),
        free("POST", "/v1/vaults"),
        free("GET", "/v1/vaults/{vault_id}"),
        free("POST", "/v1/vaults/{vault_id}"),
        free("DELETE", "/v1/vaults/{vault_id}"),
        free("GET", "/v1/vaults/{vault_id}/credentials"),
        free("POST", "/v1/vaults/{vault_id}/credentials"),
        free("GET", "/v1/vaults/{vault_id}/credentials/{credential_id}"),
        free("POST", "/v1/vaults/{vault_id}/credentials/{credential_id}"),
        free("DELETE", "/v1/vaults/{vault_id}/credentials/{credential_id}"),
    ),
    openai_table(
        "ChatKit",
        refused("POST", "/v1/chatkit/sessions", CREDENTIAL),
        free("POST", "/v1/chatkit/sessions/{session_id}/cancel"),
        free("GET", "/v1/chatkit/threads"),
        free("GET", "/v1/chatkit/threads/{thread_id}"),
        free("DELETE", "/v1/chatkit/threads/{thread_id}"),
        free("GET", "/v1/chatkit/threads/{thread_id}/items"),
    ),
    openai_table(
        "administration",
        refused_below("/v1/organization", ADMINISTRATION),
        refused_below("/v1/projects/{project_id}/groups", ADMINISTRATION),
        refused_below("/v1/projects/{project_id}/roles", ADMINISTRATION),
        refused_below("/v1/projects/{project_id}/users", ADMINISTRATION),
        refused_below("/v1/safety", ADMINISTRATION),
        # Whoever registers one hears of everything that happens in the project.
        refused_below("/v1/webhook_endpoints", ADMINISTRATION),
        free("GET", "/v1/webhook_event_types"),
    ),
)
