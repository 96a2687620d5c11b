"""Amazon Bedrock's runtime. A model's id holds colons, an inference profile's ARN slashes as
well; both may come percent-encoded.

Metered are Anthropic's models, called in their own format. Converse has a format of its own for
all vendors' models, which is not read here.

Source: Bedrock runtime API, 2023-09-30, as botocore 1.44.8 describes it (read 2026-11-26).
"""

from gateway.dialects.endpoint import (
    BEDROCK,
    NOT_METERED,
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
            refused("POST", "/model/{model%}/invoke-with-bidirectional-stream", NOT_METERED),
            refused("POST", "/model/{model%}/converse", NOT_METERED),
            refused("POST", "/model/{model%}/converse-stream", NOT_METERED),
            free("POST", "/model/{model%}/count-tokens"),
            # Guardrails are billed by the thousand characters.
            refused("POST", "/guardrail/{guardrail}/version/{version}/apply", NOT_METERED),
            refused("POST", "/guardrail-checks/invoke", NOT_METERED),
            # Answers go to a bucket, past the gateway.
            refused_below("/async-invoke", NOT_METERED),
        ),
    ),
)
