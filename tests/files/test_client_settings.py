"""Other programs' files: what is there stays, what is wanted comes in, and what cannot be kept is not touched."""

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.files.client_settings import ClientFileError, Written, merged_json, merged_yaml, write_merged

WANTED = {"env": {"URL": "http://here", "KEY": "k"}}
DEFAULTS = {"env": {"MODEL": "opus"}}
WHOLE = {"line": {"command": "ours"}}
HEAD = {"name": "Ours", "schema": "v1"}
ITEM = {"name": "gpt (Poe)", "model": "gpt", "apiKey": "k1", "roles": ("chat", "edit")}
BEFORE = dedent(
    """\
    # mine
    name: Mine   # as I like it
    schema: v1

    models:
      # local
      - name: llama   # small
        model: llama3
        # apiKey: none

    # what I know
    context:
      - provider: file
    """
)


def in_json(text: str) -> str:
    return merged_json(text, WANTED, DEFAULTS, WHOLE)


def in_yaml(text: str, **changes: Any) -> str:
    return merged_yaml(text, HEAD, "models", [{**ITEM, **changes}], same="name")


class TestJson:
    def test_an_empty_file_gets_it_all(self) -> None:
        said = {"env": {"URL": "http://here", "KEY": "k", "MODEL": "opus"}, "line": {"command": "ours"}}
        assert json.loads(in_json("")) == said

    def test_what_is_wanted_wins_and_what_is_usual_gives_way(self) -> None:
        said = {
            "other": [1, 2.5, None],
            "env": {"URL": "http://there", "MODEL": "mine", "X": "ü"},
            "line": {"other": "mine"},
        }
        after = said | {"env": {"URL": "http://here", "MODEL": "mine", "X": "ü", "KEY": "k"}}
        assert json.loads(in_json(json.dumps(said))) == after

    def test_order_indentation_and_line_ends_stay(self) -> None:
        text = '{\r\n\t"z": 1,\r\n\t"env": {\r\n\t\t"KEY": "ö"\r\n\t},\r\n\t"line": {\r\n\t\t"c": 1\r\n\t}\r\n}\r\n'
        changed = text.replace('"ö"', '"k",\r\n\t\t"URL": "http://here",\r\n\t\t"MODEL": "opus"')
        assert in_json(text) == changed

    @pytest.mark.parametrize("text", ['{"a": 1, "b": {"c": 2}}', "{}", '{\n "env": {"URL": "x"}\n}'])
    def test_a_second_time_changes_not_a_byte(self, text: str) -> None:
        assert in_json(in_json(text)) == in_json(text)

    def test_what_says_it_all_stays_as_it_is_written(self) -> None:
        text = '{"env":{"KEY":"k","URL":"http://here","MODEL":"m"},   "line":{"command":""}}'
        assert in_json(text) == text

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('{"a": 1, // mine\n}', "is not plain JSON"),
            ("[1]", "not an object"),
            ("[" * 100_000, "is not plain JSON"),
            ('{"env": "x"}', "something else than an object in 'env'"),
            ('{"env": null}', "something else than an object in 'env'"),
        ],
    )
    def test_what_cannot_be_merged_is_refused(self, text: str, words: str) -> None:
        with pytest.raises(ClientFileError, match=words):
            in_json(text)


class TestYaml:
    def test_an_empty_file_gets_it_all(self) -> None:
        after = dedent(
            """\
            name: Ours
            schema: v1
            models:
              - name: gpt (Poe)
                model: gpt
                apiKey: k1
                roles: [chat, edit]
            """
        )
        assert in_yaml("") == after

    def test_a_new_item_comes_last_and_nothing_else_changes(self) -> None:
        last = "    model: llama3\n"
        new = "  - name: gpt (Poe)\n    model: gpt\n    apiKey: k1\n    roles: [chat, edit]\n"
        assert in_yaml(BEFORE) == BEFORE.replace(last, last + new)

    def test_an_item_that_is_there_is_brought_up_to_date_in_place(self) -> None:
        there = in_yaml(BEFORE).replace("apiKey: k1", "apiKey: k1   # secret").replace("[chat, edit]", "[chat]")
        assert in_yaml(there, apiKey="k2: #") == there.replace("k1 ", "'k2: #' ")

    def test_what_an_item_lacks_is_added_to_it(self) -> None:
        text = "models:\n- name: gpt (Poe)\n  model: gpt\n- name: z\nname: n\nschema: s\n"
        added = "  model: gpt\n  apiKey: k1\n  roles: [chat, edit]\n"
        assert in_yaml(text) == text.replace("  model: gpt\n", added)

    @pytest.mark.parametrize("text", ["models:\n", "models: # none\n", "models:", "name: x", "# nothing\n", "a: b\r\n"])
    def test_a_list_that_is_missing_or_empty_is_made(self, text: str) -> None:
        after = in_yaml(text)
        assert yaml.safe_load(after)["models"] == [{**ITEM, "roles": ["chat", "edit"]}]
        assert after.startswith(text.rstrip("\n"))
        assert in_yaml(after) == after

    @pytest.mark.parametrize("text", ["models: [{name: a}]\n", "models: []\n", "{name: x}\n", "a: 1\n...\n"])
    def test_what_leaves_no_obvious_place_is_refused(self, text: str) -> None:
        with pytest.raises(ClientFileError, match="no obvious place"):
            in_yaml(text)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a: [1\n", "is not YAML .line 2"),
            ("- a\n", "not a mapping"),
            ("models: x\n", "something else than a list in 'models'"),
            ("a: !!python/object:x {}\n", "is not YAML"),
        ],
    )
    def test_what_is_no_such_file_is_refused(self, text: str, words: str) -> None:
        with pytest.raises(ClientFileError, match=words):
            in_yaml(text)

    @given(
        st.lists(st.sampled_from(["gpt (Poe)", "a", "'b c'", '"d"']), max_size=4, unique=True),
        st.sampled_from(["", "  # c\n", "\n\n"]),
        st.sampled_from(["", "  "]),
        st.sampled_from(["", "rules:\n  - x\n", "# end"]),
    )
    def test_whatever_was_there_is_still_there(self, names: list[str], between: str, column: str, after: str) -> None:
        items = "".join(f"{column}- name: {name}  # mine\n{between}{column}  model: m\n" for name in names)
        text = f"models:\n{items}{after}"
        once = in_yaml(text)
        assert in_yaml(once) == once
        assert once.count("# mine") == len(names)
        before, now = yaml.safe_load(text), yaml.safe_load(once)
        kept = [item for item in before["models"] or [] if item["name"] != ITEM["name"]]
        assert [item for item in now["models"] if item["name"] != ITEM["name"]] == kept
        assert before.get("rules") == now.get("rules")


class TestFiles:
    def test_a_new_file_is_its_owners_alone(self, tmp_path: Path) -> None:
        file = tmp_path / "new" / "settings.json"
        assert write_merged(file, in_json) == Written(changed=True)
        assert file.stat().st_mode & 0o777 == 0o600
        assert list(file.parent.iterdir()) == [file]

    def test_the_old_one_is_kept_aside_and_closed_to_others(self, tmp_path: Path) -> None:
        file = tmp_path / "settings.json"
        file.write_bytes(b'\xef\xbb\xbf{"a": 1}')
        file.chmod(0o644)
        kept = tmp_path / "settings.json.before-poe-proxy"
        assert write_merged(file, in_json) == Written(changed=True, kept=kept)
        assert kept.read_bytes() == b'\xef\xbb\xbf{"a": 1}'
        assert [path.stat().st_mode & 0o777 for path in (file, kept)] == [0o600, 0o600]

    def test_a_second_time_nothing_is_written(self, tmp_path: Path) -> None:
        file = tmp_path / "settings.json"
        file.write_text('{"a": 1}')
        write_merged(file, in_json)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        assert write_merged(file, in_json) == Written(changed=False)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before

    def test_an_earlier_copy_is_never_written_over(self, tmp_path: Path) -> None:
        file = tmp_path / "c.yaml"
        for number, name in enumerate(("", "-2", "-3"), 1):
            file.write_text(f"number: {number}\n")
            assert write_merged(file, in_yaml).kept == tmp_path / f"c.yaml.before-poe-proxy{name}"
        kept = sorted(path.read_text() for path in tmp_path.glob("*before*"))
        assert kept == ["number: 1\n", "number: 2\n", "number: 3\n"]

    def test_a_link_stays_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "dotfiles.json").write_text("{}")
        link = tmp_path / "settings.json"
        link.symlink_to("dotfiles.json")
        write_merged(link, in_json)
        assert link.is_symlink()
        assert "http://here" in (tmp_path / "dotfiles.json").read_text()

    @pytest.mark.parametrize("content", [b"{broken", b"\xff\xfe{}", b'{"a": "\\ud800"}'])
    def test_a_broken_file_is_left_as_it_is(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "settings.json"
        file.write_bytes(content)
        with pytest.raises(ClientFileError, match=f"^{file} is not "):
            write_merged(file, in_json)
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [content]

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(ClientFileError, match="cannot be written"):
            write_merged(tmp_path / "file" / "settings.json", in_json)
