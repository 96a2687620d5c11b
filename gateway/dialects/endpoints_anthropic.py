"""Anthropic's paths that call models, and what belongs to them.

Under `/anthropic/v1` they are those of Microsoft Foundry and of Bedrock's own Anthropic service,
under a workspace of a project those of Claude on Google Cloud as Anthropic runs it.

Sources: Anthropic API reference and price list, anthropic package 2.14.0 (read 2026-11-26).
"""

from gateway.dialects.endpoint import (
    ADMINISTRATION,
    ANTHROPIC,
    CREDENTIAL,
    Endpoint,
    Table,
    free,
    metered,
    refused,
    refused_below,
    reports,
)

GOOGLE_CLOUD = "/v1/projects/{project}/locations/{location}"
OTHER_PREFIXES = (
    "/anthropic/v1",
    f"{GOOGLE_CLOUD}/workspaces/{{workspace_id}}/invoke/v1",
    f"{GOOGLE_CLOUD}/claudeOrganization/invoke/v1",
)


def anthropic_table(title: str, *rows: Endpoint) -> Table:
    return Table(
        title=f"Anthropic: {title}",
        api=ANTHROPIC,
        rows=rows,
        prefix="/v1",
        also_under=OTHER_PREFIXES,
    )


ANTHROPIC_TABLES = (
    anthropic_table(
        "messages",
        metered("POST", "/v1/messages", "anthropic_messages"),
        free("POST", "/v1/messages/count_tokens"),
        metered("POST", "/v1/complete", "anthropic_complete"),
        free("GET", "/v1/models"),
        free("GET", "/v1/models/{model}"),
    ),
    anthropic_table(
        "message batches",
        metered("POST", "/v1/messages/batches", "anthropic_batches"),
        reports("GET", "/v1/messages/batches", "anthropic_batches"),
        # The batch tells how many requests succeeded, its results what each of them used.
        reports("GET", "/v1/messages/batches/{message_batch_id}", "anthropic_batches"),
        reports("GET", "/v1/messages/batches/{message_batch_id}/results", "anthropic_batches"),
        reports("POST", "/v1/messages/batches/{message_batch_id}/cancel", "anthropic_batches"),
        free("DELETE", "/v1/messages/batches/{message_batch_id}"),
    ),
    anthropic_table(
        "files and skills",
        free("GET", "/v1/files"),
        free("POST", "/v1/files"),
        free("GET", "/v1/files/{file_id}"),
        free("DELETE", "/v1/files/{file_id}"),
        free("GET", "/v1/files/{file_id}/content"),
        free("GET", "/v1/skills"),
        free("POST", "/v1/skills"),
        free("GET", "/v1/skills/{skill_id}"),
        free("DELETE", "/v1/skills/{skill_id}"),
        free("GET", "/v1/skills/{skill_id}/versions"),
        free("POST", "/v1/skills/{skill_id}/versions"),
        free("GET", "/v1/skills/{skill_id}/versions/{version}"),
        free("DELETE", "/v1/skills/{skill_id}/versions/{version}"),
        free("GET", "/v1/skills/{skill_id}/versions/{version}/content"),
    ),
    anthropic_table(
        "administration",
        refused_below("/v1/organizations", ADMINISTRATION),
        refused_below("/v1/compliance", ADMINISTRATION),
        # The organisation's end customers, and links on which they enrol.
        refused_below("/v1/user_profiles", ADMINISTRATION),
        # Ways into the operator's network, and the tokens that open them.
        refused_below("/v1/tunnels", ADMINISTRATION),
        refused("POST", "/v1/oauth/token", CREDENTIAL),
    ),
)
