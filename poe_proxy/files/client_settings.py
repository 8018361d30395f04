"""Putting settings into other programs' files without losing what is there. It does not know what they mean.

JSON is parsed and written again in the file's own indentation; YAML is edited in place, so that its comments stay.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from poe_proxy.files.replace import replace_file
from poe_proxy.files.yaml_lines import Spot, read_yaml

Json = dict[str, Any]
Merge = Callable[[str], str]
Item = Mapping[str, str | Sequence[str]]

_KEPT = ".before-poe-proxy"
_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)


class ClientFileError(Exception):
    """A file that cannot be changed; the text says why. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a file: ``kept`` is the old one's copy, None where there was none or nothing had to change."""

    changed: bool
    kept: Path | None = None


def write_merged(path: Path, merge: Merge) -> Written:
    """Replace ``path`` in one step by what ``merge`` makes of its text (empty where there is no file), the old one kept
    aside. It will hold a key, so only its owner may read it. Raises ClientFileError.
    """
    try:
        before = path.read_bytes() if path.exists() else None
        after = _merged(path, before or b"", merge)
        if after == before:
            return Written(changed=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = None
        if before is not None:
            kept = _keep_aside(path, before)
            path.chmod(0o600)  # before it holds the key: a replaced file keeps its permissions
        replace_file(path, after)
        return Written(changed=True, kept=kept)
    except OSError as error:
        raise ClientFileError(f"{path} cannot be written ({error.strerror})") from None


def merged_json(
    text: str, wanted: Mapping[str, Any], defaults: Mapping[str, Any], whole: Mapping[str, Any] | None = None
) -> str:
    """``text`` with ``wanted`` put over what it says, ``defaults`` where it says nothing, and those of ``whole`` whose
    key it does not have at all.

    Raises ClientFileError where it is no JSON object, or holds something else than an object where one is needed.
    """
    try:
        said = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise ClientFileError(f"is not plain JSON ({error})") from None
    if not isinstance(said, dict):
        raise ClientFileError("is JSON, but not an object")
    after = _laid_over(_laid_over(said, wanted, wins=True), defaults, wins=False)
    after |= {key: value for key, value in (whole or {}).items() if key not in said}
    return text if text.strip() and after == said else _as_json(after, text)


def merged_yaml(text: str, head: Mapping[str, str], group: str, items: Sequence[Item], same: str) -> str:
    """``text`` with ``items`` in its list ``group``, and the top-level ``head`` where it says nothing of these keys.

    An item whose key ``same`` is there already is brought up to date. Raises ClientFileError where ``text`` is no YAML
    mapping, or is written in a way that leaves no obvious place for them.
    """
    before = _mapping(text)
    expected = _expected(before, head, group, items, same)
    if expected == before:
        return text
    try:
        after = _edited(text, {key: value for key, value in head.items() if key not in before}, group, items, same)
        if _mapping(after) == expected:
            return after
    except (yaml.YAMLError, ClientFileError):
        pass
    raise ClientFileError("is written in a way that leaves no obvious place for new lines")


def _merged(path: Path, before: bytes, merge: Merge) -> bytes:
    try:
        return merge(before.decode("utf-8-sig")).encode()
    except UnicodeError:
        raise ClientFileError(f"{path} is not UTF-8 text") from None
    except ClientFileError as error:
        raise ClientFileError(f"{path} {error}") from None


def _keep_aside(path: Path, content: bytes) -> Path:
    """A copy under a name that is not taken: what was there before us is never lost."""
    number = 1
    while True:
        kept = path.with_name(path.name + _KEPT + (f"-{number}" if number > 1 else ""))
        try:
            handle = os.open(kept, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            number += 1
            continue
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        return kept


# --- JSON -------------------------------------------------------------------------------------------------------------


def _laid_over(said: Json, more: Mapping[str, Any], *, wins: bool) -> Json:
    after = dict(said)
    for key, value in more.items():
        there = after.get(key)
        if isinstance(value, Mapping) and key in after:
            if not isinstance(there, dict):
                raise ClientFileError(f"has something else than an object in {key!r}")
            after[key] = _laid_over(there, value, wins=wins)
        elif key not in after or wins:
            after[key] = value
    return after


def _as_json(said: Json, like: str) -> str:
    indent = _INDENT.search(like)
    text = json.dumps(said, indent=indent[1] if indent else 2, ensure_ascii=False) + "\n"
    return text.replace("\n", "\r\n") if "\r\n" in like else text


# --- YAML -------------------------------------------------------------------------------------------------------------


def _mapping(text: str) -> Json:
    try:
        said = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        raise ClientFileError(f"is not YAML (line {where.line + 1})" if where else "is not YAML") from None
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise ClientFileError("is YAML, but not a mapping")
    return said


def _expected(before: Json, head: Mapping[str, str], group: str, items: Sequence[Item], same: str) -> Json:
    """What the file shall say, from what it says; compared afterwards with what the edited text says."""
    there = before.get(group)
    if there is not None and not isinstance(there, list):
        raise ClientFileError(f"has something else than a list in {group!r}")
    listed = list(there or [])
    for item in items:
        place = next((n for n, old in enumerate(listed) if isinstance(old, dict) and old.get(same) == item[same]), None)
        if place is None:
            listed.append(_plain(item))
        else:
            old = listed[place]
            lists = {key: value for key, value in _plain(item).items() if isinstance(value, list) and key not in old}
            listed[place] = old | {key: value for key, value in item.items() if isinstance(value, str)} | lists
    return {**head, **before, group: listed}


def _plain(item: Item) -> Json:
    return {key: value if isinstance(value, str) else list(value) for key, value in item.items()}


def _edited(text: str, head: Mapping[str, str], group: str, items: Sequence[Item], same: str) -> str:
    for key, value in head.items():
        text = _with_line(text, f"{key}: {_scalar(value)}")
    for item in items:
        text = _with_item(text, group, item, same)
    return text


def _with_item(text: str, group: str, item: Item, same: str) -> str:
    listed = _in(read_yaml(text), group)
    if listed is None or not listed.is_list:
        return _with_item_in_new_group(text, group, item)
    old = next((spot for spot in listed.elements() if (name := _in(spot, same)) and name.plain() == item[same]), None)
    if old is None:
        last = list(listed.elements())[-1:]
        end = _end_of(text, last[0]) if last and not listed.is_bracketed else None
        return text if end is None else _inserted(text, end, _lines(item, _column(listed)))
    for key, value in item.items():
        text = _with_value(text, group, (same, item[same]), key, value)
    return text


def _with_item_in_new_group(text: str, group: str, item: Item) -> str:
    key = next((key for key, _ in _pairs(read_yaml(text)) if key.plain() == group), None)
    if key is None:
        return _with_line(text, "\n".join([f"{group}:", *_lines(item, 2)]))
    end = text.find("\n", key.node.end_mark.index)
    return _inserted(text, end if end >= 0 else len(text), _lines(item, 2))


def _with_value(text: str, group: str, which: tuple[str, object], key: str, value: str | Sequence[str]) -> str:
    """``text`` with ``key`` of one item set. The text is read anew, since each change moves what comes after it."""
    listed = _in(read_yaml(text), group)
    items = listed.elements() if listed is not None else iter(())
    item = next(spot for spot in items if (name := _in(spot, which[0])) and name.plain() == which[1])
    there = _in(item, key)
    if there is None:
        return _inserted(text, _end_of(text, item), [" " * _column(item) + f"{key}: {_written(value)}"])
    if isinstance(value, str) and there.plain() != value:
        start, end = there.node.start_mark.index, there.node.end_mark.index
        return text[:start] + _scalar(value) + text[end:]
    return text


def _pairs(spot: Spot | None) -> list[tuple[Spot, Spot]]:
    return list(spot.pairs()) if spot is not None else []


def _in(spot: Spot | None, wanted: str) -> Spot | None:
    return next((value for key, value in _pairs(spot) if key.plain() == wanted), None)


def _lines(item: Item, column: int) -> list[str]:
    leads = [" " * column + "- ", *[" " * (column + 2)] * (len(item) - 1)]
    return [f"{lead}{key}: {_written(value)}" for lead, (key, value) in zip(leads, item.items(), strict=True)]


def _written(value: str | Sequence[str]) -> str:
    return _scalar(value) if isinstance(value, str) else f"[{', '.join(map(_scalar, value))}]"


def _scalar(value: str) -> str:
    """The text as a YAML scalar, in quotes where YAML would read something else."""
    try:
        plain = yaml.safe_load(f"[{value}]") == [value]
    except (yaml.YAMLError, ValueError):
        plain = False
    return value if plain else "'" + value.replace("'", "''") + "'"


def _column(spot: Spot) -> int:
    return int(spot.node.start_mark.column)


def _end_of(text: str, spot: Spot) -> int:
    """The end of the last line with content of a block, which may itself end in blanks and comments of what follows."""
    lines = text[: spot.node.end_mark.index].split("\n")
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    end = len("\n".join(lines))
    rest, _, _ = text[end:].partition("\n")  # a comment behind the last value is on its line, and stays there
    return end + len(rest.rstrip("\r"))


def _inserted(text: str, at: int, lines: Sequence[str]) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    return text[:at] + "".join(newline + line for line in lines) + text[at:]


def _with_line(text: str, line: str) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    end = "" if not text or text.endswith("\n") else newline
    return text + end + line.replace("\n", newline) + newline
