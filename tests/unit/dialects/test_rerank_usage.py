import orjson
import pytest

from gateway.dialects.json_ends import JsonEnds
from gateway.dialects.rerank_usage import COUNT_MAX, read_answer
from gateway.metering.call import Call
from gateway.metering.usage import Usage

BY_TOKEN = Call(model="m")
BY_UNIT = Call(model="m", counts_tokens=False, owed=(("search_unit", 2),))


def read(call: Call, **fields: object):
    ends = JsonEnds()
    ends.feed(orjson.dumps({"results": []} | fields))
    return read_answer(ends, call)


def units(count: object):
    return {"billed_units": {"search_units": count}}


def test_each_measure_is_read_where_the_model_is_sold_in_it():
    both = {"usage": {"total_tokens": 42}, "meta": units(3)}

    assert Usage(input_uncached=42) == read(BY_TOKEN, **both).usage
    assert Usage(input_uncached=42, pieces=(("search_unit", 3),)) == read(BY_UNIT, **both).usage
    assert None is read(BY_TOKEN, meta=units(3))
    assert BY_UNIT.owed == read(BY_UNIT, usage={"total_tokens": 42}).usage.pieces


@pytest.mark.parametrize("bad", [None, 0, -1, True, "3", [], COUNT_MAX + 1])
def test_no_honest_number_means_not_reported(bad):
    assert None is read(BY_UNIT, meta=units(bad))
    assert None is read(BY_TOKEN, usage={"total_tokens": bad})
    assert None is read(BY_TOKEN, meta={"tokens": {"input_tokens": bad}})


def test_units_are_whole():
    assert (("search_unit", 2),) == read(BY_UNIT, meta=units(1.5)).usage.pieces


def test_what_no_table_names_is_kept_apart():
    found = read(BY_TOKEN, usage={"total_tokens": 42, "pages": 7}, meta={"warnings_count": 1})

    assert {"usage.pages": 7, "meta.warnings_count": 1} == found.unmapped
