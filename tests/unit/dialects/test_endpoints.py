import re
from collections import Counter

import pytest
from support.endpoints_page import PAGE, endpoints_page

from gateway.dialects import DIALECTS
from gateway.dialects.endpoint import NOT_METERED, Endpoint, EndpointKind
from gateway.dialects.endpoints import ENDPOINTS, TABLES, Match, match, spoken_api

METERED_KINDS = {EndpointKind.METERED, EndpointKind.REPORTS, EndpointKind.REALTIME}


def sample(row: Endpoint) -> tuple[str, str]:
    """A request that the row is for."""
    path = re.sub(r"\{(\w+)%?\}", r"\1-1", row.pattern)
    return row.method.replace("*", "GET"), path.replace("/**", "/below/it")


def found(method: str, path: str, *, spoken: str = "openai") -> Match:
    matched = match(method, path, spoken=spoken)
    assert matched is not None, f"{method} {path} stands in no table"
    return matched


def test_chat_completions_are_metered():
    endpoint = found("POST", "/v1/chat/completions").endpoint

    assert ("openai_chat", "metered") == (endpoint.dialect, endpoint.kind)


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/gpt-4o", "/v1/models/ft:gpt-4o:org::id_1~x"]
)
def test_the_list_of_models_is_free(path):
    assert "free" == found("GET", path).endpoint.kind


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/completions"),
        ("post", "/v1/chat/completions"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "//v1/chat/completions"),
        ("POST", "/v1//chat/completions"),
        ("POST", "/v1/x/../chat/completions"),
        ("POST", "/v1/chat%2Fcompletions"),
        ("POST", "/v1/chat/completion%73"),
        ("POST", "/V1/chat/completions"),
        ("POST", "/v1/chat/completions\n"),
        ("POST", "/v1/chat/completions?x=1"),
        ("PUT", "/v1/models/gpt-4o"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models/."),
        ("GET", "/v1/models/.."),
        ("GET", "/v1/models/a/b"),
        ("GET", "/v1/models/a%2Fb"),
        ("GET", "/v1/models/a%3Ab"),
        ("GET", "/v1/models/a\n"),
        ("GET", "/v1/models/a;b"),
        ("GET", "/v1/models/{model}"),
        ("*", "/v1/models"),
        ("GET", "/v1/organizationx"),
        ("GET", "http://elsewhere/v1/models"),
        ("GET", ""),
        ("GET", "/"),
    ],
)
def test_whatever_is_not_exactly_an_endpoint_is_none(method, path):
    assert None is match(method, path)


def test_what_stands_for_a_name_is_told_undecoded():
    assert {"thread_id": "t_1", "run_id": "r:2"} == found(
        "GET", "/v1/threads/t_1/runs/r:2"
    ).segments
    assert {} == found("POST", "/v1/embeddings").segments


def test_a_deployment_of_azure_is_a_model():
    matched = found("POST", "/openai/deployments/my-gpt/chat/completions")

    assert ("openai_chat", {"model": "my-gpt"}) == (matched.endpoint.dialect, matched.segments)


@pytest.mark.parametrize("prefix", ["/openai/v1", "/openai"])
def test_azure_has_openai_s_paths_under_its_own_prefix(prefix):
    assert "openai_responses" == found("POST", f"{prefix}/responses").endpoint.dialect
    assert "reports" == found("GET", f"{prefix}/batches/b_1").endpoint.kind


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
def test_google_s_verb_stands_after_the_model(version):
    matched = found("POST", f"/{version}/models/gemini-2.5-pro:generateContent")

    assert "gemini_generate" == matched.endpoint.dialect
    assert {"model": "gemini-2.5-pro"} == matched.segments


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1beta/models/a:b:generateContent"),
        ("POST", "/v1beta/models/:generateContent"),
        ("POST", "/v1beta/models/a:generatecontent"),
        ("POST", "/v1beta/models/a:"),
        ("POST", "/v1beta/models/a%3AgenerateContent"),
        ("POST", "/v1beta/models/a/b:generateContent"),
        ("POST", "/v1beta/models/..:generateContent"),
        ("POST", "/v2/models/a:generateContent"),
        # Not even where no verb is known: a new one may cost something.
        ("GET", "/v1beta/cachedContents/a:new"),
        ("GET", "/v1beta/models/a:"),
    ],
)
def test_a_name_of_google_s_holds_no_colon(method, path):
    assert None is match(method, path, spoken="gemini")


def test_a_project_of_google_s_may_hold_a_colon():
    path = "/v1beta1/projects/example.com:p/locations/l/publishers/google/models/m:generateContent"

    assert {"project": "example.com:p", "location": "l", "model": "m"} == found(
        "POST", path
    ).segments


def test_claude_on_vertex_is_not_any_publisher_s_model():
    models = "/v1/projects/p/locations/l/publishers"

    assert (
        "anthropic_vertex"
        == found("POST", f"{models}/anthropic/models/claude@1:streamRawPredict").endpoint.dialect
    )
    assert (
        "free" == found("POST", f"{models}/anthropic/models/count-tokens:rawPredict").endpoint.kind
    )
    assert "refused" == found("POST", f"{models}/mistralai/models/m:rawPredict").endpoint.kind
    assert "refused" == found("POST", f"{models}/anthropic/models/m:predict").endpoint.kind


@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-3-5-sonnet-20241022-v2:0",
        "anthropic.claude-3-5-sonnet-20241022-v2%3A0",
        "arn%3aaws%3abedrock%3aus-east-1%3a1%3ainference-profile%2fus.anthropic.claude%3a0",
        "arn:aws:bedrock:us-east-1:1:inference-profile%2Fus.anthropic.claude:0",
    ],
)
def test_a_model_of_bedrock_may_be_an_encoded_arn(model):
    assert {"model": model} == found("POST", f"/model/{model}/invoke").segments


@pytest.mark.parametrize(
    "model",
    [
        "a%2F..%2Fb",
        "..%2Fb",
        "a%2F.",
        "a%2F%2Fb",
        "%2Fa",
        "a%2F",
        "a%252Fb",
        "a%00",
        "a%2Eb",
        "a/b",
        "..",
        "",
        "a%",
    ],
)
def test_a_model_of_bedrock_holds_no_way_out_of_its_place(model):
    assert None is match("POST", f"/model/{model}/invoke")


@pytest.mark.parametrize(
    ("headers", "query", "spoken"),
    [
        ({}, {}, "openai"),
        ({"Authorization": "Bearer x", "x-api-key": "x"}, {}, "openai"),
        ({"anthropic-version": "2023-06-01"}, {}, "anthropic"),
        ({"anthropic-version": "2023-06-01", "x-goog-api-client": "x"}, {}, "anthropic"),
        ({"x-goog-api-key": "x"}, {}, "gemini"),
        ({"x-goog-api-client": "x"}, {}, "gemini"),
        ({}, {"key": "x"}, "gemini"),
        ({}, {"alt": "sse"}, "openai"),
    ],
)
def test_a_path_of_several_vendors_is_the_one_s_whose_client_asks(headers, query, spoken):
    assert spoken == spoken_api(headers, query)
    assert spoken == found("GET", "/v1/models", spoken=spoken).endpoint.api


@pytest.mark.parametrize("spoken", ["openai", "anthropic", "gemini", "bedrock"])
def test_a_path_of_one_vendor_is_found_whoever_asks(spoken):
    assert "openai" == found("POST", "/v1/embeddings", spoken=spoken).endpoint.api
    assert "anthropic" == found("POST", "/v1/messages", spoken=spoken).endpoint.api
    assert "bedrock" == found("POST", "/model/m/invoke", spoken=spoken).endpoint.api


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/models", EndpointKind.FREE),
        ("/v1/files/f/content", EndpointKind.FREE),
        # Charged, told by its answer, refused, or not there at all.
        ("/v1/embeddings", None),
        ("/v1/batches/b", None),
        ("/v1/organization/users", EndpointKind.REFUSED),
        ("/v1/nowhere", None),
    ],
)
def test_head_may_be_asked_where_get_is_free(path, kind):
    found = match("HEAD", path)

    assert kind == (found and found.endpoint.kind)


def test_every_row_is_found_by_its_own_path():
    """None stands in the way of another: `POST /v1/threads/runs` is no thread."""
    hidden = [
        (row.method, row.pattern)
        for row in ENDPOINTS
        if found(*sample(row), spoken=row.api).endpoint is not row
    ]

    assert [] == hidden


def test_no_two_rows_are_for_the_same_path():
    forms = Counter(
        (row.api, row.method, re.sub(r"\{\w+(%?)\}", r"{\1}", row.pattern)) for row in ENDPOINTS
    )

    assert [] == [form for form, times in forms.items() if times > 1]


def test_every_refusal_says_why():
    unexplained = [
        row.pattern for row in ENDPOINTS if (row.kind is EndpointKind.REFUSED) != bool(row.reason)
    ]

    assert [] == unexplained


def test_no_row_is_refused_for_no_better_reason_than_that_nothing_meters_it():
    assert NOT_METERED not in {row.reason for row in ENDPOINTS}


def test_what_is_metered_says_by_which_format_and_nothing_else_does():
    wrong = [row.pattern for row in ENDPOINTS if (row.kind in METERED_KINDS) != bool(row.dialect)]

    assert [] == wrong


def test_every_format_we_read_has_an_endpoint():
    assert set() == set(DIALECTS) - {row.dialect for row in ENDPOINTS}


def test_everything_below_a_path_can_only_be_refused():
    below = {row.kind for row in ENDPOINTS if row.method == "*" or row.pattern.endswith("/**")}

    assert {EndpointKind.REFUSED} == below


@pytest.mark.parametrize(
    "path",
    [
        "/v1/organization",
        "/v1/organization/costs",
        "/v1/organization/projects/p/api_keys/k",
        "/v1/organization/",
        "/v1/organization/../chat/completions",
        "/v1/organizations/me",
        "/openai/v1/organization/users",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PROPFIND"])
def test_administration_is_refused_whatever_is_asked_of_it(method, path):
    endpoint = found(method, path).endpoint

    assert "refused" == endpoint.kind
    assert "administers" in endpoint.reason


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/realtime/client_secrets"),
        ("POST", "/v1/realtime/sessions"),
        ("POST", "/v1/chatkit/sessions"),
        ("POST", "/openai/realtimeapi/sessions"),
        ("POST", "/v1alpha/auth_tokens"),
        ("POST", "/v1beta/interactions/i/auth_tokens"),
        ("POST", "/v1/oauth/token"),
    ],
)
def test_no_credential_is_handed_out_that_bypasses_the_meter(method, path):
    assert "bypass the meter" in found(method, path).endpoint.reason


def test_a_websocket_of_gemini_is_refused():
    path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

    assert "refused" == found("GET", path, spoken="gemini").endpoint.kind


def test_every_endpoint_is_explained_in_the_documentation():
    """After a change of the tables: `python -m support.endpoints_page` in tests/."""
    assert endpoints_page() == PAGE.read_text()


def test_tables_have_titles_of_their_own():
    titles = [table.title for table in TABLES]

    assert sorted(set(titles)) == sorted(titles)
