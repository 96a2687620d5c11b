import httpx2
import orjson
import pytest
from google.genai import _api_client, types

from gateway.dialects.gemini_answer import element_reader, event_reader, json_reader
from gateway.dialects.sse import first_event_end
from gateway.metering.call import Call, Terms
from gateway.metering.usage import Usage

SPENT = Usage(input_uncached=8, output_text=3, output_reasoning=2)


def response(text, *, index=0, finish=None, usage=None, **more):
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": index}
    if finish:
        candidate["finishReason"] = finish
    told = {} if usage is None else {"usageMetadata": usage}
    return {"candidates": [candidate], "responseId": "r1", "modelVersion": "gemini-x"} | told | more


ONE = orjson.dumps(response("One.", usage={"promptTokenCount": 8, "candidatesTokenCount": 1}))
TWO = orjson.dumps(response(" Two.", usage={"promptTokenCount": 8, "candidatesTokenCount": 3}))
LAST = orjson.dumps(response("", finish="STOP"))


def call_of(**more):
    return Call(model="asked", stream=True, **more)


def events(*responses):
    return b"".join(b"data: %b\r\n\r\n" % each for each in responses)


def relayed(reader, data, *, paid):
    """What a relay writes that may forward so many events of `data`, then has to end."""
    start, written = 0, b""
    while (end := reader.boundary(data, start)) >= 0:
        reader.feed(data[start:end])
        reader.digest()
        if not paid:
            reader.withdraw()
            break
        paid -= 1
        written += data[start:end]
        start = end
    return written + reader.ending(usage=SPENT, include_usage=True)


def read_by_the_sdk(data):
    """The responses google-genai makes of these bytes, in a stream."""
    answer = httpx2.Response(200, content=data)
    answer = _api_client.HttpResponse(headers={}, response_stream=answer)
    return [types.GenerateContentResponse.model_validate(each) for each in answer.segments()]


def test_an_unfinished_stream_reports_nothing_but_has_told_its_input():
    reader = event_reader(call_of())
    assert None is reader.so_far
    reader.feed(events(ONE, TWO))
    reader.digest()

    assert Usage(input_uncached=8, output_text=3) == reader.so_far
    assert None is reader.close()


def test_a_finished_stream_reports_the_last_usage_it_told():
    reader = event_reader(call_of())
    reader.feed(events(ONE, TWO, LAST))

    assert Usage(input_uncached=8, output_text=3) == reader.close().usage


def test_the_tier_asked_for_is_that_of_a_count_of_ours_as_well():
    reader = event_reader(call_of(terms=Terms(service_tier="flex")))

    assert "flex" == reader.extra.service_tier


@pytest.mark.parametrize("paid", [0, 1, 2])
def test_a_stream_of_events_is_ended_as_the_sdk_reads_it(paid):
    data = relayed(event_reader(call_of()), events(ONE, TWO, LAST), paid=paid)
    read = read_by_the_sdk(data)

    assert ["One.", " Two."][:paid] == [each.text for each in read[:paid]]
    [last] = read[paid:]
    assert "MAX_TOKENS" == last.candidates[0].finish_reason
    # What was never relayed tells the client nothing.
    told = ("r1", "gemini-x") if paid else (None, "asked")
    assert told == (last.response_id, last.model_version)
    usage = last.usage_metadata
    assert (8, 3, 2, 13) == (
        usage.prompt_token_count,
        usage.candidates_token_count,
        usage.thoughts_token_count,
        usage.total_token_count,
    )


@pytest.mark.parametrize("separator", [b",", b"\n,\r\n", b" , "])
@pytest.mark.parametrize("opening", [b"[", b"[\n", b" ["])
@pytest.mark.parametrize("paid", [0, 1, 2])
def test_a_growing_array_is_ended_as_any_parser_reads_it(opening, separator, paid):
    whole = opening + separator.join((ONE, TWO, LAST)) + b"\n]"
    data = relayed(element_reader(call_of()), whole, paid=paid)
    read = orjson.loads(data)

    assert [orjson.loads(each) for each in (ONE, TWO)][:paid] == read[:paid]
    [last] = read[paid:]
    assert "MAX_TOKENS" == last["candidates"][0]["finishReason"]
    assert 13 == last["usageMetadata"]["totalTokenCount"]


@pytest.mark.parametrize("cut", range(1, len(ONE) + 8))
def test_an_array_is_ended_wherever_its_bytes_were_when_credit_ran_out(cut):
    """What went out before ended anywhere; half an element is finished first."""
    whole = b"[" + b"\n,\r\n".join((ONE, TWO)) + b"\n]"
    reader = element_reader(call_of())
    reader.feed(whole[:cut])
    reader.digest()
    begun = reader.pending_bytes > 0
    end = reader.boundary(whole, cut)
    reader.feed(whole[cut:end])
    reader.digest()
    if not begun:
        reader.withdraw()
    written = whole[: end if begun else cut] + reader.ending(usage=SPENT, include_usage=True)

    read = orjson.loads(written)
    assert "MAX_TOKENS" == read[-1]["candidates"][0]["finishReason"]
    assert read[:-1] == [orjson.loads(ONE), orjson.loads(TWO)][: len(read) - 1]


@pytest.mark.parametrize("reader_of", [event_reader, element_reader])
def test_only_candidates_still_open_are_cut(reader_of):
    done = orjson.dumps(response("a", index=1, finish="STOP"))
    data = b"[" + done if reader_of is element_reader else events(done)
    reader = reader_of(call_of(choices=3))
    reader.feed(data)
    reader.digest()
    ending = reader.ending(usage=SPENT, include_usage=False)
    last = (
        orjson.loads(data + ending)[-1]
        if reader_of is element_reader
        else orjson.loads(ending.removeprefix(b"data: "))
    )

    assert [0, 2] == [candidate["index"] for candidate in last["candidates"]]
    assert "usageMetadata" not in last
    assert ("r1", "gemini-x") == (last["responseId"], last["modelVersion"])


def test_nothing_is_added_to_a_stream_that_has_told_all():
    reader = event_reader(call_of())
    reader.feed(events(ONE, LAST))
    reader.digest()
    assert b"" == reader.ending(usage=SPENT, include_usage=True)

    array = element_reader(call_of())
    array.feed(b"[" + ONE + b"," + LAST)
    array.digest()
    assert b"\n]\n" == array.ending(usage=SPENT, include_usage=True)
    array.feed(b"]")
    array.digest()
    assert b"" == array.ending(usage=SPENT, include_usage=True)


def test_boundaries_of_events_are_their_blank_lines():
    data = events(ONE, TWO)

    assert first_event_end(data, 0) == event_reader(call_of()).boundary(data, 0)
    assert -1 == event_reader(call_of()).boundary(data[:20], 0)


def test_a_json_answer_has_no_boundary_and_is_never_ended():
    reader = json_reader(Call(model="m"))
    reader.feed(ONE)

    assert -1 == reader.boundary(ONE, 0)
    assert b"" == reader.ending(usage=SPENT, include_usage=True)
    assert ([], None) == (reader.digest(), reader.so_far)
