"""Amazon Bedrock's runtime. A model's id holds colons, an inference profile's ARN slashes as
well; both may come percent-encoded.

Metered are Anthropic's models, called in their own format. Converse has a format of its own for
all vendors' models, which is not read here.

Source: Bedrock runtime API, 2023-09-30, as botocore 1.44.8 describes it (read 2026-11-26).
"""

from gateway.dialects.endpoint import (
    BEDROCK,
    BUCKETS,
    CONVERSE,
    GUARDRAILS,
    LIVE,
    Table,
    free,
    metered,
    refused,
    refused_below,
)

BEDROCK_TABLES = (
    Table(
        title="Amazon Bedrock",
        api=BEDROCK,
        rows=(
            metered("POST", "/model/{model%}/invoke", "bedrock_messages"),
            metered("POST", "/model/{model%}/invoke-with-response-stream", "bedrock_messages"),
            refused("POST", "/model/{model%}/invoke-with-bidirectional-stream", LIVE),
            refused("POST", "/model/{model%}/converse", CONVERSE),
            refused("POST", "/model/{model%}/converse-stream", CONVERSE),
            free("POST", "/model/{model%}/count-tokens"),
            # Guardrails are billed by the thousand characters.
            refused("POST", "/guardrail/{guardrail}/version/{version}/apply", GUARDRAILS),
            refused("POST", "/guardrail-checks/invoke", GUARDRAILS),
            # Answers go to a bucket, past the gateway.
            refused_below("/async-invoke", BUCKETS),
        ),
    ),
)
