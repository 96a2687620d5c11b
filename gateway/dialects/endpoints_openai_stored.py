"""OpenAI's paths around what it keeps or runs on its own: files, jobs, stores, assistants.

Keeping a file costs nothing. Vector stores and containers are billed by the day and by the
session: a container when it is made, a vector store by its size, which belongs to no call and so
to no account of the gateway; watch it in the vendor's own bill.

Sources: OpenAI API reference and price list, openai package 3.57.0 (read 2026-11-26).
"""

from gateway.dialects.endpoint import (
    ADMINISTRATION,
    GRADERS,
    SHUT_DOWN,
    free,
    metered,
    refused,
    refused_below,
    reports,
)
from gateway.dialects.endpoints_openai import openai_table

OPENAI_STORED_TABLES = (
    openai_table(
        "files and uploads",
        free("GET", "/v1/files"),
        free("POST", "/v1/files", "openai_files"),
        free("GET", "/v1/files/{file_id}"),
        free("DELETE", "/v1/files/{file_id}"),
        # The results of a batch among them: the batch itself reports what it used.
        free("GET", "/v1/files/{file_id}/content"),
        free("POST", "/v1/uploads"),
        free("POST", "/v1/uploads/{upload_id}/parts"),
        free("POST", "/v1/uploads/{upload_id}/complete"),
        free("POST", "/v1/uploads/{upload_id}/cancel"),
    ),
    openai_table(
        "batches",
        metered("POST", "/v1/batches", "openai_batches"),
        reports("GET", "/v1/batches", "openai_batches"),
        reports("GET", "/v1/batches/{batch_id}", "openai_batches"),
        # What was done before it was cancelled is billed.
        reports("POST", "/v1/batches/{batch_id}/cancel", "openai_batches"),
    ),
    openai_table(
        "fine-tuning",
        metered("POST", "/v1/fine_tuning/jobs", "openai_fine_tuning"),
        reports("GET", "/v1/fine_tuning/jobs", "openai_fine_tuning"),
        reports("GET", "/v1/fine_tuning/jobs/{fine_tuning_job_id}", "openai_fine_tuning"),
        reports("POST", "/v1/fine_tuning/jobs/{fine_tuning_job_id}/cancel", "openai_fine_tuning"),
        reports("POST", "/v1/fine_tuning/jobs/{fine_tuning_job_id}/pause", "openai_fine_tuning"),
        # The job goes on under the hold it was given when it was made.
        reports("POST", "/v1/fine_tuning/jobs/{fine_tuning_job_id}/resume", "openai_fine_tuning"),
        free("GET", "/v1/fine_tuning/jobs/{fine_tuning_job_id}/checkpoints"),
        free("GET", "/v1/fine_tuning/jobs/{fine_tuning_job_id}/events"),
        # A grader may be a model, and bills its tokens.
        refused("POST", "/v1/fine_tuning/alpha/graders/run", GRADERS),
        free("POST", "/v1/fine_tuning/alpha/graders/validate"),
        # Shares models with other projects, by an administrator's key.
        refused_below("/v1/fine_tuning/checkpoints", ADMINISTRATION),
    ),
    openai_table(
        "evals",
        # Its runs call models. None can be begun since 31 October 2026 (OpenAI's deprecations).
        free("GET", "/v1/evals"),
        free("POST", "/v1/evals"),
        free("GET", "/v1/evals/{eval_id}"),
        free("POST", "/v1/evals/{eval_id}"),
        free("DELETE", "/v1/evals/{eval_id}"),
        refused("POST", "/v1/evals/{eval_id}/runs", SHUT_DOWN),
        free("GET", "/v1/evals/{eval_id}/runs"),
        free("GET", "/v1/evals/{eval_id}/runs/{run_id}"),
        free("POST", "/v1/evals/{eval_id}/runs/{run_id}/cancel"),
        free("DELETE", "/v1/evals/{eval_id}/runs/{run_id}"),
        free("GET", "/v1/evals/{eval_id}/runs/{run_id}/output_items"),
        free("GET", "/v1/evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}"),
    ),
    openai_table(
        "vector stores",
        free("GET", "/v1/vector_stores"),
        free("POST", "/v1/vector_stores"),
        free("GET", "/v1/vector_stores/{vector_store_id}"),
        free("POST", "/v1/vector_stores/{vector_store_id}"),
        free("DELETE", "/v1/vector_stores/{vector_store_id}"),
        metered("POST", "/v1/vector_stores/{vector_store_id}/search", "openai_vector_search"),
        # Cutting up and embedding what is put in is part of the price of keeping it.
        free("GET", "/v1/vector_stores/{vector_store_id}/files"),
        free("POST", "/v1/vector_stores/{vector_store_id}/files"),
        free("GET", "/v1/vector_stores/{vector_store_id}/files/{file_id}"),
        free("POST", "/v1/vector_stores/{vector_store_id}/files/{file_id}"),
        free("DELETE", "/v1/vector_stores/{vector_store_id}/files/{file_id}"),
        free("GET", "/v1/vector_stores/{vector_store_id}/files/{file_id}/content"),
        free("POST", "/v1/vector_stores/{vector_store_id}/file_batches"),
        free("GET", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}"),
        free("POST", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel"),
        free("GET", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/files"),
    ),
    openai_table(
        "containers and skills",
        metered("POST", "/v1/containers", "openai_containers"),
        free("GET", "/v1/containers"),
        free("GET", "/v1/containers/{container_id}"),
        free("DELETE", "/v1/containers/{container_id}"),
        free("GET", "/v1/containers/{container_id}/files"),
        free("POST", "/v1/containers/{container_id}/files"),
        free("GET", "/v1/containers/{container_id}/files/{file_id}"),
        free("DELETE", "/v1/containers/{container_id}/files/{file_id}"),
        free("GET", "/v1/containers/{container_id}/files/{file_id}/content"),
        free("GET", "/v1/skills"),
        free("POST", "/v1/skills"),
        free("GET", "/v1/skills/{skill_id}"),
        free("POST", "/v1/skills/{skill_id}"),
        free("DELETE", "/v1/skills/{skill_id}"),
        free("GET", "/v1/skills/{skill_id}/content"),
        free("GET", "/v1/skills/{skill_id}/versions"),
        free("POST", "/v1/skills/{skill_id}/versions"),
        free("GET", "/v1/skills/{skill_id}/versions/{version}"),
        free("DELETE", "/v1/skills/{skill_id}/versions/{version}"),
        free("GET", "/v1/skills/{skill_id}/versions/{version}/content"),
    ),
    openai_table(
        "assistants",
        free("GET", "/v1/assistants"),
        free("POST", "/v1/assistants"),
        free("GET", "/v1/assistants/{assistant_id}"),
        free("POST", "/v1/assistants/{assistant_id}"),
        free("DELETE", "/v1/assistants/{assistant_id}"),
        free("POST", "/v1/threads"),
        free("GET", "/v1/threads/{thread_id}"),
        free("POST", "/v1/threads/{thread_id}"),
        free("DELETE", "/v1/threads/{thread_id}"),
        free("GET", "/v1/threads/{thread_id}/messages"),
        free("POST", "/v1/threads/{thread_id}/messages"),
        free("GET", "/v1/threads/{thread_id}/messages/{message_id}"),
        free("POST", "/v1/threads/{thread_id}/messages/{message_id}"),
        free("DELETE", "/v1/threads/{thread_id}/messages/{message_id}"),
        # Runs are what called the model, until 26 August 2026 (OpenAI's deprecations).
        refused("POST", "/v1/threads/runs", SHUT_DOWN),
        refused("POST", "/v1/threads/{thread_id}/runs", SHUT_DOWN),
        refused("POST", "/v1/threads/{thread_id}/runs/{run_id}/submit_tool_outputs", SHUT_DOWN),
        free("GET", "/v1/threads/{thread_id}/runs"),
        free("GET", "/v1/threads/{thread_id}/runs/{run_id}"),
        free("POST", "/v1/threads/{thread_id}/runs/{run_id}"),
        free("POST", "/v1/threads/{thread_id}/runs/{run_id}/cancel"),
        free("GET", "/v1/threads/{thread_id}/runs/{run_id}/steps"),
        free("GET", "/v1/threads/{thread_id}/runs/{run_id}/steps/{step_id}"),
    ),
)
