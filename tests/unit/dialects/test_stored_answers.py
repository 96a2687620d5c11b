import orjson
import pytest

from gateway.dialects.stored_answers import tells, told, told_in
from gateway.metering.call import Call

EVENT = "text/event-stream"


def ids(document: dict, *, api: str = "openai", collection: str = "") -> list[str]:
    return told(document, api=api, collection=collection)


@pytest.mark.parametrize(
    ("document", "own"),
    [
        ({"id": "file-1", "object": "file"}, ["file-1"]),
        ({"id": "upload_1", "file": {"id": "file-1"}}, ["upload_1", "file-1"]),
        (
            {"id": "batch_1", "output_file_id": "file-2", "error_file_id": None},
            ["batch_1", "file-2"],
        ),
        (
            {"id": "ftjob-1", "result_files": ["file-1", {"id": "file-2"}]},
            ["ftjob-1", "file-1", "file-2"],
        ),
        (
            {
                "id": "resp_1",
                "output": [
                    {"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1"},
                    {"type": "message", "id": "msg_1"},
                ],
            },
            ["resp_1", "ci_1", "cntr_1", "msg_1"],
        ),
        ({"input_tokens": 7}, []),
        # What the caller sent, or a model wrote at its wish.
        (
            {
                "id": "resp_1",
                "metadata": {"id": "x", "file": {"id": "file-9"}},
                "previous_response_id": "resp_9",
                "output": [{"type": "function_call", "arguments": "{}", "container_id": "cntr_9"}],
            },
            ["resp_1"],
        ),
    ],
)
def test_what_openai_tells_its_caller_of(document, own):
    assert own == ids(document)


@pytest.mark.parametrize(
    ("document", "own"),
    [
        ({"id": "msgbatch_1", "type": "message_batch"}, ["msgbatch_1"]),
        ({"id": "file_1", "type": "file"}, ["file_1"]),
        ({"id": "msg_1", "type": "message", "content": []}, []),
        (
            {
                "type": "message",
                "container": {"id": "container_1"},
                "content": [
                    {"type": "tool_use", "input": {"file_id": "file_9"}},
                    {
                        "type": "bash_code_execution_tool_result",
                        "content": {"content": [{"file_id": "file_1"}]},
                    },
                ],
            },
            ["container_1", "file_1"],
        ),
        ({"type": "message_delta", "delta": {"container": {"id": "c"}}}, ["c"]),
    ],
)
def test_what_anthropic_does(document, own):
    assert own == ids(document, api="anthropic")


@pytest.mark.parametrize(
    ("document", "own"),
    [
        ({"name": "cachedContents/c"}, ["cachedContents/c"]),
        ({"name": "projects/p/locations/l/cachedContents/c"}, ["cachedContents/c"]),
        ({"file": {"name": "files/a", "uri": "https://g/v1beta/files/b"}}, ["files/a"]),
        ({"id": "agent"}, ["agents/agent"]),
        (
            {"name": "batches/b", "metadata": {"output": {"responsesFile": "files/r"}}},
            ["batches/b", "files/r"],
        ),
        (
            {
                "name": "models/veo/operations/o",
                "response": {
                    "generateVideoResponse": {
                        "generatedSamples": [
                            {"video": {"uri": "https://g/v1beta/files/v:download"}}
                        ]
                    }
                },
            },
            ["operations/o", "files/v"],
        ),
        ({"name": "batches/b", "metadata": {"responsesFile": "files/x"}}, ["batches/b"]),
    ],
)
def test_what_google_does(document, own):
    assert own == ids(document, api="gemini", collection="agents")


def test_a_stream_tells_of_its_response_and_of_what_ran_in_it():
    item = {"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1"}
    events = [
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
        {"type": "response.output_text.delta", "item_id": "msg_9", "delta": '"item": {"id": "x"}'},
        {"type": "response.output_item.done", "item": item},
    ]
    body = b"".join(b"data: %b\n\n" % orjson.dumps(event) for event in events)

    assert ["resp_1", "ci_1", "cntr_1"] == told_in(
        body + b"data: {cut", content_type=EVENT, api="openai", collection="responses"
    )


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"id"', b"\x00"])
def test_what_cannot_be_read_tells_nothing(body):
    for content_type in ("application/json", EVENT):
        assert [] == told_in(body, content_type=content_type, api="openai", collection="")


@pytest.mark.parametrize(
    ("dialect", "document", "expected"),
    [
        ("openai_chat", {}, False),
        ("openai_chat", {"store": True}, True),
        ("openai_responses", {}, True),
        ("openai_responses", {"store": False}, False),
        ("anthropic_messages", {}, False),
        ("anthropic_messages", {"container": "c"}, True),
        ("openai_batches", {}, True),
    ],
)
def test_only_what_is_kept_is_worth_remembering(dialect, document, expected):
    assert expected is tells(Call(model="m", document=document), dialect=dialect)
