import orjson
import pytest
from support.reading import told

from gateway.dialects.base import Request
from gateway.dialects.openai_speech import OpenAISpeech
from gateway.errors import BadCall
from gateway.metering.call import ByPiece, sold_by_piece
from gateway.simulator.media import mp3

DIALECT = OpenAISpeech()
TEXT = "Toll roads, 道路"


def read(**fields: object):
    body = orjson.dumps({"model": "tts-1", "input": TEXT, "voice": "alloy"} | fields)
    return DIALECT.read_call(Request(body=body))


def test_characters_are_letters_not_bytes():
    characters = (("character", 14),)
    call = read()

    assert ByPiece(most=characters, owed=characters) == call.by_piece
    assert 18 == call.text_bytes
    sold = sold_by_piece(call)
    assert characters == sold.owed
    assert () == DIALECT.prompt_parts(sold).texts
    assert 0 == DIALECT.prompt_bound_tokens(sold, context_tokens=100)


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({}, 140),
        ({"speed": 2}, 70),
        ({"speed": 0.25}, 560),
        ({"speed": 0.001}, 560),
        ({"speed": 99}, 35),
        ({"speed": None}, 140),
    ],
)
def test_the_most_that_can_be_said_follows_the_text_and_its_speed(fields, most):
    call = read(**fields)

    assert most == call.max_output_tokens
    assert call.whole
    assert call.terms.media


def test_instructions_are_read_as_well():
    call = read(instructions="Slowly.", response_format="pcm", stream_format="sse")

    assert [TEXT, "Slowly."] == DIALECT.prompt_parts(call).texts
    assert call.stream
    assert 25 == DIALECT.prompt_bound_tokens(call, context_tokens=100)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": None}, "model must be a string"),
        ({"input": None}, "input must be a string; nothing came"),
        ({"input": ["a"]}, "input must be a string; an array came"),
        ({"instructions": 5}, "instructions must be a string; an integer came"),
        ({"speed": "fast"}, "speed must be a number; a string came"),
        ({"speed": True}, "speed must be a number; a boolean came"),
        ({"stream_format": 1}, "stream_format must be a string"),
    ],
)
def test_what_decides_the_price_must_be_readable(fields, message):
    with pytest.raises(BadCall, match=message):
        read(**fields)


def test_two_inputs_are_refused():
    with pytest.raises(BadCall, match="input was given more than once"):
        DIALECT.read_call(Request(body=b'{"model":"m","input":"a","input":"b"}'))


@pytest.mark.parametrize("content_type", ["audio/mpeg", "text/event-stream"])
def test_sold_by_the_character_sound_is_not_counted(content_type):
    reader = DIALECT.answer_reader(sold_by_piece(read()), content_type=content_type)

    assert {} == told(reader, [mp3(1)])["extra"]


def test_sold_by_the_character_reported_tokens_are_kept_and_the_characters_charged():
    done = b'data: {"type":"speech.audio.done","usage":{"input_tokens":4,"output_tokens":9}}\n\n'
    reader = DIALECT.answer_reader(sold_by_piece(read()), content_type="text/event-stream")

    assert {"input_uncached": 4, "output_audio": 9, "character": 14} == told(reader, [done])[
        "usage"
    ]
