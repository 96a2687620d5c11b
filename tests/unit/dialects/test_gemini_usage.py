import pytest
from google.genai import types

from gateway.dialects import gemini_usage
from gateway.dialects.gemini_usage import KNOWN, TOKENS_MAX, service_tier, write_usage
from gateway.metering.usage import Usage


def read_usage(value, **more):
    read = gemini_usage.read_usage(value, **more)
    return None if read is None else read.usage


def modalities(**tokens):
    return [{"modality": kind, "tokenCount": count} for kind, count in tokens.items()]


def reported(prompt=100, candidates=50, **more):
    return {"promptTokenCount": prompt, "candidatesTokenCount": candidates} | more


def test_classes_are_disjoint_and_add_up_to_the_totals():
    usage = read_usage(
        reported(
            promptTokensDetails=modalities(TEXT=50, AUDIO=20, IMAGE=16, VIDEO=8, DOCUMENT=6),
            cachedContentTokenCount=40,
            cacheTokensDetails=modalities(TEXT=20, AUDIO=10, IMAGE=4, VIDEO=6),
            toolUsePromptTokenCount=7,
            thoughtsTokenCount=30,
            candidatesTokensDetails=modalities(TEXT=10, AUDIO=15, IMAGE=25),
        )
    )

    assert usage == Usage(
        input_uncached=30 + 7,
        input_cache_read=30,
        input_audio=20,
        input_image=20,
        output_text=10,
        output_reasoning=30,
        output_audio=15,
        output_image=25,
    )
    assert (107, 80) == (usage.input_tokens, usage.output_tokens)


def test_overlapping_parts_never_change_the_totals():
    usage = read_usage(
        reported(
            promptTokensDetails=modalities(AUDIO=80, IMAGE=90),
            cachedContentTokenCount=90,
            candidatesTokensDetails=modalities(AUDIO=40, IMAGE=30),
        )
    )

    assert {
        "input_audio": 80,
        "input_cache_read": 20,
        "output_audio": 40,
        "output_image": 10,
    } == usage.nonzero()


def test_cached_sound_stays_in_the_dearer_class():
    usage = read_usage(
        reported(
            promptTokensDetails=modalities(AUDIO=90, TEXT=10),
            cachedContentTokenCount=95,
            cacheTokensDetails=modalities(AUDIO=90, TEXT=5),
        )
    )

    assert (90, 5, 5) == (usage.input_audio, usage.input_cache_read, usage.input_uncached)


@pytest.mark.parametrize(
    ("more", "text", "total"),
    [
        ({"thoughtsTokenCount": 30, "totalTokenCount": 180}, 50, 80),
        ({"thoughtsTokenCount": 30, "totalTokenCount": 150}, 20, 50),
        ({"thoughtsTokenCount": 30, "totalTokenCount": 157, "toolUsePromptTokenCount": 7}, 20, 50),
        # More thoughts than candidates cannot be among them.
        ({"thoughtsTokenCount": 60, "totalTokenCount": 150}, 50, 110),
        ({"thoughtsTokenCount": 30}, 50, 80),
    ],
)
def test_thoughts_are_beside_the_candidates_unless_the_total_says_otherwise(more, text, total):
    usage = read_usage(reported(**more))

    assert (text, total) == (usage.output_text, usage.output_tokens)


def test_a_missing_count_is_zero_but_without_the_prompts_nothing_is_told():
    assert Usage(input_uncached=5) == read_usage({"promptTokenCount": 5})
    assert Usage() == read_usage({"promptTokenCount": 0})
    assert None is read_usage({"candidatesTokenCount": 5})
    assert None is read_usage({"promptTokenCount": None})
    assert None is read_usage({"trafficType": "ON_DEMAND"})
    assert None is read_usage({})
    assert None is read_usage([])


def test_embeddings_and_live_sessions_call_their_candidates_responses():
    usage = read_usage(
        {
            "promptTokenCount": 3,
            "responseTokenCount": 9,
            "responseTokensDetails": modalities(AUDIO=8),
        }
    )

    assert Usage(input_uncached=3, output_text=1, output_audio=8) == usage


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": -1},
        {"prompt": "100"},
        {"prompt": True},
        {"prompt": 1.5},
        {"prompt": TOKENS_MAX + 1},
        {"candidates": -1},
        {"thoughtsTokenCount": -3},
        {"cachedContentTokenCount": 101},
        {"toolUsePromptTokenCount": "7"},
        {"promptTokensDetails": modalities(AUDIO=101)},
        {"promptTokensDetails": modalities(AUDIO=60) + modalities(AUDIO=60)},
        {"promptTokensDetails": {"AUDIO": 3}},
        {"cacheTokensDetails": modalities(TEXT=1)},
        {"candidatesTokensDetails": modalities(IMAGE=51)},
        {"candidatesTokensDetails": modalities(IMAGE=-1)},
    ],
)
def test_an_impossible_number_makes_all_of_it_unbelievable(fields):
    assert None is read_usage(reported(**fields))


def test_details_of_unknown_kinds_are_passed_over():
    details = [{"modality": "SMELL", "tokenCount": 5}, {"modality": 7}, 3, {"tokenCount": 9}]

    assert Usage(input_uncached=100, output_text=50) == read_usage(
        reported(promptTokensDetails=details)
    )


@pytest.mark.parametrize(
    ("named", "asked", "tier"),
    [
        ({}, "", ""),
        ({}, "flex", "flex"),
        ({"serviceTier": "standard"}, "priority", ""),
        ({"serviceTier": "priority"}, "", "priority"),
        ({"serviceTier": "SERVICE_TIER_FLEX"}, "", "flex"),
        ({"trafficType": "ON_DEMAND"}, "priority", ""),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "", "priority"),
        ({"trafficType": "ON_DEMAND_FLEX"}, "", "flex"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "", ""),
        ({"serviceTier": 7}, "flex", ""),
    ],
)
def test_the_tier_is_the_one_it_was_served_in(named, asked, tier):
    assert tier == read_usage(reported(**named), asked_tier=asked).service_tier


def test_every_tier_of_the_sdk_is_ordinary_or_has_a_name():
    named = {service_tier(tier.value) for tier in (*types.ServiceTier, *types.TrafficType)}

    assert {"", "priority", "flex"} == named


@pytest.mark.parametrize("model", [types.GenerateContentResponseUsageMetadata, types.UsageMetadata])
def test_every_count_of_the_sdk_is_in_the_table(model):
    names = {field.alias for field in model.model_fields.values()}

    assert set() == names - set(KNOWN)


def test_every_modality_of_the_sdk_has_a_class():
    spelled = {kind.value for kind in types.MediaModality} - {"MODALITY_UNSPECIFIED"}

    assert {"TEXT", "AUDIO", *gemini_usage.SEEN} == spelled


def test_what_we_write_is_what_we_read():
    usage = Usage(input_uncached=90, input_cache_read=10, output_text=40, output_reasoning=5)
    written = write_usage(usage)

    assert usage == read_usage(written)
    assert 145 == written["totalTokenCount"]
    sdk = types.GenerateContentResponseUsageMetadata.model_validate(written)
    assert (100, 40, 5) == (
        sdk.prompt_token_count,
        sdk.candidates_token_count,
        sdk.thoughts_token_count,
    )
    assert {} == write_usage(Usage())
