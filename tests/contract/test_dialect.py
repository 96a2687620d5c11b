"""What every dialect owes, whatever its format: checked on all transcripts of all dialects."""

import random

import pytest
from support.chunking import cuts
from support.reading import jobs_told, told
from support.transcripts import ROOT, Transcript, transcripts

from gateway.dialects import APIS, DIALECTS, JOBS, apis
from gateway.dialects.jobs import StatusReader
from gateway.errors import QuotaExceeded

TRANSCRIPTS = [each for name in DIALECTS for each in transcripts(name)]
OF_JOBS = [each for each in TRANSCRIPTS if each.jobs is not None]
FILTERED = [each for each in TRANSCRIPTS if each.hidden]
# Beyond this an answer is cut at evenly spread places, not at every one.
CUTS_MAX = 1_500


def expected_of(transcript: Transcript) -> dict[str, object]:
    return {
        "usage": transcript.usage,
        "service_tier": transcript.service_tier,
        "unmapped": transcript.unmapped,
        "texts": transcript.texts,
        "extra": transcript.extra,
    }


def test_every_row_of_the_table_has_its_name_and_its_transcripts() -> None:
    assert list(DIALECTS) == [dialect.name for dialect in DIALECTS.values()]
    assert [] == [name for name in DIALECTS if not transcripts(name)]
    assert set() == {folder.name for folder in ROOT.iterdir()} - set(DIALECTS)


def test_every_api_refuses_an_empty_account_with_the_configured_status() -> None:
    for name, api in apis(quota_status=402).items():
        assert name == api.name
        assert 402 == api.render_error(QuotaExceeded("x", code="insufficient_quota")).status
    assert set(APIS) == set(apis(quota_status=None))


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=str)
def test_an_answer_tells_the_same_story_however_it_is_cut(transcript: Transcript) -> None:
    for pieces in cuts(transcript.answer, positions=CUTS_MAX):
        assert expected_of(transcript) == told(transcript.reader(), pieces)


@pytest.mark.parametrize("transcript", OF_JOBS, ids=str)
def test_what_is_told_of_jobs_is_the_same_however_it_is_cut(transcript: Transcript) -> None:
    for pieces in cuts(transcript.answer, positions=CUTS_MAX):
        reader = StatusReader(JOBS[transcript.dialect], content_type=transcript.content_type)
        assert transcript.jobs == jobs_told(reader, pieces)


def test_every_format_of_jobs_has_transcripts_of_them() -> None:
    assert set(JOBS) == {each.dialect for each in OF_JOBS}


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=str)
def test_digesting_on_the_way_changes_nothing_of_the_story(transcript: Transcript) -> None:
    """Byte by byte with a digest after each, and at random cuts with digests at random points."""
    expected, answer = expected_of(transcript), transcript.answer
    if len(answer) < CUTS_MAX * 4:
        every_byte = [answer[at : at + 1] for at in range(len(answer))]
        always = frozenset(range(len(every_byte)))
        assert expected == told(transcript.reader(), every_byte, digest_at=always)
    dice = random.Random(transcript.name)
    for _ in range(50):
        marks = sorted(dice.choices(range(len(answer) + 1), k=6))
        pieces = [answer[a:b] for a, b in zip([0, *marks], [*marks, len(answer)], strict=True)]
        digest_at = frozenset(n for n in range(len(pieces)) if dice.random() < 0.5)
        assert expected == told(transcript.reader(), pieces, digest_at=digest_at)


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=str)
def test_pending_bytes_bound_what_was_not_digested(transcript: Transcript) -> None:
    reader = transcript.reader()
    reader.feed(transcript.answer)
    assert len(transcript.answer) == reader.pending_bytes
    reader.digest()
    assert 0 <= reader.pending_bytes <= len(transcript.answer)
    reader.close()
    reader.digest()

    assert 0 == reader.pending_bytes


@pytest.mark.parametrize("transcript", FILTERED, ids=str)
def test_all_but_the_usage_event_passes_byte_for_byte_at_every_cut(transcript: Transcript) -> None:
    for pieces in cuts(transcript.answer, positions=CUTS_MAX):
        usage_filter = DIALECTS[transcript.dialect].usage_filter()
        passed = b"".join(map(usage_filter.feed, pieces)) + usage_filter.close()
        assert transcript.visible == passed
