"""The counter chooses the vocabulary, keeps the event loop turning and remembers digests only."""

import asyncio
import time

import pytest

from gateway.errors import ConfigError
from gateway.tokens import counter as counter_module
from gateway.tokens.base import INLINE_CHARS_MAX, EncodingRule
from gateway.tokens.counter import CountMemory, TiktokenCounter, jobs
from gateway.tokens.vocabulary import PIECE_CHARS_MAX, vocabulary

SENTENCE = "The quick brown fox jumps over 13 lazy dogs; it isn't amused. "
RULES = (
    EncodingRule(match="gpt-4o*", encoding="o200k_base"),
    EncodingRule(match="gpt-4*", encoding="cl100k_base"),
    EncodingRule(match="claude-*", encoding="o200k_base", percent=125),
)
# These two vocabularies differ on it, so it shows which was used.
TELLING = "naïveté 你好世界 — résumé"


@pytest.fixture
def counter():
    made = TiktokenCounter(RULES)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("anything-else", "o200k_base"),
        ("x" * 500, "o200k_base"),
    ],
)
async def test_the_first_matching_rule_names_the_vocabulary(counter, model, encoding):
    assert vocabulary("o200k_base").count(TELLING) != vocabulary("cl100k_base").count(TELLING)
    assert vocabulary(encoding).count(TELLING) == await counter.count(model, [TELLING])


async def test_a_vendor_without_a_public_vocabulary_is_scaled_up(counter):
    tokens = vocabulary("o200k_base").count(SENTENCE)

    assert -(-tokens * 125 // 100) == await counter.count("claude-opus-5", [SENTENCE])


async def test_scaling_rounds_once_for_all_texts(counter):
    assert await counter.count("claude-opus-5", ["a", "b"]) == 3


def test_a_rule_with_an_encoding_we_do_not_carry_is_refused():
    with pytest.raises(ConfigError, match=r"cl100k_base, o200k_base.*'p50k_base'"):
        TiktokenCounter([EncodingRule(match="*", encoding="p50k_base")])


async def test_texts_are_counted_each_on_its_own(counter):
    apart = await counter.count("gpt-4o", ["hello", "world"])

    assert apart == 2
    assert vocabulary("o200k_base").count("helloworld") == apart


async def test_nothing_counts_nothing(counter):
    assert await counter.count("gpt-4o", []) == 0
    assert await counter.count("gpt-4o", [""]) == 0


@pytest.mark.parametrize("chars", [INLINE_CHARS_MAX, INLINE_CHARS_MAX + 1, 2 * PIECE_CHARS_MAX + 7])
async def test_large_and_small_texts_count_alike(counter, chars):
    text = (SENTENCE * (chars // len(SENTENCE) + 1))[:chars]

    assert vocabulary("o200k_base").count(text) == await counter.count("gpt-4o", [text])


async def test_many_texts_that_are_large_together_count_alike(counter):
    texts = [f"{number}: {SENTENCE}" for number in range(4_000)]

    expected = sum(map(vocabulary("o200k_base").count, texts))

    assert expected == await counter.count("gpt-4o", texts)


@pytest.mark.parametrize("unit", ["a", " ", "\U0001f468\u200d"])
async def test_a_hostile_megabyte_leaves_the_event_loop_turning(counter, unit):
    """How: a ticker notes the longest time between two of its turns while the count runs.

    On an idle machine that is 1 to 12 ms of some 300; counted on the loop it would be all of it.
    """
    text = unit * (1_000_000 // len(unit))
    gaps = []

    async def tick():
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            gaps.append(time.perf_counter() - last)
            last += gaps[-1]

    ticking = asyncio.ensure_future(tick())
    tokens = await counter.count("gpt-4o", [text])
    ticking.cancel()

    assert 0 < tokens <= len(text.encode())
    assert max(gaps) < sum(gaps) / 2


async def test_a_caller_who_leaves_stops_the_work(counter, monkeypatch):
    """How: five pieces, the caller leaves during the first; the others are never begun."""
    begun = []
    loop = asyncio.get_running_loop()
    first = asyncio.Event()

    def note(_vocabulary, texts):
        begun.append(len(texts))
        loop.call_soon_threadsafe(first.set)
        return [1] * len(texts)

    monkeypatch.setattr(counter_module, "_count_all", note)
    counting = asyncio.ensure_future(counter.count("gpt-4o", ["a" * 5 * PIECE_CHARS_MAX]))
    await first.wait()
    counting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await counting
    counter._pool.shutdown(wait=True)

    assert len(begun) < 5


async def test_a_text_seen_before_is_not_encoded_again(counter, monkeypatch):
    prompt = SENTENCE * 20
    first = await counter.count("gpt-4o", [prompt])
    monkeypatch.setattr(counter._choose("gpt-4o").vocabulary, "_encode", None)

    assert first == await counter.count("gpt-4o", [prompt])


async def test_a_count_is_remembered_for_its_own_vocabulary_only(counter):
    prompt = TELLING * 40

    assert await counter.count("gpt-4o", [prompt]) != await counter.count("gpt-4", [prompt])


async def test_no_text_is_kept_in_memory(counter):
    await counter.count("gpt-4o", [SENTENCE * 20])

    (key,) = counter._remembered._counts
    assert len(key) == 32


def test_the_least_recently_used_count_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(counter_module, "REMEMBERED_MAX", 2)
    memory = CountMemory()
    texts = [letter * 300 for letter in "abc"]
    for text in texts[:2]:
        _, unknown = memory.split("o200k_base", [text])
        memory.add([(unknown[0][1], 7)])
    memory.split("o200k_base", [texts[0]])
    _, unknown = memory.split("o200k_base", [texts[2]])
    memory.add([(unknown[0][1], 7)])

    known, forgotten = memory.split("o200k_base", texts)

    assert known == 14
    assert [texts[1]] == [text for text, _ in forgotten]


def test_remembered_model_names_are_bounded(counter, monkeypatch):
    monkeypatch.setattr(counter_module, "MODELS_MAX", 10)
    for number in range(25):
        counter._choose(f"model-{number}")
    counter._choose("m" * 10_000)

    assert len(counter._by_model) <= 10
    assert all(len(model) < 200 for model in counter._by_model)


async def test_a_stream_counts_as_its_text_does(counter):
    running = counter.open("claude-opus-5")
    for character in SENTENCE * 10:
        running.feed(character)

    assert await counter.count("claude-opus-5", [SENTENCE * 10]) == running.total()


def test_jobs_hold_every_part_of_every_text_once():
    texts = ["a" * (PIECE_CHARS_MAX + 5), "", "b" * 10, "c" * PIECE_CHARS_MAX]

    rebuilt = [""] * len(texts)
    sizes = []
    for job in jobs(texts):
        sizes.append(sum(len(part) for _, part in job))
        for index, part in job:
            rebuilt[index] += part

    assert texts == rebuilt
    assert max(sizes) <= PIECE_CHARS_MAX
