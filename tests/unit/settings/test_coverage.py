"""What has no price, and what is served without a charge, is told before anybody finds out."""

import pytest
from support.settings_env import ENVIRON
from support.transcripts import transcripts

from gateway.dialects import DIALECTS
from gateway.dialects.endpoints import ENDPOINTS
from gateway.dialects.piece_kinds import PIECE_KINDS
from gateway.metering.pieces import PIECES, piece_kind
from gateway.settings import load
from gateway.settings.coverage import (
    Unmetered,
    free_endpoints,
    served,
    shown,
    unmetered,
    unpriced_models,
    unpriced_pieces,
)

MAIN = """\
providers:
  openai: {base_url: "https://api.openai.com", auth: none}
  claude: {base_url: "https://api.anthropic.com", auth: none, apis: [anthropic]}
models:
  - {match: fast, provider: openai, upstream_model: gpt-4.1}
  - {match: "gpt-*", provider: openai}
  - {match: "*", provider: claude}
plans: {p: {}}
prices: [prices.yaml]
"""
CARD = """\
version: v1
effective_from: 2026-11-26
source: x
checked: 2026-11-26
vendor: v
"""
PAID = "{input: 1, output: 2}"
FREE = "{input: 0, output: 0}"


@pytest.fixture
def settings_of(tmp_path):
    def write(models, *, main=MAIN, more="", card=""):
        lines = "".join(f"  {name}: {line}\n" for name, line in models.items())
        (tmp_path / "prices.yaml").write_text(f"{CARD}{card}models:\n{lines}")
        (tmp_path / "gateway.yaml").write_text(main + more)
        return load(tmp_path / "gateway.yaml", ENVIRON)

    return write


def test_a_name_is_served_by_the_first_route_of_each_api(settings_of):
    lines = {"gpt-4.1": PAID, "claude-x": PAID, "other": PAID}

    found = {route.match: names for route, names in served(settings_of(lines)).items()}

    assert {"fast": [], "gpt-*": ["gpt-4.1"], "*": ["claude-x", "gpt-4.1", "other"]} == found


def test_known_names_without_a_price_are_told_by_the_glob_that_serves_them(settings_of):
    settings = settings_of({"gpt-4.1": PAID, "claude-x": PAID})

    assert {"gpt-*": ["gpt-9"], "*": ["claude-y", "gpt-9"]} == unpriced_models(
        settings, {"gpt-9", "gpt-4.1", "claude-y"}
    )
    assert {} == unpriced_models(
        settings_of({"gpt-4.1": PAID}, more=f"default_price: {PAID}\n"), {"gpt-9"}
    )


def test_pieces_that_nothing_prices_are_told_by_provider(settings_of):
    bare = unpriced_pieces(settings_of({"gpt-4.1": PAID, "claude-x": PAID}))
    priced = settings_of(
        {
            "gpt-4.1": PAID,
            "claude-x": "{input: 1, output: 2, pieces: {web_search: 1}}",
            "container": "{pieces: {container.1g: 1}}",
            "file_search": "{pieces: {file_search: 0}}",
        }
    )

    assert {"container", "file_search"} <= set(bare["openai"])
    assert ["web_search"] == bare["claude"]
    assert "claude" not in unpriced_pieces(priced)
    assert not {"container", "file_search"} & set(unpriced_pieces(priced).get("openai", ()))


def test_a_route_of_models_priced_at_nothing_is_unmetered(settings_of):
    lines = {"gpt-4.1": PAID, "gpt-free": FREE, "local": FREE, "pictures": "{pieces: {image: 1}}"}

    assert [
        Unmetered("gpt-*", "priced at nothing: gpt-free"),
        Unmetered("*", "priced at nothing: gpt-free, local"),
    ] == unmetered(settings_of(lines, card="pieces: {web_search: 1}\n"))


def test_a_default_price_of_nothing_is_told_for_every_glob(settings_of):
    settings = settings_of({"gpt-4.1": PAID}, more=f"default_price: {FREE}\n")

    assert ["gpt-*", "*"] == [each.route for each in unmetered(settings)]
    assert {"priced at nothing: any other name"} == {each.reason for each in unmetered(settings)}


def test_forwarding_unknown_paths_free_is_unmetered_and_for_a_fee_is_not(settings_of):
    one = MAIN.replace("  claude: {", "  # ").replace(
        '"*", provider: claude', '"x-*", provider: openai'
    )
    flat = 'unknown_endpoints: forward_flat\nunknown_endpoint_usd: "0.01"\n'

    def reasons(more):
        settings = settings_of({"gpt-4.1": PAID}, main=one, more=more)
        return [each.reason for each in unmetered(settings)]

    assert ["unknown_endpoints is forward_free"] == reasons("unknown_endpoints: forward_free\n")
    assert [] == reasons(flat)
    assert [] == reasons("")


def test_observing_is_metering(settings_of):
    main = MAIN.replace("plans: {p: {}}", "plans: {p: {enforcement: observe}}")

    assert [] == unmetered(settings_of({"gpt-4.1": PAID, "claude-x": PAID}, main=main))


def test_free_endpoints_are_counted_for_the_apis_that_are_served(settings_of):
    both = free_endpoints(settings_of({"gpt-4.1": PAID}))
    one = MAIN.replace("apis: [anthropic]", "apis: [openai]").replace('"*"', '"x-*"')

    assert 0 < free_endpoints(settings_of({"gpt-4.1": PAID}, main=one)) < both


def test_long_lists_are_cut():
    assert "a, b" == shown(["a", "b"])
    assert "a, b, c, d, e and 2 more" == shown(list("abcdefg"))


def test_the_pieces_of_each_format_are_known_pieces_of_a_known_format():
    assert {kind for kinds in PIECE_KINDS.values() for kind in kinds} <= set(PIECES)
    assert set(PIECE_KINDS) <= {row.dialect for row in ENDPOINTS}


# A card that prices a model's tokens needs no price for these.
SOLD_BY_TOKEN_AS_WELL = {"audio_second", "character", "search_unit"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_a_formats_calls_may_use_by_the_piece_is_in_its_list(dialect):
    asked = {
        piece_kind(name) for each in transcripts(dialect) for name, _ in each.call.terms.pieces
    }

    assert asked - SOLD_BY_TOKEN_AS_WELL <= set(PIECE_KINDS.get(dialect, ()))
