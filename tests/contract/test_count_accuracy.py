"""How far our own count is from what providers reported for the same answer, recorded.

`docs/counting.md` promises it and shows the table; both are held to the measurement here.
"""

from pathlib import Path

import pytest
from support.counts import CALLS, PLAIN, TEXT, measured, recorded, table
from support.transcripts import Transcript

PAGE = Path(__file__).parents[2] / "docs" / "counting.md"
RECORDED = recorded()
KINDS = {*TEXT, *CALLS, *PLAIN, "JSON under a schema"}


def of_kind(*kinds: str) -> list[Transcript]:
    return [each for each in RECORDED if each.kind in kinds]


@pytest.mark.parametrize("transcript", RECORDED, ids=str)
def test_a_recording_says_where_it_is_published_and_what_it_is_a_case_of(transcript) -> None:
    repository, path, *_ = transcript.recorded.split(" ")

    assert 1 == repository.count("/")
    assert "/" in path
    assert transcript.kind in KINDS


@pytest.mark.parametrize("transcript", of_kind(*TEXT), ids=str)
async def test_text_of_a_public_vocabulary_is_counted_to_a_token_and_a_percent(transcript) -> None:
    case = await measured(transcript)
    if case.vendor == "OpenAI" and not unseen_thinking(transcript):
        assert abs(case.output.off) <= 1 + case.output.reported // 100


@pytest.mark.parametrize("transcript", of_kind(*PLAIN), ids=str)
async def test_prompts_of_a_public_vocabulary_are_counted_as_well(transcript) -> None:
    case = await measured(transcript)
    if case.vendor == "OpenAI":
        assert abs(case.input.off) <= 1 + case.input.reported // 100


def unseen_thinking(transcript: Transcript) -> bool:
    """The o models report short thinking as none: what is left of it cannot be told apart."""
    return transcript.call.model.startswith("o")


@pytest.mark.parametrize("transcript", of_kind(*CALLS), ids=str)
async def test_tool_calls_are_never_counted_below_the_truth(transcript) -> None:
    case = await measured(transcript)

    assert case.output.off >= 0


async def test_the_page_shows_what_was_measured() -> None:
    expected = table([await measured(transcript) for transcript in RECORDED])

    assert expected in PAGE.read_text(), f"docs/counting.md needs this table:\n\n{expected}"
