"""New names put into models.yaml with every other character kept. It does not ask whether Poe has them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from poe_proxy.canonical.card import Modality
from poe_proxy.files.models_file import ModelsFileError, load_models, parse_models
from poe_proxy.files.replace import replace_file
from poe_proxy.files.yaml_lines import Spot, read_yaml

Additions = Mapping[Modality, Sequence[str]]
"""Names by the group they go to, in the order in which they are to stand there."""


def add_models(path: Path, additions: Additions) -> None:
    """Add the names to the file at ``path`` in one step.

    Raises ModelsFileError, and leaves the file as it was, where it is broken, where the result would not be the old
    listing with these names added, and where it cannot be written.
    """
    before = load_models(path)
    text = insert_names(path.read_bytes().decode("utf-8"), additions)
    wanted = sorted(name for names in additions.values() for name in names)
    try:
        after = parse_models(text, path.name)
    except ModelsFileError as error:
        reason = f"{path.name} is left as it was; with {', '.join(wanted)} it would be faulty:"
        raise ModelsFileError((reason, *error.faults)) from None
    if sorted(entry.name for entry in after.entries) != sorted([*(entry.name for entry in before.entries), *wanted]):
        raise ModelsFileError((f"{path.name}: no place found for {', '.join(wanted)}; add them by hand",))
    try:
        replace_file(path, text.encode("utf-8"))
    except OSError as error:
        raise ModelsFileError((f"{path} cannot be written ({error.strerror}); add the names by hand",)) from None


def insert_names(text: str, additions: Additions) -> str:
    """``text``, a valid models.yaml, with the names at the end of their groups, which are made where they are missing.

    Where the file is written in a way that leaves no obvious place, the result is not what was wanted: check it.
    """
    for group, names in additions.items():
        if names:  # each insertion moves what stands below it, so the text is read anew
            text = _into(text, group, names)
    return text


def _into(text: str, group: Modality, names: Sequence[str]) -> str:
    root = read_yaml(text)
    models = _pair(root, "models")
    if root is None or models is None:
        return text
    section = _pair(models[1], group.value)
    if section is None:
        return text if models[1].is_bracketed else _new_group(text, models, group, names)
    key, members = section
    if members.is_list and members.is_bracketed:
        return _into_brackets(text, members, names)
    if members.is_list:
        end = _end_of_content(text, members.node.end_mark.index, _column(key))
        return _with_lines(text, end, _items(names, _column(members)))
    return _with_lines(text, _end_of_line(text, key), _items(names, _column(key) + 2))


def _new_group(text: str, models: tuple[Spot, Spot], group: Modality, names: Sequence[str]) -> str:
    key, groups = models
    first = next((name for name, _ in groups.pairs()), None)
    column = _column(key) + 2 if first is None else _column(first)
    lines = [" " * column + f"{group.value}:", *_items(names, column + 2)]
    if groups.is_empty:
        return _with_lines(text, _end_of_line(text, key), lines)
    return _with_lines(text, _end_of_content(text, groups.node.end_mark.index, _column(key)), lines)


def _into_brackets(text: str, members: Spot, names: Sequence[str]) -> str:
    opening, closing = members.node.start_mark.index, members.node.end_mark.index - 1
    inside = text[opening + 1 : closing].strip()
    comma = ", " if inside and not inside.endswith(",") else ""
    return text[:closing] + comma + ", ".join(map(_as_yaml, names)) + text[closing:]


def _pair(spot: Spot | None, wanted: str) -> tuple[Spot, Spot] | None:
    pairs = spot.pairs() if spot is not None else iter(())
    return next(((key, value) for key, value in pairs if key.plain() == wanted), None)


def _items(names: Sequence[str], column: int) -> list[str]:
    return [" " * column + f"- {_as_yaml(name)}" for name in names]


def _with_lines(text: str, at: int, lines: Sequence[str]) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    return text[:at] + "".join(newline + line for line in lines) + text[at:]


def _column(spot: Spot) -> int:
    return int(spot.node.start_mark.column)


def _end_of_line(text: str, spot: Spot) -> int:
    line, _, _ = text[spot.node.end_mark.index :].partition("\n")
    return int(spot.node.end_mark.index) + len(line.rstrip())


def _end_of_content(text: str, end: int, column: int) -> int:
    """Where a block ends whose next token begins at ``end``, by its key's ``column``.

    Blank lines, and comments no deeper than the key, speak of what comes after; deeper comments of the block itself.
    """
    lines = text[:end].split("\n")
    while lines and _speaks_of_next(lines[-1], column):
        lines.pop()
    return len("\n".join(lines).rstrip())


def _speaks_of_next(line: str, column: int) -> bool:
    said = line.lstrip()
    return not said or (said.startswith("#") and len(line) - len(said) <= column)


def _as_yaml(name: str) -> str:
    """The name as a YAML scalar, in quotes where YAML would read something else."""
    try:
        plain = yaml.safe_load(f"[{name}]") == [name]
    except (yaml.YAMLError, ValueError):
        plain = False
    return name if plain else "'" + name.replace("'", "''") + "'"
