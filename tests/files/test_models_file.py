"""What models.yaml may hold, and what is said of a file that holds something else."""

from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.canonical.card import Modality
from poe_proxy.canonical.listing import Entry, Listing
from poe_proxy.files.models_file import ModelsFileError, load_models, parse_models


def listing(text: str) -> Listing:
    return parse_models(dedent(text))


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(ModelsFileError) as caught:
        parse_models(dedent(text))
    return caught.value.faults


def only_fault(text: str) -> str:
    (fault,) = faults(text)
    return fault


def in_text(*lines: str) -> str:
    return "models:\n  text:\n" + "".join(f"    {line}\n" for line in lines)


class TestWhatAnEntryMayBe:
    def test_a_bare_name(self) -> None:
        assert listing(in_text("- GPT-5.4")).entries == (Entry("GPT-5.4", "GPT-5.4", Modality.TEXT, line=3),)

    def test_a_mapping_with_everything(self) -> None:
        (entry,) = listing(
            """
            models:
              image:
                - poe_name: nano-banana
                  name: painter
                  base: 12
                  per_1k_tokens: 0.5
                  max_tokens: 1000
                  context_limit: 2_000
                  aliases: [paint, brush]
            """
        ).entries
        assert entry == Entry("painter", "nano-banana", Modality.IMAGE, 12, 0.5, 1000, 2000, ("paint", "brush"), line=4)

    def test_the_shown_name_is_poe_name_where_no_other_is_given(self) -> None:
        assert listing(in_text("- poe_name: gpt-5")).entries[0].name == "gpt-5"

    def test_one_alias_needs_no_list(self) -> None:
        assert listing(in_text("- {poe_name: gpt-5, aliases: five}")).entries[0].aliases == ("five",)

    def test_a_key_without_a_value_is_as_good_as_absent(self) -> None:
        assert listing(in_text("- poe_name: gpt-5", "  base:")).entries[0].base is None

    def test_a_number_in_quotes_is_a_name(self) -> None:
        assert listing(in_text('- "5"', "- !!str 6")).entries[1].name == "6"

    def test_merge_keys_fill_in_what_the_entry_does_not_say(self) -> None:
        entries = listing(
            in_text("- &five {poe_name: gpt-5, base: 3, max_tokens: 10}", "- {<<: *five, poe_name: b, base: 4}")
        ).entries
        assert (entries[1].poe_name, entries[1].base, entries[1].max_tokens) == ("b", 4, 10)

    def test_an_entry_may_repeat_its_own_name_as_alias(self) -> None:
        assert listing(in_text("- {poe_name: GPT-5, aliases: [gpt-5, gpt-5]}")).entries


class TestTheWholeFile:
    def test_the_order_of_the_file_is_kept(self) -> None:
        entries = listing("models: {video: [c], text: [a, b]}").entries
        assert [(entry.name, entry.modality.value) for entry in entries] == [
            ("c", "video"),
            ("a", "text"),
            ("b", "text"),
        ]

    def test_empty_groups_are_no_fault(self) -> None:
        assert listing("models: {text: , image: []}") == Listing()

    @pytest.mark.parametrize(("written", "meant"), [("true", True), ("yes", True), ("false", False), ("any", "any")])
    def test_allow_unlisted(self, written: str, meant: object) -> None:
        assert listing(f"defaults: {{allow_unlisted: {written}}}\nmodels:").allow_unlisted == meant

    def test_unlisted_models_stay_outside_unless_allowed(self) -> None:
        assert listing("models: {text: [a]}").allow_unlisted is False

    @pytest.mark.parametrize("mode", ["auto", "always", "never"])
    def test_footer_for_all_and_for_one(self, mode: str) -> None:
        said = listing(f"defaults: {{footer: {mode}}}\nmodels: {{text: [a, {{poe_name: b, footer: {mode}}}]}}")
        assert (said.footer, [entry.footer for entry in said.entries]) == (mode, [None, mode])

    @pytest.mark.parametrize("written", ["off", "on", "sometimes", "1", "[auto]"])
    def test_footer_knows_three_words(self, written: str) -> None:
        with pytest.raises(ModelsFileError) as refused:
            listing(in_text(f"- {{poe_name: b, footer: {written}}}"))
        assert "`footer` must be auto, always or never" in str(refused.value)

    @pytest.mark.parametrize("way", ["messages", "chat"])
    def test_the_way_to_poe_of_one_model(self, way: str) -> None:
        assert [entry.via for entry in listing(in_text("- a", f"- {{poe_name: b, via: {way}}}")).entries] == [None, way]

    @pytest.mark.parametrize("written", ["responses", "true", "[chat]", "Chat"])
    def test_there_are_two_ways(self, written: str) -> None:
        fault = only_fault(in_text("- a", "- poe_name: b", f"  via: {written}"))
        assert fault.startswith("models.yaml line 5, entry b: `via` must be messages or chat, not ")

    def test_no_way_is_for_all(self) -> None:
        assert "unknown key `via`" in only_fault("defaults: {via: chat}\nmodels:")

    def test_text_max_tokens(self) -> None:
        assert listing("defaults: {text_max_tokens: 9}\nmodels:").text_max_tokens == 9


class TestFaults:
    def test_all_at_once_in_the_order_of_the_file(self) -> None:
        told = faults(
            """
            defaults:
              allow_unlistd: true
            models:
              text:
                - gpt-5
                - 5
                - poe_name: GPT-5
                  max_token: 10
                  base: -1
              pictures: [a]
            """
        )
        assert [fault.split(":")[0].split(",")[0] for fault in told] == [
            f"models.yaml line {line}" for line in (3, 7, 8, 9, 10, 11)
        ]

    def test_a_misspelt_key_is_told_with_line_entry_and_nearest_key(self) -> None:
        fault = only_fault(in_text("- poe_name: gpt-5", "  max_token: 10"))
        assert fault.startswith("models.yaml line 4, entry gpt-5: unknown key `max_token`; did you mean `max_tokens`?")

    def test_a_key_like_no_other_is_told_with_all_valid_ones(self) -> None:
        fault = only_fault(in_text("- poe_name: gpt-5", "  zzz: 10"))
        assert "remove it. Valid here: poe_name, name, base" in fault

    def test_an_unknown_group(self) -> None:
        assert "unknown key `imags`; did you mean `image`?" in only_fault("models: {imags: [a]}")

    def test_an_unknown_section(self) -> None:
        assert "line 1: unknown key `default`; did you mean `defaults`?" in only_fault("default: {}\nmodels:")

    def test_no_models(self) -> None:
        assert "`models:` is missing" in only_fault("defaults: {allow_unlisted: true}")

    def test_an_entry_without_poe_name(self) -> None:
        assert "entry without a name: `poe_name` is missing" in only_fault(in_text("- base: 1"))

    @pytest.mark.parametrize("value", ["-1", "true", "many", "'5'", "[1]", "{}", ".inf", ".nan", "1:30"])
    def test_points_are_numbers_from_0(self, value: str) -> None:
        fault = only_fault(in_text("- poe_name: gpt-5", f"  base: {value}"))
        assert fault.startswith("models.yaml line 4, entry gpt-5: `base` must be a number of points, 0 or more")

    @pytest.mark.parametrize("value", ["-1", "0", "true", "128k", "1.5", "'5'"])
    @pytest.mark.parametrize("key", ["max_tokens", "context_limit"])
    def test_tokens_are_whole_numbers_above_0(self, key: str, value: str) -> None:
        fault = only_fault(in_text("- poe_name: gpt-5", f"  {key}: {value}"))
        assert (
            f"`{key}` must be a whole number of tokens above 0, such as 128000, not `{value.strip(chr(39))}`" in fault
        )

    @pytest.mark.parametrize("name", ["5", "4.5", "yes", "no", "~", "", "' '", "[a]"])
    def test_what_yaml_does_not_read_as_text_is_no_name(self, name: str) -> None:
        assert "an entry of `text:` must be a name; put it in quotes" in only_fault(in_text(f"- {name}"))

    def test_the_faulty_one_of_several_aliases(self) -> None:
        assert only_fault(in_text("- poe_name: a", "  aliases:", "    - b", "    - 7")).startswith(
            "models.yaml line 6, entry a: `aliases` must be"
        )

    def test_allow_unlisted_in_quotes(self) -> None:
        assert "must be true, false or any, not `true`" in only_fault("defaults: {allow_unlisted: 'true'}\nmodels:")

    def test_a_repeated_key(self) -> None:
        fault = only_fault(in_text("- poe_name: a", "  base: 1", "  base: 2"))
        assert fault == "models.yaml line 5, entry a: `base` stands on line 4 already; keep one of them"

    def test_a_repeated_group(self) -> None:
        assert "`text` stands on line 2 already" in only_fault("models:\n  text: [a]\n  text: [b]")

    @pytest.mark.parametrize(
        ("second", "what"),
        [
            ("- GPT-5", "the name GPT-5 is taken by gpt-5 on line 3"),
            ("- {poe_name: b, name: Gpt-5}", "the name Gpt-5 is taken by gpt-5 on line 3"),
            ("- {poe_name: b, aliases: GPT-5}", "the alias GPT-5 is taken by gpt-5 on line 3"),
            ("- {poe_name: b, aliases: FIVE}", "the alias FIVE is taken by gpt-5 on line 3"),
            ("- five", "the alias five is taken by five on line 4"),
        ],
    )
    def test_a_name_belongs_to_one_entry_whatever_its_case(self, second: str, what: str) -> None:
        assert what in only_fault(in_text("- {poe_name: gpt-5, aliases: five}", second))

    def test_the_same_poe_model_may_be_shown_under_two_names(self) -> None:
        assert len(listing(in_text("- gpt-5", "- {poe_name: gpt-5, name: short, max_tokens: 9}")).entries) == 2

    @pytest.mark.parametrize("group", ["gpt-5", "{gpt-5: {}}"])
    def test_a_group_that_is_no_list(self, group: str) -> None:
        assert "`text:` must be a list of models (lines that begin with `- `)" in only_fault(
            f"models: {{text: {group}}}"
        )

    @pytest.mark.parametrize("section", ["defaults", "models"])
    def test_a_section_of_the_wrong_kind(self, section: str) -> None:
        other = {"defaults": "models:", "models": "defaults:"}[section]
        assert f"`{section}:` must" in only_fault(f"{section}: [a]\n{other}")


class TestWhatIsNoModelsFileAtAll:
    @pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~"])
    def test_empty(self, text: str) -> None:
        assert "the file is empty; it needs `models:`" in only_fault(text)

    @pytest.mark.parametrize("text", ["- gpt-5", "gpt-5"])
    def test_of_the_wrong_kind(self, text: str) -> None:
        assert "not a mapping; it needs `models:`" in only_fault(text)

    def test_a_syntax_error_is_told_with_its_line(self) -> None:
        assert only_fault("models:\n  text:\n    - a: b: c\n").startswith("models.yaml line 3: not valid YAML")

    def test_a_tab_is_told_with_its_line(self) -> None:
        assert only_fault("models:\n\ttext: [a]").startswith("models.yaml line 2: not valid YAML")

    def test_a_control_character_is_told_with_its_line(self) -> None:
        assert "line 2: a character that YAML does not allow (#x1)" in only_fault("models:\n  text: [\x01]")

    def test_two_documents(self) -> None:
        assert "another document" in only_fault("models:\n---\nmodels:")

    def test_nested_beyond_reason(self) -> None:
        assert "nested far too deeply" in only_fault("[" * 20_000)

    def test_anchors_that_hold_themselves(self) -> None:
        assert faults("models: &m\n  text: &t [*t, *m]\n  <<: *m")

    def test_merging_with_itself(self) -> None:
        assert listing("models:\n  text:\n    - &a {<<: *a, poe_name: b}").entries[0].name == "b"


class TestReadingFromDisk:
    def test_a_missing_file_is_told_with_ways_to_get_one(self, tmp_path: Path) -> None:
        with pytest.raises(ModelsFileError, match=r"no such file; get the shipped one with .* MODELS_FILE"):
            load_models(tmp_path / "models.yaml")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ModelsFileError, match="cannot be read"):
            load_models(tmp_path)

    def test_another_encoding_is_told_with_its_line(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_bytes("models:\n  text: [é]".encode("latin-1"))
        with pytest.raises(ModelsFileError, match=r"mine\.yaml line 2: this is not UTF-8"):
            load_models(path)

    def test_a_byte_order_mark_and_windows_line_ends(self, tmp_path: Path) -> None:
        path = tmp_path / "models.yaml"
        path.write_bytes(b"\xef\xbb\xbfmodels:\r\n  text:\r\n    - a\r\n")
        assert load_models(path).entries == (Entry("a", "a", line=3),)


_KEYS = ["models:", "defaults:", "text:", "poe_name", "aliases", "a", "5", "~", "<<", ": ", "- ", "? ", ",", "# "]
_MARKS = [
    "\n",
    "  ",
    "[",
    "]",
    "{",
    "}",
    "'",
    '"',
    "|",
    "&x ",
    "*x",
    "---\n",
    "!!int ",
    "!!timestamp ",
    "!!python/name:os ",
]
_YAML_BITS = st.sampled_from([*_KEYS, *_MARKS])


class TestWhateverIsInTheFile:
    """It is read or refused; nothing else is ever raised."""

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        self.read_or_refuse(text)

    @given(st.lists(_YAML_BITS, max_size=40).map("".join))
    def test_anything_like_yaml(self, text: str) -> None:
        self.read_or_refuse(text)

    @given(st.lists(_YAML_BITS, max_size=12).map("".join))
    def test_anything_like_an_entry(self, text: str) -> None:
        self.read_or_refuse(f"models:\n  text:\n    - {text}\n")

    @staticmethod
    def read_or_refuse(text: str) -> None:
        with suppress(ModelsFileError):
            parse_models(text)
