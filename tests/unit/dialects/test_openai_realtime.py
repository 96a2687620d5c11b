import orjson
import pytest
from openai.types.realtime import ConversationItemInputAudioTranscriptionCompletedEvent as Completed
from openai.types.realtime import RealtimeErrorEvent

from gateway.dialects.base import Request
from gateway.dialects.openai_realtime import (
    Conversation,
    OpenAIRealtime,
    asked_transcriber,
    cancelling,
    decoded,
    error_event,
    item_id,
    response_id,
    transcription_call,
)
from gateway.errors import BadCall, QuotaExceeded, StoreUnavailable

SECOND = "A" * (48_000 * 4 // 3)


def request(**query: str) -> Request:
    return Request(body=b"", path="/v1/realtime", query=query)


def test_the_model_stands_in_the_query_under_either_name():
    dialect = OpenAIRealtime()

    assert "m" == dialect.read_call(request(model="m")).model
    assert "m" == dialect.read_call(request(deployment="m")).model
    assert "" == dialect.read_call(request(intent="transcription")).model


@pytest.mark.parametrize("query", [{}, {"model": ""}, {"model": "m", "call_id": "rtc_1"}])
def test_what_could_not_be_metered_is_refused(query):
    with pytest.raises(BadCall):
        OpenAIRealtime().read_call(request(**query))


def test_what_is_said_grows_the_context_until_a_response_reports_it():
    conversation = Conversation()
    conversation.client({"type": "input_audio_buffer.append", "audio": SECOND}, 64_100)
    assert 10 == conversation.heard_tokens == conversation.input_tokens
    conversation.server({"type": "input_audio_buffer.committed", "item_id": "i"})
    assert (0, 10) == (conversation.heard_tokens, conversation.input_tokens)
    text = {"type": "conversation.item.create", "item": {"content": [{"text": "x" * 90}]}}
    conversation.client(text, 200)
    assert 210 == conversation.input_tokens
    usage = {"input_tokens": 40, "output_tokens": 7}
    conversation.server({"type": "response.done", "response": {"usage": usage}})

    assert 47 == conversation.input_tokens


def test_a_response_that_reports_nothing_leaves_the_bound_standing():
    conversation = Conversation()
    conversation.client({"type": "response.create"}, 30)
    conversation.server({"type": "response.done", "response": {"usage": None}})

    assert 30 == conversation.input_tokens


def test_pictures_and_sound_in_an_item_are_not_counted_by_their_bytes():
    conversation = Conversation()
    content = [
        {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 100_000},
        {"type": "input_audio", "audio": "A" * 10_660},
    ]
    event = {"type": "conversation.item.create", "item": {"content": content}}
    conversation.client(event, 111_000)

    assert 2_500 + 10 <= conversation.input_tokens < 4_000


@pytest.mark.parametrize(
    ("session", "heard"),
    [
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}}, 10),
        ({"audio": {"input": {"format": {"type": "audio/pcmu"}}}}, 61),
        ({"input_audio_format": "g711_ulaw"}, 61),
        ({"input_audio_format": "pcm16"}, 10),
    ],
)
def test_the_sessions_format_decides_how_long_speech_is(session, heard):
    conversation = Conversation()
    conversation.server({"type": "session.updated", "session": session})
    conversation.client({"type": "input_audio_buffer.append", "audio": SECOND}, 64_100)

    assert heard == conversation.heard_tokens


@pytest.mark.parametrize(
    ("session", "model"),
    [
        ({"audio": {"input": {"transcription": {"model": "whisper-1"}}}}, "whisper-1"),
        ({"input_audio_transcription": {"model": "whisper-1"}}, "whisper-1"),
        ({"audio": {"input": {"transcription": None}}}, None),
        ({"audio": {"input": {"transcription": {"model": 5}}}}, None),
        ({"audio": [], "input_audio_transcription": "x"}, None),
        ("x", None),
    ],
)
def test_who_transcribes_is_read_from_the_settings(session, model):
    assert model == asked_transcriber({"type": "session.update", "session": session})
    assert None is asked_transcriber({"type": "response.create", "session": session})


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", '"x"', b"\xff\x00", '{"type":5,"response":7,"item_id":{}}']
)
def test_what_is_no_event_tells_nothing(text):
    event = decoded(text)
    conversation = Conversation()
    conversation.client(event, 5)
    conversation.server(event)

    assert ("", "", 0) == (response_id(event), item_id(event), conversation.input_tokens)


def test_an_error_of_ours_is_an_event_the_sdk_knows():
    refusal = QuotaExceeded("No credit.", code="insufficient_quota", details={"available": "0"})
    told = error_event(refusal, event_id="event_1", caused_by="mine")
    event = RealtimeErrorEvent.model_validate_json(told)

    assert ("error", "event_1") == (event.type, event.event_id)
    assert ("insufficient_quota", "mine") == (event.error.code, event.error.event_id)
    assert "0" == orjson.loads(told)["error"]["available"]


def test_our_own_faults_are_server_errors():
    told = orjson.loads(error_event(StoreUnavailable("x"), event_id="e"))

    assert "server_error" == told["error"]["type"]


def test_a_response_is_cancelled_by_name():
    assert {"type": "response.cancel", "response_id": "r1"} == orjson.loads(cancelling("r1"))


def test_a_transcription_may_be_sold_by_the_second():
    call = transcription_call("whisper-1", heard_tokens=61)

    assert call.by_piece is not None
    assert (("audio_second", 7),) == call.by_piece.most
    assert "usage" in Completed.model_fields
