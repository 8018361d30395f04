"""Which model a name means, and what is said where it means none."""

import string
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.canonical.card import Modality, ModelCard
from poe_proxy.canonical.errors import UnknownModel
from poe_proxy.canonical.listing import AllowUnlisted, Entry, Listing
from poe_proxy.files.cache import load_catalogue
from poe_proxy.files.models_file import load_models
from poe_proxy.poe.catalogue import read_catalogue
from poe_proxy.policy.registry import Registry

ROOT = Path(__file__).parents[2]
CATALOGUE = {
    card.name: card
    for card in (
        ModelCard("gpt-5", "gpt-5", in_catalogue=True, owner="OpenAI", context=1000, features=("tools",)),
        ModelCard("gpt-5-mini", "gpt-5-mini", in_catalogue=True, context=1000),
        ModelCard("sora-2", "sora-2", Modality.VIDEO, in_catalogue=True),
    )
}
FIVE = Entry("Five", "GPT-5", aliases=("big", "openai/gpt-4"), base=3, per_1k_tokens=0.5, line=7)


def claude(name: str, created: int = 0) -> ModelCard:
    return ModelCard(name, name, in_catalogue=True, owner="Anthropic", created=created)


def registry(*entries: Entry, allow: AllowUnlisted = False, text_max_tokens: int | None = None) -> Registry:
    return Registry(Listing(entries, allow, text_max_tokens), CATALOGUE)


def refusal(known: Registry, name: str) -> str:
    with pytest.raises(UnknownModel) as caught:
        known.resolve(name)
    assert caught.value.param == "model"
    return caught.value.message


class TestSpellings:
    @pytest.mark.parametrize(
        "name",
        ["Five", "five", "FIVE", " five ", "poe/five", "Poe/Five", "openai/five", "poe/openai/five", "big", "poe/BIG"],
    )
    def test_names_and_aliases_with_or_without_prefixes(self, name: str) -> None:
        assert registry(FIVE).resolve(name).poe_name == "GPT-5"

    def test_poes_own_name_means_the_entry_too(self) -> None:
        assert registry(FIVE).resolve("gpt-5").name == "Five"

    def test_an_alias_with_a_slash_is_taken_as_it_is_before_anything_is_stripped(self) -> None:
        known = registry(FIVE, Entry("gpt-4", "gpt-5-mini"))
        assert known.resolve("openai/gpt-4").name == "Five"
        assert known.resolve("other/gpt-4").name == "gpt-4"

    def test_a_listed_name_hides_the_catalogues(self) -> None:
        assert registry(Entry("gpt-5", "gpt-5-mini"), allow=True).resolve("gpt-5").poe_name == "gpt-5-mini"

    def test_of_two_entries_for_one_model_each_keeps_its_name_and_the_first_has_poes(self) -> None:
        known = registry(Entry("a", "gpt-5", max_tokens=1), Entry("b", "gpt-5", max_tokens=2))
        assert [known.resolve(name).context for name in ("a", "b", "gpt-5")] == [1, 2, 1]

    @given(st.sampled_from(sorted(CATALOGUE)), st.integers(0), st.sampled_from(["", "poe/", "OpenAI/", "POE/xai/"]))
    def test_any_case_and_prefix(self, name: str, capitals: int, prefix: str) -> None:
        written = "".join(c.upper() if capitals >> i & 1 else c for i, c in enumerate(name))
        assert registry(allow=True).resolve(prefix + written).poe_name == name


class TestUnlistedModels:
    def test_stay_outside_by_default(self) -> None:
        assert "Poe has it: add it to models.yaml" in refusal(registry(FIVE), "openai/GPT-5-mini")

    @pytest.mark.parametrize("allow", [True, "any"])
    def test_of_the_catalogue_are_let_through_with_its_facts(self, allow: AllowUnlisted) -> None:
        assert registry(allow=allow).resolve("OpenAI/GPT-5") == CATALOGUE["gpt-5"]

    def test_beyond_the_catalogue_are_not(self) -> None:
        assert "no model 'private-bot'" in refusal(registry(FIVE, allow=True), "private-bot")

    def test_with_any_they_are_sent_as_written_without_prefix(self) -> None:
        assert registry(allow="any").resolve("poe/me/Private-Bot") == ModelCard("Private-Bot", "Private-Bot")

    @pytest.mark.parametrize("name", ["", " ", "poe/", "/"])
    def test_with_any_a_name_is_still_a_name(self, name: str) -> None:
        assert refusal(registry(allow="any"), name)

    def test_with_any_only_what_is_known_can_be_looked_at(self) -> None:
        known = registry(FIVE, allow="any")
        assert known.get("GPT-5-mini").in_catalogue
        with pytest.raises(UnknownModel):
            known.get("private-bot")


class TestRefusals:
    def test_the_closest_names_are_told_as_they_are_shown(self) -> None:
        assert "Closest: Five" in refusal(registry(FIVE), "fives")

    def test_the_closest_names_can_be_asked_for(self) -> None:
        assert registry(Entry("gpt-5", "gpt-5")).closest("gpt-5-mini") == ("gpt-5",)

    def test_nothing_close(self) -> None:
        assert "Closest" not in refusal(registry(FIVE), "zzzz")

    @pytest.mark.parametrize("name", ["gpt-" * 2_500, "x" * 10_000, "/" * 10_000, "a/" * 5_000, "\ud800" * 10_000])
    def test_an_endless_name_neither_stalls_nor_floods_the_answer(self, name: str, real: dict[str, ModelCard]) -> None:
        known = Registry(Listing(allow_unlisted=True), real)
        began = perf_counter()
        assert len(refusal(known, name)) < 1000
        assert perf_counter() - began < 0.5  # hundreds of times what it takes, and far from what difflib would

    @given(st.text(st.characters() | st.sampled_from(string.ascii_letters + "/-. "), max_size=40))
    def test_any_text_is_resolved_or_refused(self, name: str) -> None:
        with suppress(UnknownModel):
            assert registry(FIVE, allow=True).resolve(name)


class TestMergedFacts:
    def test_the_operators_word_on_name_group_and_points_and_poes_on_the_rest(self) -> None:
        (card,) = registry(FIVE).listed()
        assert (card.name, card.poe_name, card.base, card.per_1k_tokens) == ("Five", "GPT-5", 3, 0.5)
        assert (card.in_catalogue, card.owner, card.features, card.context) == (True, "OpenAI", ("tools",), 1000)
        assert card.aliases == FIVE.aliases

    def test_an_entry_that_poe_lacks_is_listed_all_the_same(self) -> None:
        (card,) = registry(Entry("new", "New-Bot", Modality.IMAGE)).listed()
        assert card == ModelCard("new", "New-Bot", Modality.IMAGE)

    @pytest.mark.parametrize(
        ("max_tokens", "context_limit", "default", "context"),
        [
            (None, None, None, 1000),
            (500, None, None, 500),
            (500, 400, None, 400),
            (500, 400, 300, 300),
            (None, None, 2000, 1000),
            (5000, 5000, 5000, 1000),
        ],
    )
    def test_the_smallest_limit_holds(
        self, max_tokens: int | None, context_limit: int | None, default: int | None, context: int
    ) -> None:
        entry = Entry("x", "gpt-5", max_tokens=max_tokens, context_limit=context_limit)
        assert registry(entry, text_max_tokens=default).resolve("x").context == context

    def test_the_footer_of_an_entry_goes_before_that_of_all(self) -> None:
        entries = (Entry("x", "gpt-5", footer="never"), Entry("y", "gpt-5-mini"))
        known = Registry(Listing(entries, allow_unlisted=True, footer="always"), CATALOGUE)
        assert [known.resolve(name).footer for name in ("x", "y", "sora-2")] == ["never", "always", "always"]

    def test_what_can_be_asked_for_is_each_model_once_the_listed_first(self) -> None:
        assert [card.name for card in registry(FIVE, allow=True).askable()] == ["Five", "gpt-5-mini", "sora-2"]
        assert [card.name for card in registry(FIVE).askable()] == ["Five"]

    def test_the_default_limit_is_for_text_alone_listed_or_not(self) -> None:
        known = registry(allow=True, text_max_tokens=7)
        assert (known.resolve("gpt-5").context, known.resolve("sora-2").context) == (7, None)


class TestDisagreements:
    def test_none(self) -> None:
        assert registry(FIVE, Entry("s", "sora-2", Modality.VIDEO, max_tokens=9)).disagreements() == ()

    def test_an_entry_that_poe_lacks(self) -> None:
        (said,) = registry(FIVE, Entry("gpt-6", "gpt-6", line=9)).disagreements()
        assert said.startswith("models.yaml line 9, entry gpt-6: Poe's catalogue has no gpt-6 (closest: gpt-5")

    def test_limits_above_poes(self) -> None:
        said = registry(Entry("x", "gpt-5", max_tokens=1001, context_limit=2000, line=4)).disagreements()
        assert said == (
            "models.yaml line 4, entry x: max_tokens 1001 is above Poe's 1000; lower it or leave it out",
            "models.yaml line 4, entry x: context_limit 2000 is above Poe's 1000; lower it or leave it out",
        )


@pytest.fixture(scope="module")
def real() -> dict[str, ModelCard]:
    return read_catalogue(load_catalogue(Path("no such folder")).body)


@pytest.fixture(scope="module")
def shipped(real: dict[str, ModelCard]) -> Registry:
    return Registry(load_models(ROOT / "models.yaml"), real)


@pytest.fixture(scope="module")
def open_to_all(real: dict[str, ModelCard]) -> Registry:
    """Poe's own catalogue, and not a word in models.yaml."""
    return Registry(Listing(allow_unlisted=True), real)


class TestAsAnthropicsClientsSpellIt:
    """In Poe's own catalogue, where the newest are opus 4.6, sonnet 4.6 and haiku 4.5."""

    @pytest.mark.parametrize(
        ("name", "at_poe"),
        [
            ("claude-sonnet-4-5-20250929", "claude-sonnet-4.5"),
            ("claude-sonnet-4-5", "claude-sonnet-4.5"),
            ("Claude-Sonnet-4-5-latest", "claude-sonnet-4.5"),
            ("claude-sonnet-4-20250514", "claude-sonnet-4"),
            ("claude-opus-4-0", "claude-opus-4"),
            ("claude-3-5-haiku-20241022", "claude-haiku-3.5"),
            ("claude-3-7-sonnet-latest", "claude-sonnet-3.7"),
            ("claude-3-haiku-20240307", "claude-haiku-3"),
            ("claude-sonnet-4-5@20250929", "claude-sonnet-4.5"),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4.5"),
            ("anthropic.claude-opus-4-1-20250805-v1:0", "claude-opus-4.1"),
            ("anthropic/claude-opus-4-1", "claude-opus-4.1"),
            ("poe/anthropic/claude-opus-4-1-20250805", "claude-opus-4.1"),
            ("claude-opus-4.6[1m]", "claude-opus-4.6"),
            ("claude-opus-4-6[1M]", "claude-opus-4.6"),
            ("claude-poe-gpt-5.4", "gpt-5.4"),
            ("claude-poe-GPT-5.4[1m]", "gpt-5.4"),
            ("gpt-5.4[1m]", "gpt-5.4"),
            ("claude-code", "claude-code"),
        ],
    )
    def test_a_version_that_is_named_is_kept_without_a_word(
        self, open_to_all: Registry, name: str, at_poe: str
    ) -> None:
        card = open_to_all.resolve(name)
        assert (card.poe_name, card.note) == (at_poe, "")

    @pytest.mark.parametrize(
        ("name", "note"),
        [
            ("opus", "model opus: claude-opus-4.6 answers"),
            ("opus[1m]", "model opus[1m]: claude-opus-4.6 answers"),
            ("sonnet", "model sonnet: claude-sonnet-4.6 answers"),
            ("Haiku", "model Haiku: claude-haiku-4.5 answers"),
            ("claude-haiku-latest", "model claude-haiku-latest: claude-haiku-4.5 answers"),
            ("fable", "model fable is not at Poe: claude-opus-4.6 answers"),
            ("claude-fable-5-2", "model claude-fable-5-2 is not at Poe: claude-opus-4.6 answers"),
            ("claude-opus-5-5", "model claude-opus-5-5 is not at Poe: claude-opus-4.6 answers"),
            ("anthropic/claude-haiku-9", "model claude-haiku-9 is not at Poe: claude-haiku-4.5 answers"),
            ("claude-3-5-sonnet-latest", "model claude-3-5-sonnet-latest is not at Poe: claude-sonnet-4.6 answers"),
            ("claude-sonnet-4-5-thinking", "model claude-sonnet-4-5-thinking is not at Poe: claude-sonnet-4.5 answers"),
        ],
    )
    def test_all_else_is_the_newest_of_its_kind_and_told(self, open_to_all: Registry, name: str, note: str) -> None:
        card = open_to_all.resolve(name)
        assert card.note == note
        assert card.note.endswith(f" {card.poe_name} answers")

    @pytest.mark.parametrize(
        "name", ["claude", "claude-code-2", "claude-instant-1.2", "claude-opus-big", "magnum-opus"]
    )
    def test_what_names_no_kind_of_claude_is_unknown(self, open_to_all: Registry, name: str) -> None:
        assert f"no model '{name}'" in refusal(open_to_all, name)

    def test_a_search_that_ends_like_a_date_or_a_release_is_left_alone(self) -> None:
        known = registry(Entry("deepseek", "gpt-5"), allow=True)
        assert refusal(known, "deepseek-v3")
        assert refusal(known, "deepseek-20250101")

    def test_the_operators_names_go_first(self, real: dict[str, ModelCard]) -> None:
        cheap = Entry("cheap", "gpt-5.4-mini", aliases=("haiku", "claude-haiku-4-5"))
        known = Registry(Listing((cheap,), allow_unlisted=True), real)
        for name in ("haiku", "haiku[1m]", "claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-haiku-latest"):
            assert (known.resolve(name).name, known.resolve(name).note) == ("cheap", "")
        assert known.resolve("claude-haiku-4.5").poe_name == "claude-haiku-4.5"

    def test_a_claude_that_only_the_operator_knows_is_the_newest(self, real: dict[str, ModelCard]) -> None:
        known = Registry(Listing((Entry("mine", "Claude-Opus-5.5"),), allow_unlisted=True), real)
        assert known.resolve("opus").name == "mine"
        assert known.resolve("claude-opus-5-5").note == ""

    def test_what_poe_has_but_the_operator_does_not_serve_is_not_replaced(self, real: dict[str, ModelCard]) -> None:
        known = Registry(Listing((Entry("claude-opus-4.6", "claude-opus-4.6"),)), real)
        assert "Poe has it: add it to models.yaml" in refusal(known, "claude-opus-4-5-20251101")
        assert known.resolve("claude-opus-5").poe_name == "claude-opus-4.6"
        assert refusal(known, "sonnet")

    def test_with_any_claudes_are_replaced_and_bots_left_to_poe(self, real: dict[str, ModelCard]) -> None:
        known = Registry(Listing(allow_unlisted="any"), real)
        assert known.resolve("claude-opus-5-5").poe_name == "claude-opus-4.6"
        assert known.resolve("Claude-Opus-4-Thinking").poe_name == "Claude-Opus-4-Thinking"
        assert known.resolve("claude-poe-Private-Bot[1m]").poe_name == "Private-Bot"


class TestTheNewest:
    def newest(self, *cards: ModelCard) -> str:
        return Registry(Listing(allow_unlisted=True), {card.name: card for card in cards}).resolve("opus").name

    def test_is_by_version_as_a_number(self) -> None:
        assert self.newest(claude("claude-opus-4.9", created=2), claude("claude-opus-4.10", created=1)) == (
            "claude-opus-4.10"
        )

    def test_then_by_age(self) -> None:
        assert self.newest(claude("claude-opus-5", created=1), claude("claude-5-opus", created=2)) == "claude-5-opus"

    def test_is_no_variant_unless_there_is_nothing_else(self) -> None:
        assert self.newest(claude("claude-opus-4"), claude("claude-opus-5-search")) == "claude-opus-4"
        assert self.newest(claude("claude-opus-5-search")) == "claude-opus-5-search"

    def test_is_anthropics_and_answers_in_text(self) -> None:
        bot = replace(claude("claude-opus-9"), owner="somebody")
        media = replace(claude("claude-opus-8"), modality=Modality.IMAGE)
        assert self.newest(claude("claude-opus-4"), bot, media) == "claude-opus-4"

    def test_a_fable_of_poes_own_goes_before_the_opus(self) -> None:
        known = Registry(
            Listing(allow_unlisted=True), {name: claude(name) for name in ("claude-opus-4", "claude-fable-5")}
        )
        assert known.resolve("fable").note == "model fable: claude-fable-5 answers"


class TestTheShippedFile:
    def test_it_agrees_with_the_catalogue_that_ships_beside_it(self, shipped: Registry) -> None:
        assert shipped.disagreements() == ()

    def test_each_model_stands_in_the_group_that_poe_gives_it(
        self, shipped: Registry, real: dict[str, ModelCard]
    ) -> None:
        assert [card.name for card in shipped.listed() if real[card.poe_name].modality is not card.modality] == []

    def test_it_is_about_sixty_models_and_lets_all_others_through(self, shipped: Registry) -> None:
        assert 55 <= len(shipped.listed()) <= 70
        assert shipped.resolve("openai/GPT-4o").in_catalogue

    def test_no_alias_hides_a_model_of_poes(self, shipped: Registry, real: dict[str, ModelCard]) -> None:
        assert [alias for card in shipped.listed() for alias in card.aliases if alias.lower() in real] == []
