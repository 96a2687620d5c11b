"""How much a training may use, and what of its job is read."""

import orjson
import pytest
from openai.types.fine_tuning import FineTuningJob

from gateway.dialects.base import Request
from gateway.dialects.openai_fine_tuning import PHASES, OpenAIFineTuning
from gateway.errors import BadCall

DIALECT = OpenAIFineTuning()


def request(*, size_bytes=1_000, examples=40, known=True, **more):
    body = {"model": "gpt-4o-mini", "training_file": "file-1"} | more
    facts = {"file-1": {"purpose": "fine-tune", "bytes": size_bytes, "lines": examples}}
    return Request(body=orjson.dumps(body), known=facts if known else {})


def tokens(asked):
    [(piece, count)] = DIALECT.read_call(asked).terms.pieces
    assert "trained_token" == piece
    return count


@pytest.mark.parametrize(
    ("examples", "epochs"),
    [(1, 25), (4, 25), (10, 10), (33, 3), (34, 3), (8_333, 3), (8_334, 2), (30_000, 1)],
)
def test_short_files_are_read_more_often_than_long_ones(examples, epochs):
    assert 1_000 * epochs == tokens(request(examples=examples))


@pytest.mark.parametrize(
    ("more", "epochs"),
    [
        ({"hyperparameters": {"n_epochs": 8}}, 8),
        ({"hyperparameters": {"n_epochs": "auto"}}, 3),
        ({"method": {"type": "supervised"}}, 3),
        ({"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 9}}}}, 9),
        ({"method": {"type": "dpo", "supervised": {"hyperparameters": {"n_epochs": 9}}}}, 3),
    ],
)
def test_of_what_is_asked_and_what_is_done_unasked_the_most_is_held(more, epochs):
    assert 1_000 * epochs == tokens(request(**more))


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (request(known=False), "training_file"),
        (request(training_file=None), "training_file"),
        (request(model=7), "model"),
        (request(method="dpo"), "method"),
        (request(method={"type": "reinforcement"}), "method"),
        (request(hyperparameters={"n_epochs": 0}), "hyperparameters"),
        (request(hyperparameters={"n_epochs": True}), "hyperparameters"),
        (request(hyperparameters={"n_epochs": 10**9}), "hyperparameters"),
    ],
)
def test_what_cannot_be_sized_is_refused_by_its_field(asked, param):
    with pytest.raises(BadCall) as refused:
        DIALECT.read_call(asked)

    assert param == refused.value.details["param"]


def test_an_alias_is_spliced_in():
    asked = request()
    prepared = DIALECT.prepare(DIALECT.read_call(asked), asked, upstream_model="another")

    assert "another" == orjson.loads(prepared.body)["model"]
    assert (
        asked.body
        == DIALECT.prepare(DIALECT.read_call(asked), asked, upstream_model="gpt-4o-mini").body
    )


def test_every_status_the_sdk_knows_has_a_phase():
    statuses = FineTuningJob.model_fields["status"].annotation.__args__

    # A job can be paused as well, though the type does not say so.
    assert {*statuses, "paused"} == set(PHASES)


def test_what_it_is_sized_by_is_its_training_file():
    assert ("file-1",) == tuple(DIALECT.named(request()))
    assert () == tuple(DIALECT.named(request(training_file=3)))
