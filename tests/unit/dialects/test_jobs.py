"""Jobs are found in whatever tells of them, however its bytes are cut."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chunking import cuts

from gateway.dialects import jobs as jobs_module
from gateway.dialects.jobs import LineReader, StatusReader
from gateway.dialects.openai_batches import OpenAIBatches
from gateway.metering.jobs import Phase

JOBS = OpenAIBatches()


def batch(name="batch_1", status="in_progress", **more):
    return {"id": name, "object": "batch", "status": status} | more


def phases(data, *, content_type="application/json"):
    reader = StatusReader(JOBS, content_type=content_type)
    for piece in data:
        reader.feed(piece)
    reader.close()
    return {name: status.phase for name, status in reader.statuses.items()}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (batch(), {"batch_1": Phase.OPEN}),
        (
            {"object": "list", "data": [batch("a"), batch("b", "completed"), {"object": "x"}, 7]},
            {"a": Phase.OPEN, "b": Phase.DONE},
        ),
        ({"data": "none"}, {}),
        ([batch()], {}),
        ("batch", {}),
    ],
)
def test_one_or_many_objects_tell_the_same_story_in_any_pieces(document, expected):
    for pieces in cuts(orjson.dumps(document), positions=40):
        assert expected == phases(pieces)


def test_the_events_of_a_stream_tell_the_latest():
    stream = b"".join(
        b"event: batch\ndata: %b\n\n" % orjson.dumps(batch(status=status))
        for status in ("validating", "in_progress", "completed")
    )
    for pieces in cuts(stream + b"data: [DONE]\n\n", positions=40):
        assert {"batch_1": Phase.DONE} == phases(pieces, content_type="text/event-stream")


def test_a_stream_cut_short_tells_as_far_as_it_came():
    whole = b"data: %b\n\n" % orjson.dumps(batch())
    later = b"data: %b\n\n" % orjson.dumps(batch(status="completed"))

    assert {"batch_1": Phase.OPEN} == phases([whole + later[:20]], content_type="text/event-stream")


def test_an_answer_beyond_the_bound_tells_nothing(monkeypatch):
    monkeypatch.setattr(jobs_module, "JSON_BYTES_MAX", 100)

    assert {} == phases([orjson.dumps(batch(filling="x" * 100))])


@given(st.binary(max_size=200), st.sampled_from(["application/json", "text/event-stream"]))
def test_garbage_tells_nothing_and_raises_nothing(garbage, content_type):
    assert {} == phases([garbage, garbage], content_type=content_type)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(["status", "usage", "request_counts", "output_file_id", "id"])


@given(st.dictionaries(FIELDS, JSON))
def test_fields_of_any_type_raise_nothing_and_charge_nothing_negative(fields):
    reader = StatusReader(JOBS, content_type="application/json")
    reader.feed(orjson.dumps(batch(status="completed") | fields, default=str))
    reader.close()

    for status in reader.statuses.values():
        for told in status.told:
            assert min(told.usage.in_order()) >= 0
            assert told.calls >= 0


def lines_in(pieces):
    found = []
    reader = LineReader(found.append)
    for piece in pieces:
        reader.feed(piece)
    reader.close()
    return found


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_lines_are_the_same_in_any_pieces(end):
    for pieces in cuts(b'{"a":1}\n\n{"b":2}\r\n{"c":3}' + end):
        assert [b'{"a":1}', b'{"b":2}', b'{"c":3}'] == lines_in(pieces)


def test_a_line_beyond_the_bound_is_left_out(monkeypatch):
    monkeypatch.setattr(jobs_module, "LINE_BYTES_MAX", 8)

    for pieces in cuts(b"short\n" + b"x" * 50 + b"\nagain"):
        assert [b"short", b"again"] == lines_in(pieces)
