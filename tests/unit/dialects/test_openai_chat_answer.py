import openai
import orjson
import pytest
from openai.types.chat import ChatCompletionChunk

from gateway.dialects.base import AnswerReader, Reported
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.openai_chat_answer import stream_reader
from gateway.dialects.story_readers import StreamReader
from gateway.metering.call import Call, Terms
from gateway.metering.usage import Usage

CHUNK = (
    b'data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m1",'
    b'"choices":[%b]}\n\n'
)
TEXT = b'{"index":0,"delta":{"content":"Hi"},"finish_reason":null}'
STOP = b'{"index":0,"delta":{},"finish_reason":"stop"}'


def reader_of(data: bytes = b"", *, choices: int = 1) -> AnswerReader:
    reader = stream_reader(Call(model="asked", stream=True, choices=choices))
    if data:
        reader.feed(data)
    return reader


def test_usage_seen_while_digesting_is_still_reported_at_the_end():
    reader = reader_of(
        CHUNK % TEXT + b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n'
    )
    reader.digest()
    reader.feed(b"data: [DONE]\n\n")

    assert Reported(Usage(input_uncached=3, output_text=1)) == reader.close()


def test_the_last_usage_decides_even_when_it_cannot_be_believed():
    first = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n'
    second = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":-1}}\n\n'

    assert None is reader_of(first + second).close()


def test_usage_in_a_text_is_not_taken_for_the_answers():
    said = b'{"index":0,"delta":{"content":"\\"usage\\":{\\"prompt_tokens\\":3}"}}'

    assert None is reader_of(CHUNK % said).close()


def test_an_event_that_was_withdrawn_closes_nothing():
    """Digested for its price and not relayed: the client still waits for the choice to end."""
    reader = reader_of(CHUNK % TEXT)
    reader.digest()
    reader.feed(CHUNK % STOP)
    reader.digest()
    reader.withdraw()
    (chunk,) = chunks_of(reader.ending(usage=Usage(), include_usage=False))

    assert "length" == chunk["choices"][0]["finish_reason"]


@pytest.mark.parametrize("before", [True, False])
def test_a_service_tier_is_read_wherever_it_stands(before):
    usage = b'"usage":{"prompt_tokens":3,"completion_tokens":1}'
    tier = b'"service_tier":"priority"'
    members = (tier, usage) if before else (usage, tier)
    for kind in ("application/json", "text/event-stream"):
        reader = OpenAIChat().answer_reader(Call(model="m"), content_type=kind)
        document = b'{"choices":[],%b,%b}' % members
        reader.feed(document if kind == "application/json" else b"data: " + document + b"\n\n")

        assert "priority" == reader.close().usage.service_tier


def chunks_of(ending: bytes) -> list[dict[str, object]]:
    *events, done, rest = ending.split(b"\n\n")
    assert (b"data: [DONE]", b"") == (done, rest)
    return [orjson.loads(event.removeprefix(b"data: ")) for event in events]


def test_the_ending_closes_the_open_choice_under_the_streams_own_name():
    reader = reader_of(CHUNK % TEXT)
    reader.digest()
    (chunk,) = chunks_of(reader.ending(usage=Usage(), include_usage=False))

    assert ("c1", 7, "m1") == (chunk["id"], chunk["created"], chunk["model"])
    (choice,) = chunk["choices"]
    assert (0, {}, "length") == (choice["index"], choice["delta"], choice["finish_reason"])
    assert "usage" not in chunk


def test_the_ending_of_a_stream_that_has_not_begun_closes_choice_zero():
    (chunk,) = chunks_of(reader_of().ending(usage=Usage(), include_usage=False))

    assert "asked" == chunk["model"]
    assert [0] == [choice["index"] for choice in chunk["choices"]]


def test_the_ending_leaves_finished_choices_alone():
    reader = reader_of(CHUNK % STOP, choices=3)
    reader.digest()
    chunks = chunks_of(reader.ending(usage=Usage(), include_usage=False))

    assert [1, 2] == [chunk["choices"][0]["index"] for chunk in chunks]


def test_the_ending_tells_the_usage_to_those_who_asked():
    reader = reader_of(CHUNK % TEXT)
    reader.digest()
    usage = Usage(input_uncached=5, input_cache_read=3, output_text=4, output_reasoning=2)
    cut, told_usage = chunks_of(reader.ending(usage=usage, include_usage=True))

    assert cut["usage"] is None
    assert [] == told_usage["choices"]
    assert (8, 6, 14) == tuple(
        told_usage["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    assert 3 == told_usage["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert 2 == told_usage["usage"]["completion_tokens_details"]["reasoning_tokens"]


def test_nothing_follows_the_providers_own_terminator():
    reader = reader_of(CHUNK % STOP + b"data: [DONE]\n\n")
    reader.digest()

    assert b"" == reader.ending(usage=Usage(), include_usage=True)


def test_the_official_sdk_reads_a_stream_we_ended():
    usage = Usage(input_uncached=5, output_text=4)
    reader = reader_of(CHUNK % TEXT)
    reader.digest()
    stream = CHUNK % TEXT + reader.ending(usage=usage, include_usage=True)
    decoder = openai._streaming.SSEDecoder()
    seen = [
        ChatCompletionChunk.model_validate(event.json())
        for event in decoder.iter_bytes(iter([stream]))
        if event.data != "[DONE]"
    ]

    assert [None, "length"] == [c.choices[0].finish_reason for c in seen if c.choices]
    assert 9 == seen[-1].usage.total_tokens


def test_other_content_types_are_tried_as_json_and_report_nothing_else():
    call = Call(model="m")
    reader = OpenAIChat().answer_reader(call, content_type="text/plain")
    reader.feed(b"no json at all")
    assert 14 == reader.pending_bytes
    assert [] == reader.digest()

    assert None is reader.close()
    assert -1 == reader.boundary(b"no json at all", 0)
    assert b"" == reader.ending(usage=Usage(), include_usage=True)


def test_spoken_answers_in_packed_formats_are_never_counted_too_low():
    """32 kbit/s is below what is known of any format: ten seconds are then 200 tokens."""
    document = {"audio": {"voice": "alloy", "format": "mp3"}}
    call = Call(model="m", terms=Terms(media=True), document=document)
    reader = OpenAIChat().answer_reader(call, content_type="application/json")
    data = "A" * (40_000 * 4 // 3)
    reader.feed(orjson.dumps({"choices": [{"message": {"audio": {"data": data}}}]}))
    reader.close()
    reader.digest()

    assert Usage(output_audio=200) == reader.extra


def test_event_streams_are_known_by_their_content_type():
    reader = OpenAIChat().answer_reader(Call(model="m"), content_type="text/event-stream")

    assert isinstance(reader, StreamReader)
