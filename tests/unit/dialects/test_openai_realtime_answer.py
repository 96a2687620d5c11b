import orjson
import pytest

from gateway.dialects.openai_realtime_answer import ResponseReader, TranscriptionReader
from gateway.metering.usage import Usage

USAGE = {"input_tokens": 9, "output_tokens": 4, "output_token_details": {"audio_tokens": 3}}


def events(*documents: object) -> ResponseReader:
    reader = ResponseReader(3_200)
    for document in documents:
        reader.feed(orjson.dumps(document))
    return reader


def test_texts_are_told_by_item_and_kind():
    reader = events(
        {"type": "response.output_text.delta", "item_id": "a", "delta": "Hel"},
        {"type": "response.output_text.delta", "item_id": "a", "delta": "lo"},
        {"type": "response.function_call_arguments.delta", "item_id": "b", "delta": "{}"},
        {"type": "response.audio_transcript.delta", "item_id": "c", "delta": "Hi"},
    )

    assert ["Hello", "{}", "Hi"] == [piece.text for piece in reader.digest()]
    assert [] == reader.digest()


def test_spoken_output_is_a_token_for_each_fifty_milliseconds():
    delta = {"type": "response.output_audio.delta", "item_id": "a", "delta": "A" * 3_201}

    assert Usage(output_audio=2) == events(delta).extra


def test_a_called_function_has_a_name_and_a_frame():
    item = {"type": "function_call", "id": "i", "name": "look_up"}
    reader = events({"type": "response.output_item.added", "item": item})

    assert ["look_up"] == [piece.text for piece in reader.digest()]
    assert 12 == reader.extra.output_text


def test_usage_comes_with_the_end():
    reader = events({"type": "response.done", "response": {"usage": USAGE}})
    reported = reader.close()

    assert reported is not None
    assert Usage(input_uncached=9, output_text=1, output_audio=3) == reported.usage


@pytest.mark.parametrize("response", [None, "x", {}, {"usage": None}, {"usage": {"a": 1}}])
def test_an_end_without_a_usage_reports_none(response):
    assert None is events({"type": "response.done", "response": response}).close()


def test_a_frame_is_an_event_and_may_end_anywhere():
    reader = events()

    assert (5, -1) == (reader.boundary(b"abcde", 0), reader.boundary(b"abcde", 5))
    assert b"" == reader.ending(usage=Usage(), include_usage=True)


def test_a_transcription_tells_its_text_once_and_its_usage():
    reader = TranscriptionReader()
    reader.feed(
        orjson.dumps(
            {
                "type": "conversation.item.input_audio_transcription.completed",
                "transcript": "Hello",
                "usage": {"type": "duration", "seconds": 1.2},
            }
        )
    )
    reported = reader.close()

    assert reported is not None
    assert Usage(pieces=(("audio_second", 2),)) == reported.usage
    assert ["Hello"] == [piece.text for piece in reader.digest()]
    assert [] == reader.digest()
