"""A usage of text is read at a glance, and as it is read with care."""

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.dialects import openai_usage
from gateway.dialects.openai_usage import KNOWN, TOKENS_MAX, UnbelievableError
from gateway.dialects.unmapped import unmapped

NUMBERS = (
    st.integers(-2, 12)
    | st.sampled_from([TOKENS_MAX, TOKENS_MAX + 1, 2**70])
    | st.none()
    | st.booleans()
    | st.floats(0, 9)
)
HEARD, SAID = KNOWN["prompt_tokens_details"] or {}, KNOWN["completion_tokens_details"] or {}


def details(names):
    named = st.dictionaries(st.sampled_from([*names, "other"]), NUMBERS, max_size=4)
    # Often all the others are none, as the quick reader wants it.
    usual = st.dictionaries(st.sampled_from(list(names)), st.integers(0, 9), max_size=1)
    return usual | named | st.none() | st.sampled_from([{}, [], 0, "", False, {"x": {"y": 1}}])


@st.composite
def usages(draw):
    prompt, completion = draw(st.integers(0, 9) | NUMBERS), draw(st.integers(0, 9) | NUMBERS)
    whole = isinstance(prompt, int) and isinstance(completion, int)
    total = st.just(prompt + completion) if whole else NUMBERS
    usage = draw(
        st.fixed_dictionaries(
            {"prompt_tokens": st.just(prompt), "completion_tokens": st.just(completion)},
            optional={
                "total_tokens": total | NUMBERS,
                "prompt_tokens_details": details(HEARD),
                "completion_tokens_details": details(SAID),
            },
        )
    )
    more = draw(st.dictionaries(st.sampled_from([*KNOWN, "cost"]), NUMBERS, max_size=1))
    return usage | draw(st.sampled_from([{}, more]))


def with_care(usage):
    try:
        return openai_usage._read(usage, tier="flex", pieces=(("web_search", 1),))
    except UnbelievableError:
        return None


@given(usages())
@example({"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18})
@example({"prompt_tokens": 9, "completion_tokens": 3, "completion_tokens_details": 0})
@example({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 14})
def test_what_is_read_at_a_glance_is_what_care_reads(usage):
    read = openai_usage._in_words(usage, tier="flex", pieces=(("web_search", 1),))
    if read is not None:
        assert read == with_care(usage)
        assert unmapped(usage, KNOWN) == {}


def test_a_usual_usage_is_read_at_a_glance():
    usual = {
        "prompt_tokens": 190,
        "completion_tokens": 120,
        "total_tokens": 310,
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 0},
    }
    assert openai_usage._in_words(usual, tier="", pieces=()) is not None
