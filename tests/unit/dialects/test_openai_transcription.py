import pytest

from gateway.dialects.base import Request
from gateway.dialects.openai_transcription import OpenAITranscription
from gateway.errors import BadCall
from gateway.metering.call import ByPiece, sold_by_piece
from gateway.simulator.media import wav

DIALECT = OpenAITranscription()
SOUND = wav(7.2)
MODEL = ("model", b"whisper-1")


def form(*fields: tuple[str, bytes], file: bytes | None = SOUND, **more) -> Request:
    parts = [b'; name="%b"\r\n\r\n%b' % (name.encode(), value) for name, value in fields]
    if file is not None:
        parts.append(b'; name="file"; filename="a.wav"\r\n\r\n' + file)
    lines = [b"--b\r\nContent-Disposition: form-data" + part + b"\r\n" for part in parts]
    return Request(
        body=b"".join(lines) + b"--b--\r\n",
        path="/v1/audio/transcriptions",
        content_type="multipart/form-data; boundary=b",
        **more,
    )


def read(*fields: tuple[str, bytes], file: bytes | None = SOUND):
    return DIALECT.read_call(form(MODEL, *fields, file=file))


def test_a_file_is_measured_in_seconds_and_in_tokens():
    call = read(("prompt", b"About roads."))
    heard = (("audio_second", 8),)

    assert ByPiece(most=heard, owed=heard) == call.by_piece
    assert (80, 144, 1) == (call.audio_tokens, call.max_output_tokens, call.prompts)
    assert call.whole
    assert call.terms.media
    parts = DIALECT.prompt_parts(call)
    assert (["About roads."], 32, 80) == (parts.texts, parts.fixed_tokens, parts.audio_tokens)
    assert 80 + 32 + 12 == DIALECT.prompt_bound_tokens(call, context_tokens=16_000)


def test_sold_by_the_second_there_is_nothing_to_count():
    sold = sold_by_piece(read(("prompt", b"About roads.")))

    assert () == DIALECT.prompt_parts(sold).texts
    assert 0 == DIALECT.prompt_bound_tokens(sold, context_tokens=16_000)


def test_long_files_are_heard_in_parts_that_each_have_the_context():
    flac = b"fLaC" + bytes(14) + (16_000 << 44 | 15 << 36 | 16_000 * 3_600).to_bytes(8, "big")
    call = read(file=flac)

    assert (36_000, 13) == (call.audio_tokens, call.prompts)
    assert 36_032 == DIALECT.prompt_bound_tokens(call, context_tokens=16_000)


def test_samples_of_voices_and_words_to_listen_for_are_counted():
    sample = ("known_speaker_references[]", b"data:audio/wav;base64,AAAA")
    call = read(sample, sample, ("keywords[]", b"toll"), ("keywords[]", b"river"))

    assert 80 + 200 == call.audio_tokens
    assert 32 + 9 == call.text_bytes


def test_an_empty_file_is_a_second():
    assert (("audio_second", 1),) == read(file=b"").by_piece.owed


def test_at_azure_the_path_names_the_model():
    assert "ours" == DIALECT.read_call(form(segments={"model": "ours"})).model


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (form(MODEL, file=None), "file must be given"),
        (form(MODEL, ("file", b"https://example.com/a.mp3"), file=None), "file must be given"),
        (form(MODEL, ("file", b"x")), "file was given more than once"),
        (form(), "model must be given"),
        (form(MODEL, MODEL), "model was given more than once"),
        (form(MODEL, ("stream", b"1")), "stream must be true or false"),
        (form(MODEL, ("prompt", b"\xff")), "prompt must be UTF-8 text"),
        (Request(body=b'{"model":"whisper-1"}'), "The body must be a form"),
    ],
)
def test_what_decides_the_price_must_be_readable(request_, message):
    with pytest.raises(BadCall, match=message):
        DIALECT.read_call(request_)


def test_an_alias_is_spliced_and_the_sound_stays():
    request = form(("model", b"alias"), ("language", b"en"))
    call = DIALECT.read_call(request)

    assert request.body == DIALECT.prepare(call, request, upstream_model="alias").body
    renamed = DIALECT.prepare(call, request, upstream_model="whisper-1").body
    assert request.body.replace(b"\r\n\r\nalias", b"\r\n\r\nwhisper-1") == renamed
