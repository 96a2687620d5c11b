import anthropic
import httpx2
import orjson
import pytest
from botocore.session import Session
from multidict import CIMultiDict

from gateway.dialects.base import Request
from gateway.dialects.bedrock_messages import BedrockMessages
from gateway.dialects.endpoints import match
from gateway.errors import BadCall

MODEL = "us.anthropic.claude-opus-4-1-20250805-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456"
ASKED = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}
DIALECT = BedrockMessages()


def request(path, **changes) -> Request:
    matched = match("POST", path)
    assert matched is not None, path
    assert "bedrock_messages" == matched.endpoint.dialect
    body = {name: value for name, value in (ASKED | changes).items() if value is not ...}
    return Request(body=orjson.dumps(body), path=path, segments=matched.segments)


def asked_by_anthropic(model, *, stream):
    """The path and body that Anthropic's SDK sends."""
    sent = []

    def answer(asked):
        sent.append(asked)
        raise httpx2.ConnectError("stop")

    client = anthropic.AnthropicBedrock(
        api_key="tk_1",
        aws_region="us-east-1",
        max_retries=0,
        http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
    )
    with pytest.raises(anthropic.APIConnectionError):
        client.messages.create(
            model=model, stream=stream, max_tokens=100, messages=ASKED["messages"]
        )
    return sent[0].url.raw_path.decode(), sent[0].content


def asked_by_botocore(model, *, stream, monkeypatch):
    """The path that AWS's SDK sends."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "tk_1")
    client = Session().create_client("bedrock-runtime", region_name="us-east-1")
    sent = []
    client.meta.events.register("before-send", lambda request, **_: sent.append(request) or None)
    client.meta.events.register("before-send", lambda **_: _Answered())
    method = client.invoke_model_with_response_stream if stream else client.invoke_model
    with pytest.raises(client.exceptions.ClientError):
        method(modelId=model, body=orjson.dumps(ASKED))
    return sent[0].url.removeprefix("https://bedrock-runtime.us-east-1.amazonaws.com"), sent[0].body


class _Answered:
    """An answer that ends the call: what was sent is all that matters."""

    status_code = 400
    headers = {"x-amzn-errortype": "ValidationException"}  # noqa: RUF012
    content = b"{}"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [MODEL, PROFILE])
@pytest.mark.parametrize("sdk", ["anthropic", "botocore"])
def test_the_model_stands_in_the_path_as_the_official_sdks_write_it(
    sdk, model, stream, monkeypatch
):
    if sdk == "anthropic":
        path, body = asked_by_anthropic(model, stream=stream)
    else:
        path, body = asked_by_botocore(model, stream=stream, monkeypatch=monkeypatch)
    matched = match("POST", path)
    assert matched is not None, path

    call = DIALECT.read_call(Request(body=body, path=path, segments=matched.segments))

    assert (model, stream, 100) == (call.model, call.stream, call.max_output_tokens)


def test_the_body_is_anthropics():
    call = DIALECT.read_call(request(f"/model/{MODEL}/invoke", system="Be brief."))

    parts = DIALECT.prompt_parts(call)
    assert "Hello" in "".join(parts.texts)
    assert "Be brief." in "".join(parts.texts)
    bound = DIALECT.prompt_bound_tokens(call, context_tokens=1_000)
    assert bound >= sum(len(text) for text in parts.texts) // 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"anthropic_version": ...}, "anthropic_version must be a string; nothing came."),
        ({"anthropic_version": 1}, "anthropic_version must be a string; an integer came."),
        ({"messages": ...}, "messages must be an array; nothing came."),
        ({"max_tokens": "9"}, "max_tokens must be a non-negative integer; a string came."),
    ],
)
def test_what_is_no_message_of_anthropics_is_refused(changes, message):
    """Other vendors' models have other formats at the same path, which nobody here could meter."""
    with pytest.raises(BadCall) as refused:
        DIALECT.read_call(request(f"/model/{MODEL}/invoke", **changes))

    assert message == refused.value.message


@pytest.mark.parametrize(
    ("name", "ordinary", "extra"),
    [
        ("X-Amzn-Bedrock-Service-Tier", "default", "priority"),
        ("X-Amzn-Bedrock-PerformanceConfig-Latency", "standard", "optimized"),
        ("X-Amzn-Bedrock-GuardrailIdentifier", "", "abc123"),
    ],
)
def test_what_would_cost_more_than_the_answer_tells_is_refused(name, ordinary, extra):
    def asked(*values):
        plain = request(f"/model/{MODEL}/invoke")
        headers = CIMultiDict([("Accept", "*/*"), *((name, value) for value in values)])
        return Request(body=plain.body, path=plain.path, segments=plain.segments, headers=headers)

    assert MODEL == DIALECT.read_call(asked(ordinary)).model
    for values in ([extra], [ordinary, extra]):
        with pytest.raises(BadCall, match=f"^{name} asks for what cannot be charged here"):
            DIALECT.read_call(asked(*values))


@pytest.mark.parametrize("method", ["invoke", "invoke-with-response-stream"])
def test_another_model_is_asked_for_in_the_path_and_nothing_else_changes(method):
    asked = request(f"/model/fast/{method}")
    call = DIALECT.read_call(asked)

    prepared = DIALECT.prepare(call, asked, upstream_model=PROFILE)

    assert asked.body == prepared.body
    encoded = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2F"
    assert f"/model/{encoded}abc123def456/{method}" == prepared.path
    assert PROFILE == DIALECT.read_call(request(prepared.path)).model


def test_the_same_model_is_asked_for_as_the_caller_did():
    asked = request("/model/us.anthropic.claude-opus-4-1-20250805-v1%3a0/invoke")
    call = DIALECT.read_call(asked)
    prepared = DIALECT.prepare(call, asked, upstream_model=call.model)

    assert (MODEL, asked.body, None) == (call.model, prepared.body, prepared.path)
    assert not prepared.hide_usage
