import orjson
import pytest

from gateway.dialects.openai_responses import OpenAIResponses
from gateway.dialects.sse import EVENT_BYTES_MAX
from gateway.metering.call import Call
from gateway.metering.usage import Usage

CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5", "output": []}}
CALL = {
    "id": "fc_1",
    "type": "function_call",
    "name": "f",
    "arguments": "",
    "status": "in_progress",
}
ADDED = {"type": "response.output_item.added", "output_index": 0, "item": CALL}
USAGE = {"input_tokens": 3, "output_tokens": 2}


def event(document: dict[str, object]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(document["type"]).encode(), orjson.dumps(document))


def completed(**response: object) -> bytes:
    return event({"type": "response.completed", "response": {"usage": USAGE} | response})


def reader_of(*events: bytes):
    reader = OpenAIResponses().answer_reader(
        Call(model="asked", stream=True), content_type="text/event-stream"
    )
    for each in events:
        reader.feed(each)
    return reader


@pytest.mark.parametrize("relayed", [True, False])
def test_only_what_was_relayed_is_ended(relayed):
    """The client that never saw a call begin would not know what ends."""
    reader = reader_of(event(CREATED))
    reader.digest()
    reader.feed(event(ADDED))
    reader.digest()
    if not relayed:
        reader.withdraw()
    ending = reader.ending(usage=Usage(), include_usage=False)

    assert relayed == (b"fc_1" in ending)
    assert b"event: response.incomplete\n" in ending


@pytest.mark.parametrize(
    "after", [b"", b": keepalive\n\n" * 2, b"data: [DONE]\n\n", b": keepalive\n\n" * 9]
)
def test_usage_is_read_whatever_follows_it(after):
    reader = reader_of(event(CREATED), completed(), after)

    assert Usage(input_uncached=3, output_text=2) == reader.close().usage


def test_a_response_with_pictures_is_larger_than_other_events_and_is_read():
    picture = {"type": "image_generation_call", "id": "ig_1", "result": "A" * EVENT_BYTES_MAX}
    whole = completed(output=[picture])
    reader = reader_of(*(whole[at : at + 500_000] for at in range(0, len(whole), 500_000)))

    assert (("image", 1),) == reader.close().usage.pieces
