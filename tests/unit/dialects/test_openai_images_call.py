import base64

import orjson
import pytest

from gateway.dialects.base import Request
from gateway.dialects.openai_images import OpenAIImages
from gateway.errors import BadCall
from gateway.metering.call import ByPiece, ImageInput, sold_by_piece
from gateway.simulator.media import png

DIALECT = OpenAIImages()
PNG = png(640, 480, grey=9)
DATA_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()
SIZED = ImageInput(width=640, height=480, detail="auto")
UNKNOWN = ImageInput(width=None, height=None, detail="auto")


def read(**fields: object):
    body = orjson.dumps({"model": "gpt-image-1", "prompt": "A toll road"} | fields)
    return DIALECT.read_call(Request(body=body, path="/v1/images/generations"))


def form(*fields: tuple[str, bytes], files: tuple[str, ...] = (), path: str = "edits", **more):
    parts = [b'; name="%b"\r\n\r\n%b' % (name.encode(), value) for name, value in fields]
    parts += [b'; name="%b"; filename="a.png"\r\n\r\n%b' % (name.encode(), PNG) for name in files]
    lines = [b"--b\r\nContent-Disposition: form-data" + part + b"\r\n" for part in parts]
    return Request(
        body=b"".join(lines) + b"--b--\r\n",
        path=f"/v1/images/{path}",
        content_type="multipart/form-data; boundary=b",
        **more,
    )


MODEL = ("model", b"gpt-image-1")


@pytest.mark.parametrize(
    ("fields", "choices", "most"),
    [
        ({}, 1, 6_240),
        ({"n": 3, "quality": "low", "size": "1024x1024"}, 3, 272),
        ({"quality": "low", "size": "1024x1024", "partial_images": 2, "stream": True}, 1, 472),
        ({"quality": "low", "size": "1024x1024", "output_format": "gif"}, 1, 9 * 272),
        ({"quality": "low", "size": "1024x1024", "frame_count": 3}, 1, 3 * 272),
        ({"quality": "low", "size": "1024x1024", "output_format": "svg"}, 1, 272 + 32_768),
        ({"quality": None, "size": None, "n": None}, 1, 6_240),
    ],
)
def test_the_most_that_pictures_can_take_is_known_before(fields, choices, most):
    call = read(**fields)

    assert (choices, most) == (call.choices, call.max_output_tokens)
    assert call.whole
    assert call.terms.media
    assert fields.get("stream", False) == call.stream


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({}, ("image.standard.1024x1024", 1)),
        ({"quality": "hd", "size": "1792x1024", "n": 2}, ("image.hd.1792x1024", 2)),
        ({"quality": "auto", "size": "auto"}, ("image.standard.1024x1024", 1)),
    ],
)
def test_sold_by_the_picture_there_is_nothing_to_count_in_tokens(fields, most):
    call = read(**fields)
    sold = sold_by_piece(call)

    assert ByPiece(most=(most,)) == call.by_piece
    assert 0 == DIALECT.prompt_bound_tokens(sold, context_tokens=1_000)
    parts = DIALECT.prompt_parts(sold)
    assert ((), 0, 0) == (parts.texts, parts.fixed_tokens, parts.image_tokens)


def test_pictures_to_work_on_are_counted_in_json():
    call = read(
        images=[{"image_url": DATA_URL}, {"file_id": "file-1"}, {"image_url": "https://a/b.png"}],
        mask={"image_url": DATA_URL},
    )

    assert (SIZED, UNKNOWN, UNKNOWN, SIZED) == call.images
    assert ["A toll road"] == DIALECT.prompt_parts(call).texts
    assert DIALECT.prompt_parts(call).image_tokens > 0
    assert call.text_bytes < 100


def test_pictures_to_work_on_are_counted_in_a_form():
    request = form(
        MODEL,
        ("prompt", "A röad".encode()),
        ("input_fidelity", b"high"),
        ("n", b"2"),
        ("image[]", b"file-id"),
        files=("image[]", "mask", "markup"),
    )
    call = DIALECT.read_call(request)

    assert ("gpt-image-1", 2) == (call.model, call.choices)
    assert [(None, "high"), (640, "high"), (640, "high"), (640, "high")] == [
        (each.width, each.detail) for each in call.images
    ]
    assert ["A röad"] == DIALECT.prompt_parts(call).texts


def test_variations_name_their_only_model_or_none():
    bare = form(("n", b"1"), files=("image",), path="variations")

    assert "dall-e-2" == DIALECT.read_call(bare).model
    with pytest.raises(BadCall, match="model must be given"):
        DIALECT.read_call(form(("n", b"1"), files=("image",)))
    renamed = DIALECT.prepare(DIALECT.read_call(bare), bare, upstream_model="other").body
    assert renamed.endswith(bare.body)
    assert b'name="model"\r\n\r\nother\r\n' in renamed


def test_at_azure_the_path_names_the_model():
    request = form(("prompt", b"x"), files=("image",), segments={"model": "ours"})

    assert "ours" == DIALECT.read_call(request).model


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": None}, "model must be a string; nothing came"),
        ({"n": 0}, "n must be from 1 to 128"),
        ({"n": 1.5}, "n must be an integer; a non-integer number came"),
        ({"n": True}, "n must be an integer; a boolean came"),
        ({"size": 5}, "size must be a string; an integer came"),
        ({"size": "1.5x2"}, "size must be a word"),
        ({"quality": "a b"}, "quality must be a word"),
        ({"stream": "true"}, "stream must be a boolean; a string came"),
        ({"partial_images": 4}, "partial_images must be from 0 to 3"),
        ({"prompt": [1]}, "prompt must be a string; an array came"),
    ],
)
def test_what_decides_the_price_must_be_readable(fields, message):
    with pytest.raises(BadCall, match=message):
        read(**fields)


@pytest.mark.parametrize("twice", ["model", "n", "size", "quality", "stream", "prompt"])
def test_what_decides_the_price_must_be_given_once(twice):
    value = {"model": b"gpt-image-1", "n": b"1", "stream": b"true"}.get(twice, b"low")
    fields = [MODEL] if twice != "model" else []
    with pytest.raises(BadCall, match=f"{twice} was given more than once"):
        DIALECT.read_call(form(*fields, (twice, value), (twice, value)))
