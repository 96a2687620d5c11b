import orjson
import pytest

from gateway.dialects.stored_references import REFERENCES_MAX, may_refer, references
from gateway.errors import BadCall
from gateway.metering.call import Call, ImageInput

IMAGE = ImageInput(width=1, height=1, detail="auto")


def found(document: object, *, api: str = "openai") -> list[str]:
    return sorted(references(orjson.dumps(document), api=api))


@pytest.mark.parametrize(
    ("document", "ids"),
    [
        ({"input": "hello"}, []),
        (
            {"previous_response_id": "resp_1", "conversation": {"id": "conv_1"}},
            ["conv_1", "resp_1"],
        ),
        ({"conversation": "conv_2", "previous_response_id": None}, ["conv_2"]),
        ({"input_file_id": "file-1"}, ["file-1"]),
        ({"training_file": "file-1", "validation_file": "file-2"}, ["file-1", "file-2"]),
        ({"file_ids": ["file-1", "file-2"]}, ["file-1", "file-2"]),
        (
            {"messages": [{"content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
            ["file-1"],
        ),
        (
            {
                "tools": [
                    {"type": "file_search", "vector_store_ids": ["vs_1"]},
                    {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["f"]}},
                    {"type": "code_interpreter", "container": "cntr_1"},
                ]
            },
            ["cntr_1", "f", "vs_1"],
        ),
        ({"input": [{"type": "item_reference", "id": "msg_1"}, {"id": "rs_1"}]}, ["msg_1", "rs_1"]),
        ({"input": [{"id": "msg_1", "role": "user", "content": "hi"}]}, []),
        ({"prompt": {"id": "pmpt_1"}}, []),
        ({"metadata": {"file_id": "file-1"}, "attributes": {"container": "x"}}, []),
        ({"tools": [{"function": {"parameters": {"file_id": "file-1"}}}]}, []),
    ],
)
def test_openais_ways_to_refer_to_an_object(document, ids):
    assert ids == found(document)


@pytest.mark.parametrize(
    ("document", "ids"),
    [
        ({"messages": [{"content": [{"source": {"type": "file", "file_id": "f_1"}}]}]}, ["f_1"]),
        ({"container": "container_1"}, ["container_1"]),
        (
            {"container": {"id": "c", "skills": [{"skill_id": "pptx"}, {"skill_id": "skill_1"}]}},
            ["c", "skill_1"],
        ),
        ({"requests": [{"params": {"container": "c"}}]}, ["c"]),
        ({"messages": [{"content": [{"type": "tool_use", "input": {"file_id": "x"}}]}]}, []),
        ({"tools": [{"input_schema": {"file_id": "x"}}]}, []),
    ],
)
def test_anthropics_ways(document, ids):
    assert ids == found(document, api="anthropic")


@pytest.mark.parametrize(
    ("document", "ids"),
    [
        ({"cachedContent": "cachedContents/c"}, ["cachedContents/c"]),
        ({"cached_content": "projects/p/locations/l/cachedContents/c"}, ["cachedContents/c"]),
        (
            {"contents": [{"parts": [{"fileData": {"fileUri": "https://g.com/v1beta/files/a"}}]}]},
            ["files/a"],
        ),
        ({"file_data": {"file_uri": "https://youtu.be/abc"}}, []),
        ({"batch": {"inputConfig": {"fileName": "files/b"}}}, ["files/b"]),
        (
            {"instances": [{"video": {"uri": "https://g.com/v1/files/v:download?alt=media"}}]},
            ["files/v"],
        ),
        (
            {"tools": [{"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/s"]}}]},
            ["fileSearchStores/s"],
        ),
        ({"operationName": "models/veo/operations/o"}, ["operations/o"]),
        ({"parts": [{"functionCall": {"args": {"uri": "files/x"}}}]}, []),
        ({"parts": [{"functionResponse": {"response": {"fileUri": "files/x"}}}]}, []),
    ],
)
def test_googles_ways(document, ids):
    assert ids == found(document, api="gemini")


@pytest.mark.parametrize(
    "body",
    [
        b'{"file_id":"file-1","file_id":"file-2"}',
        b'{"file\\u005fid":"file-1"}',
        '{"file_id":"file-1"}'.encode("utf-16"),
        '{"file_id":"file-1"}'.encode("utf-16-le"),
        b'\xef\xbb\xbf{"file_id":"file-1"}',
        b'{"file_id":"file-1"',
        b'{"file_id":"file-1","x":NaN}',
    ],
)
def test_what_the_provider_may_read_otherwise_is_refused(body):
    with pytest.raises(BadCall):
        references(body, api="openai")


@pytest.mark.parametrize("body", [b"", b"RIFF....", b"plain text", b'"file_id"'])
def test_what_is_no_json_object_refers_to_nothing(body):
    assert [] == references(body, api="openai")


def test_words_in_a_text_are_no_reference():
    assert [] == found({"input": 'say "file_id": "file-1" aloud'})


def test_there_is_a_bound():
    with pytest.raises(BadCall, match="at the most"):
        found({"file_ids": [f"file-{number}" for number in range(REFERENCES_MAX + 1)]})


@pytest.mark.parametrize(
    ("call", "dialect", "may"),
    [
        (Call(model="m"), "openai_chat", False),
        (Call(model="m", images=(IMAGE,)), "openai_chat", False),
        (Call(model="m", opaque_inputs=1), "openai_chat", True),
        (Call(model="m"), "anthropic_messages", False),
        (Call(model="m", images=(IMAGE,)), "anthropic_messages", True),
        (Call(model="m", turns=10), "anthropic_messages", True),
        (Call(model="m", document={"container": "c"}), "anthropic_messages", True),
        (
            Call(model="m", document={"tools": [{"functionDeclarations": []}]}),
            "gemini_generate",
            False,
        ),
        (Call(model="m", document={"tools": [{"fileSearch": {}}]}), "gemini_generate", True),
        (Call(model="m", document={"tools": {"file_search": {}}}), "gemini_generate", True),
        (Call(model="m", document={"cachedContent": "c"}), "gemini_generate", True),
        (Call(model="m"), "openai_responses", True),
        (Call(model="m"), "openai_embeddings", False),
    ],
)
def test_most_calls_are_seen_to_refer_to_nothing(call, dialect, may):
    assert may is may_refer(call, dialect=dialect)
