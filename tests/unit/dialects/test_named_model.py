import orjson
import pytest

from gateway.dialects.base import Request
from gateway.dialects.named_model import asked_model, prepared
from gateway.errors import BadCall
from gateway.metering.call import Call

PATH = "/openai/deployments/ours/embeddings"
BODY = b'{"input": "a", "model":"text-embedding-3-small"}'


def azure(body: bytes = BODY) -> Request:
    return Request(body=body, path=PATH, segments={"model": "ours"})


def test_the_path_names_the_model_before_the_body():
    assert "ours" == asked_model(azure(), orjson.loads(BODY))
    assert "text-embedding-3-small" == asked_model(Request(body=BODY), orjson.loads(BODY))
    assert "ours" == asked_model(azure(b"{}"), {})


def test_a_body_without_a_model_is_refused_where_the_path_has_none():
    with pytest.raises(BadCall, match="model must be a string; nothing came"):
        asked_model(Request(body=b"{}"), {})


def test_an_alias_is_spliced_where_the_model_stands():
    in_body = prepared(Call(model="alias"), Request(body=BODY), upstream_model='m"1')
    in_path = prepared(Call(model="ours"), azure(), upstream_model="theirs/2")

    assert b'{"input": "a", "model":"m\\"1"}' == in_body.body
    assert None is in_body.path
    assert BODY == in_path.body
    assert "/openai/deployments/theirs%2F2/embeddings" == in_path.path


def test_nothing_is_touched_without_an_alias():
    assert BODY == prepared(Call(model="m"), Request(body=BODY), upstream_model="m").body
    assert None is prepared(Call(model="ours"), azure(), upstream_model="ours").path


def test_a_form_is_spliced_as_well():
    body = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nalias\r\n--b--\r\n'
    asked = Request(body=body, content_type="multipart/form-data; boundary=b")

    spliced = prepared(Call(model="alias"), asked, upstream_model="gpt-image-2")

    assert body.replace(b"alias", b"gpt-image-2") == spliced.body
