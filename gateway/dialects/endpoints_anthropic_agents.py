"""Anthropic's paths of managed agents.

An agent calls models for as long as it likes after the request that woke it. What wakes one is
refused; what only describes, shows or removes one is free.

Sources: Anthropic API reference, anthropic package 2.14.0 (read 2026-11-26).
"""

from gateway.dialects.endpoint import AGENTS, free, refused
from gateway.dialects.endpoints_anthropic import anthropic_table

_SESSION = "/v1/sessions/{session_id}"
_DEPLOYMENT = "/v1/deployments/{deployment_id}"
_ENVIRONMENT = "/v1/environments/{environment_id}"
_WORK = f"{_ENVIRONMENT}/work/{{work_id}}"
_STORE = "/v1/memory_stores/{memory_store_id}"
_MEMORY = f"{_STORE}/memories/{{memory_id}}"
_VERSION = f"{_STORE}/memory_versions/{{memory_version_id}}"
_VAULT = "/v1/vaults/{vault_id}"
_CREDENTIAL = f"{_VAULT}/credentials/{{credential_id}}"

ANTHROPIC_AGENT_TABLES = (
    anthropic_table(
        "managed agents",
        free("GET", "/v1/agents"),
        free("POST", "/v1/agents"),
        free("GET", "/v1/agents/{agent_id}"),
        free("POST", "/v1/agents/{agent_id}"),
        free("POST", "/v1/agents/{agent_id}/archive"),
        free("GET", "/v1/agents/{agent_id}/versions"),
        # Billed by the hour and by the token.
        refused("POST", "/v1/sessions", AGENTS),
        free("GET", "/v1/sessions"),
        free("GET", _SESSION),
        free("POST", _SESSION),
        free("DELETE", _SESSION),
        free("POST", f"{_SESSION}/archive"),
        refused("POST", f"{_SESSION}/events", AGENTS),
        free("GET", f"{_SESSION}/events"),
        free("GET", f"{_SESSION}/events/stream"),
        free("GET", f"{_SESSION}/resources"),
        free("POST", f"{_SESSION}/resources"),
        free("GET", f"{_SESSION}/resources/{{resource_id}}"),
        free("POST", f"{_SESSION}/resources/{{resource_id}}"),
        free("DELETE", f"{_SESSION}/resources/{{resource_id}}"),
        free("GET", f"{_SESSION}/threads"),
        free("GET", f"{_SESSION}/threads/{{thread_id}}"),
        free("POST", f"{_SESSION}/threads/{{thread_id}}/archive"),
        free("GET", f"{_SESSION}/threads/{{thread_id}}/events"),
        free("GET", f"{_SESSION}/threads/{{thread_id}}/stream"),
    ),
    anthropic_table(
        "deployments of agents",
        # Each starts sessions by the clock.
        refused("POST", "/v1/deployments", AGENTS),
        free("GET", "/v1/deployments"),
        free("GET", _DEPLOYMENT),
        refused("POST", _DEPLOYMENT, AGENTS),
        free("POST", f"{_DEPLOYMENT}/archive"),
        free("POST", f"{_DEPLOYMENT}/pause"),
        refused("POST", f"{_DEPLOYMENT}/unpause", AGENTS),
        refused("POST", f"{_DEPLOYMENT}/run", AGENTS),
        free("GET", "/v1/deployment_runs"),
        free("GET", "/v1/deployment_runs/{deployment_run_id}"),
    ),
    anthropic_table(
        "environments of agents",
        # What runs in one belongs to a session; a queue for machines of one's own costs nothing.
        free("GET", "/v1/environments"),
        free("POST", "/v1/environments"),
        free("GET", _ENVIRONMENT),
        free("POST", _ENVIRONMENT),
        free("DELETE", _ENVIRONMENT),
        free("POST", f"{_ENVIRONMENT}/archive"),
        free("GET", f"{_ENVIRONMENT}/work"),
        free("GET", f"{_ENVIRONMENT}/work/poll"),
        free("GET", f"{_ENVIRONMENT}/work/stats"),
        free("GET", _WORK),
        free("POST", _WORK),
        free("POST", f"{_WORK}/ack"),
        free("POST", f"{_WORK}/heartbeat"),
        free("POST", f"{_WORK}/stop"),
    ),
    anthropic_table(
        "memory of agents",
        free("GET", "/v1/memory_stores"),
        free("POST", "/v1/memory_stores"),
        free("GET", _STORE),
        free("POST", _STORE),
        free("DELETE", _STORE),
        free("POST", f"{_STORE}/archive"),
        free("GET", f"{_STORE}/memories"),
        free("POST", f"{_STORE}/memories"),
        free("GET", _MEMORY),
        free("POST", _MEMORY),
        free("DELETE", _MEMORY),
        free("GET", f"{_STORE}/memory_versions"),
        free("GET", _VERSION),
        free("POST", f"{_VERSION}/redact"),
        # A model rewrites a memory store.
        refused("POST", "/v1/dreams", AGENTS),
        free("GET", "/v1/dreams"),
        free("GET", "/v1/dreams/{dream_id}"),
        free("POST", "/v1/dreams/{dream_id}/archive"),
        free("POST", "/v1/dreams/{dream_id}/cancel"),
    ),
    anthropic_table(
        "vaults of agents",
        free("GET", "/v1/vaults"),
        free("POST", "/v1/vaults"),
        free("GET", _VAULT),
        free("POST", _VAULT),
        free("DELETE", _VAULT),
        free("POST", f"{_VAULT}/archive"),
        free("GET", f"{_VAULT}/credentials"),
        free("POST", f"{_VAULT}/credentials"),
        free("GET", _CREDENTIAL),
        free("POST", _CREDENTIAL),
        free("DELETE", _CREDENTIAL),
        free("POST", f"{_CREDENTIAL}/archive"),
        free("POST", f"{_CREDENTIAL}/mcp_oauth_validate"),
    ),
)
