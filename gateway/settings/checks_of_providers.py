"""Rules between a provider's settings: a way to be known to it that is complete and is used."""

import re

from gateway.settings.documents import Node
from gateway.settings.problems import Problems
from gateway.settings.reading import Files
from gateway.settings.schema_providers import ProviderBlock

# AWS, "Amazon Bedrock endpoints and quotas" (read 2026-11-24).
_BEDROCK_URL = re.compile(r"https?://bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")


def check_providers(files: Files, problems: Problems) -> None:
    for name, provider in files.main.providers.items():
        node = files.node.at("providers", name)
        _credential(provider, node, problems)
        _aws(provider, node, problems)
        if provider.ca_file is not None and provider.base_url.startswith("http://"):
            problems.add(
                node.at("ca_file"),
                "a certificate authority is given for a base_url without TLS",
                suggestion="Write https:// in base_url, or remove ca_file.",
            )
    _unknown_endpoints(files, problems)


def _unknown_endpoints(files: Files, problems: Problems) -> None:
    handling, fee = files.main.unknown_endpoints, files.main.unknown_endpoint_usd
    if handling != "refuse" and len(files.providers) > 1:
        problems.add(
            files.node.at("unknown_endpoints"),
            f"{handling} needs exactly one provider, came {len(files.providers)}",
            suggestion="An unknown path names no model to route by: write refuse.",
        )
    if handling == "forward_flat" and not fee:
        reason = "a fee of more than 0 is required with unknown_endpoints: forward_flat"
        if fee is None:
            problems.add_missing(
                files.node,
                "unknown_endpoint_usd",
                reason,
                suggestion='Add unknown_endpoint_usd: "0.01", or write forward_free.',
            )
        else:
            problems.add(
                files.node.at("unknown_endpoint_usd"),
                reason,
                suggestion="To forward without a charge, write forward_free.",
            )
    if handling != "forward_flat" and fee is not None:
        problems.add(
            files.node.at("unknown_endpoint_usd"),
            f"a fee is given, and unknown_endpoints: {handling} does not charge it",
            suggestion="Remove it, or write forward_flat.",
        )


def _credential(provider: ProviderBlock, node: Node, problems: Problems) -> None:
    sent = provider.auth not in ("none", "aws-sigv4")
    if sent and provider.credential is None:
        problems.add_missing(
            node,
            "credential",
            f"a credential is required with auth: {provider.auth}",
            suggestion="Add credential: env:NAME, or auth: none.",
        )
    if not sent and provider.credential is not None:
        problems.add(
            node.at("auth"),
            f"a credential is given, and auth: {provider.auth} does not send it",
            suggestion="Remove the credential, or choose how it is sent.",
        )


def _aws(provider: ProviderBlock, node: Node, problems: Problems) -> None:
    signing = provider.auth == "aws-sigv4"
    if signing and provider.aws is None:
        problems.add_missing(
            node,
            "aws",
            "who signs is required with auth: aws-sigv4",
            suggestion="Add aws: {region: us-east-1, access_key_id: env:AWS_ACCESS_KEY_ID, "
            "secret_access_key: env:AWS_SECRET_ACCESS_KEY}.",
        )
    if provider.aws is None:
        return
    if not signing:
        problems.add(
            node.at("aws"),
            f"an access key is given, and auth: {provider.auth} does not sign with it",
            suggestion="Write auth: aws-sigv4, or remove aws.",
        )
    served = _BEDROCK_URL.match(provider.base_url)
    if served is not None and served[1] != provider.aws.region:
        problems.add(
            node.at("aws", "region"),
            f"base_url leads to {served[1]}, which refuses what is signed for "
            f"{provider.aws.region}",
            suggestion=f"Write region: {served[1]}, or the base_url of the region.",
        )
