"""Where a new name lands in models.yaml, and that nothing else of the file changes."""

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.canonical.card import Modality
from poe_proxy.files.models_file import ModelsFileError, load_models, parse_models
from poe_proxy.files.models_insert import add_models, insert_names

BEFORE = dedent(
    """\
    # mine
    defaults: {allow_unlisted: true}

    models:
      text:
        # small ones
        - a   # cheap
        - poe_name: b
          base: 1
          # max_tokens: 5

      # pictures
      image:
      - c

    # the end
    """
)


def with_line(after: str, *lines: str) -> str:
    return BEFORE.replace(after, "\n".join([after, *lines]))


def test_behind_the_last_entry_and_its_comments() -> None:
    assert insert_names(BEFORE, {Modality.TEXT: ["x"]}) == with_line("      # max_tokens: 5", "    - x")


def test_in_the_indentation_of_the_group() -> None:
    assert insert_names(BEFORE, {Modality.IMAGE: ["x", "y"]}) == with_line("  - c", "  - x", "  - y")


def test_a_group_that_is_missing_is_made() -> None:
    assert insert_names(BEFORE, {Modality.VIDEO: ["x"]}) == with_line("  - c", "  video:", "    - x")


def test_several_groups_at_once() -> None:
    after = parse_models(insert_names(BEFORE, {Modality.AUDIO: ["x"], Modality.TEXT: ["y"], Modality.IMAGE: []}))
    assert [entry.name for entry in after.entries] == ["a", "b", "y", "c", "x"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("models:\n  text: # none\n", "models:\n  text: # none\n    - x\n"),
        ("models:\n", "models:\n  text:\n    - x\n"),
        ("models:", "models:\n  text:\n    - x"),
        ("models:\n  text: []\n", "models:\n  text: [x]\n"),
        ("models: {text: [a, b]}", "models: {text: [a, b, x]}"),
        ("models:\n  text: [a,\n  ]", "models:\n  text: [a,\n  x]"),
        ("models:\r\n  text:\r\n  - a\r\n", "models:\r\n  text:\r\n  - a\r\n  - x\r\n"),
        ("models:\n  text:\n  - a", "models:\n  text:\n  - a\n  - x"),
    ],
)
def test_other_ways_to_write_a_file(before: str, after: str) -> None:
    assert insert_names(before, {Modality.TEXT: ["x"]}) == after


@pytest.mark.parametrize("name", ["5", "yes", "null", "a: b", "a #b", "it's", "[x", "- x", "*x", "a, b"])
def test_a_name_that_yaml_would_read_otherwise_gets_quotes(name: str) -> None:
    assert parse_models(insert_names(BEFORE, {Modality.TEXT: [name]})).entries[2].name == name


@given(
    st.lists(st.sampled_from(["\n", "\n    # x\n", "\n  # x\n", "\n# x\n", "\n      # x\n"]), max_size=6).map("".join)
)
def test_comments_and_blank_lines_never_make_it_fail(gap: str) -> None:
    text = f"models:\n  text:\n    - a{gap}\n  image:\n    - b{gap}"
    after = insert_names(text, {Modality.TEXT: ["x"], Modality.IMAGE: ["y"]})
    assert [entry.name for entry in parse_models(after).entries] == ["a", "x", "b", "y"]
    assert after.replace("\n    - x", "").replace("\n    - y", "") == text


class TestOnDisk:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "models.yaml"
        path.write_text(BEFORE)
        return path

    def test_the_file_is_replaced_with_its_permissions_kept(self, path: Path) -> None:
        path.chmod(0o640)
        add_models(path, {Modality.TEXT: ["x"]})
        assert [entry.name for entry in load_models(path).entries] == ["a", "b", "x", "c"]
        assert path.stat().st_mode & 0o777 == 0o640

    def test_a_link_stays_a_link(self, path: Path) -> None:
        link = path.with_name("link.yaml")
        link.symlink_to(path)
        add_models(link, {Modality.TEXT: ["x"]})
        assert link.is_symlink()
        assert "- x" in path.read_text()

    @pytest.mark.parametrize(
        ("before", "name", "fault"),
        [
            (BEFORE, "A", "the name A is taken by a"),
            ("models: {image: [a]}", "x", "no place found for x; add them by hand"),
            ("models:\n  text: &t [a]\n  image: *t", "x", "is taken by"),
            ("models: [", "x", "not valid YAML"),
        ],
    )
    def test_the_old_file_stays_where_the_new_one_would_be_wrong(
        self, path: Path, before: str, name: str, fault: str
    ) -> None:
        path.write_text(before)
        with pytest.raises(ModelsFileError, match=fault):
            add_models(path, {Modality.TEXT: [name]})
        assert path.read_text() == before

    def test_a_folder_that_cannot_be_written(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(path: Path, content: bytes) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("poe_proxy.files.models_insert.replace_file", refuse)
        with pytest.raises(ModelsFileError, match="cannot be written"):
            add_models(path, {Modality.TEXT: ["x"]})
