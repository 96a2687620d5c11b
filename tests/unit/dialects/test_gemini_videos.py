"""What films are held for, and what their operation says of them."""

import orjson
import pytest

from gateway.dialects import JOBS
from gateway.dialects.base import Prepared, Request
from gateway.dialects.gemini_videos import GeminiVideos
from gateway.errors import BadCall
from gateway.metering.jobs import Phase, Told

DIALECT = GeminiVideos()
MODEL = "veo-3.1-generate-preview"
NAME = f"models/{MODEL}/operations/abc"
FILM = {"instances": [{"prompt": "A toll road"}]}


def request(document, *, model=MODEL):
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return Request(body=body, path=f"/v1beta/models/{model}:predictLongRunning")


def asked(**parameters):
    return FILM | {"parameters": parameters}


@pytest.mark.parametrize(
    ("document", "piece"),
    [
        (FILM, ("video_second.720p", 8)),
        (FILM | {"parameters": None}, ("video_second.720p", 8)),
        (asked(durationSeconds=4), ("video_second.720p", 4)),
        (asked(durationSeconds="6", resolution="1080p"), ("video_second.1080p", 6)),
        (asked(sampleCount=2, durationSeconds=5, resolution="4K"), ("video_second.4k", 10)),
        (asked(resolution=None, durationSeconds=None, sampleCount=None), ("video_second.720p", 8)),
        (asked(generateAudio=True), ("video_second.720p", 8)),
        (asked(generateAudio=False), ("video_second.720p.silent", 8)),
        ({"instances": [{"prompt": "x"}] * 2}, ("video_second.720p", 16)),
    ],
)
def test_films_are_held_by_the_second(document, piece):
    call = DIALECT.read_call(request(document))

    assert ((piece,), (piece,)) == (call.terms.pieces, call.owed)
    assert (MODEL, True, False, 0) == (
        call.model,
        call.deferred,
        call.counts_tokens,
        DIALECT.prompt_bound_tokens(call, context_tokens=480),
    )
    assert () == tuple(DIALECT.prompt_parts(call).texts)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (asked(durationSeconds=0), "durationSeconds must be from 1"),
        (asked(durationSeconds=4_000), "durationSeconds must be from 1"),
        (asked(durationSeconds="long"), "durationSeconds must be an integer"),
        (asked(sampleCount=0), "sampleCount must be from 1"),
        (asked(resolution=7), "resolution must be a word"),
        (asked(resolution="a.b"), "resolution must be a word"),
        (FILM | {"parameters": []}, "parameters must be an object"),
        (b'{"parameters":{"sampleCount":1,"sampleCount":9}}', "sampleCount"),
    ],
)
def test_what_cannot_be_sized_is_refused(document, why):
    with pytest.raises(BadCall, match=why):
        DIALECT.read_call(request(document))


def test_an_alias_stands_in_the_path_only():
    film = request(FILM, model="films")

    call = DIALECT.read_call(film)

    assert Prepared(film.body) == DIALECT.prepare(call, film, upstream_model="films")
    assert Prepared(film.body, path=f"/v1beta/models/{MODEL}:predictLongRunning") == (
        DIALECT.prepare(call, film, upstream_model=MODEL)
    )


def made(count, *, withheld=0, wrapped=True):
    told = {"generatedSamples": [{"video": {"uri": "https://x"}}] * count}
    told |= {"raiMediaFilteredCount": withheld} if withheld else {}
    return {"generateVideoResponse": told} if wrapped else told


@pytest.mark.parametrize(
    ("operation", "phase", "delivered"),
    [
        ({}, Phase.OPEN, None),
        ({"done": False}, Phase.OPEN, None),
        ({"done": True, "response": made(1)}, Phase.DONE, (1, 1)),
        ({"done": True, "response": made(2, withheld=1)}, Phase.DONE, (2, 3)),
        ({"done": True, "response": made(0, withheld=2)}, Phase.DONE, (0, 2)),
        ({"done": True, "response": {"videos": [{"gcsUri": "gs://x"}]}}, Phase.DONE, (1, 1)),
        # Nothing can be read of it: all of it is owed.
        ({"done": True, "response": {}}, Phase.DONE, None),
        ({"done": True, "response": 7}, Phase.DONE, None),
        ({"done": True, "response": made(1, withheld=-3)}, Phase.DONE, (1, 1)),
        ({"done": True, "error": {"code": 3}}, Phase.FAILED, None),
        # Nothing is billed for what was not made, whoever stopped it.
        ({"done": True, "error": {"code": 1}}, Phase.FAILED, None),
    ],
)
def test_what_an_operation_says_of_its_films(operation, phase, delivered):
    status = DIALECT.read({"name": NAME} | operation)

    told = () if delivered is None else (Told(usage=None, delivered=delivered),)
    assert (NAME, phase, told) == (status.job_id, status.phase, status.told)


@pytest.mark.parametrize("document", [{}, {"name": "batches/1"}, {"name": "operations"}])
def test_anything_else_is_no_film(document):
    assert DIALECT.read(document) is None


VERTEX = "projects/p/locations/l/publishers/google/models/veo"


@pytest.mark.parametrize(
    ("created", "name", "asked_at"),
    [
        (f"/v1beta/models/{MODEL}:predictLongRunning", NAME, f"/v1beta/{NAME}"),
        (
            f"/v1/{VERTEX}:predictLongRunning",
            f"{VERTEX}/operations/1",
            f"/v1/{VERTEX}/operations/1",
        ),
    ],
)
def test_a_film_is_asked_for_by_the_name_of_its_operation(created, name, asked_at):
    status = DIALECT.read({"name": name})

    assert asked_at == DIALECT.path(created, status)
    assert () == tuple(DIALECT.named(request(FILM)))


def test_it_stands_in_the_table_of_jobs():
    assert isinstance(JOBS["gemini_videos"], GeminiVideos)
