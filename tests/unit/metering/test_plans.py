"""What a plan allows."""

import pytest

from gateway.metering.plans import Enforcement, Plan, model_allowed


@pytest.mark.parametrize(
    ("globs", "model", "allowed"),
    [
        (("*",), "gpt-4o", True),
        (("gpt-4o", "gpt-4o-*"), "gpt-4o-mini", True),
        (("gpt-4o",), "gpt-4o-mini", False),
        (("GPT-*",), "gpt-4o", False),
        (("gpt-[45]*",), "gpt-5", True),
        ((), "gpt-4o", False),
    ],
)
def test_models_are_allowed_by_glob_and_case(globs, model, allowed):
    assert allowed is model_allowed(globs, model)


def test_a_plan_rolls_and_allows_no_overdraft_unless_told():
    plan = Plan(name="light")

    assert plan.enforcement is Enforcement.ROLLING
    assert plan.overdraft_ucr == 0
    assert model_allowed(plan.models, "anything")
