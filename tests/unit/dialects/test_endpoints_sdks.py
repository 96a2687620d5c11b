"""Every request that an official SDK can make stands in the tables.

The paths are read out of the installed packages: a newer one with a new path fails here, and the
message names the path. Decide how it is metered, and give it a row.
"""

from pathlib import Path

import pytest
from support import sdk_paths

from gateway.dialects.endpoints import match

REFERENCE = Path(sdk_paths.__file__).with_name("gemini_reference.txt")


def test_the_openai_package():
    asked = sdk_paths.stainless_requests("openai", prefix="/v1")

    assert len(asked) > 300
    judge(asked, {"openai"}, spoken="openai")


def test_the_websockets_of_the_openai_package():
    asked = sdk_paths.openai_websockets()

    assert ("GET", "/v1/realtime") in asked
    judge(asked, {"openai"}, spoken="openai")


@pytest.mark.parametrize("prefix", ["/openai", "/openai/v1"])
def test_the_azure_client_of_the_openai_package(prefix):
    asked = sdk_paths.stainless_requests("openai", prefix=prefix) | sdk_paths.azure_deployments()

    assert ("POST", "/openai/deployments/gpt-1/chat/completions") in asked
    judge(asked, {"openai"}, spoken="openai")


@pytest.mark.parametrize("prefix", ["", "/anthropic"])
def test_the_anthropic_package(prefix):
    asked = sdk_paths.stainless_requests("anthropic", prefix=prefix)

    assert len(asked) > 250
    judge(asked, {"anthropic"}, spoken="anthropic")


def test_the_anthropic_package_in_other_clouds():
    asked = sdk_paths.anthropic_elsewhere()

    assert ("POST", "/model/model-1/invoke") in asked
    judge(asked, {"anthropic", "gemini", "bedrock"}, spoken="anthropic")


def test_the_google_genai_package():
    asked = sdk_paths.genai_requests()

    assert len(asked) > 100
    judge(asked, {"gemini"}, spoken="gemini")


def test_the_reference_of_the_gemini_api():
    """Read 2026-11-26: 85 methods, some of which no SDK has."""
    lines = REFERENCE.read_text().splitlines()

    judge({(method, path) for method, path in map(str.split, lines)}, {"gemini"}, spoken="gemini")


def test_the_runtime_of_bedrock():
    asked = sdk_paths.bedrock_requests()

    assert len(asked) > 10
    judge(asked, {"bedrock"}, spoken="openai")


def judge(asked: set[sdk_paths.Asked], apis: set[str], *, spoken: str) -> None:
    """All of it stands in the tables, and in those of the vendors whose it is."""
    found = {(method, path): match(method, path, spoken=spoken) for method, path in asked}
    missing = sorted(
        f"{method} {path} stands in no table of {', '.join(sorted(apis))}"
        for (method, path), matched in found.items()
        if matched is None or matched.endpoint.api not in apis
    )
    if missing:
        pytest.fail("\n".join(missing), pytrace=False)
