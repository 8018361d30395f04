"""models.yaml, read whole or refused with all its faults at once. It does not ask whether Poe has these models."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from poe_proxy.canonical.card import Modality
from poe_proxy.canonical.listing import Entry, Listing
from poe_proxy.files.models_shape import EXPECTED, DefaultsShape, EntryShape
from poe_proxy.files.yaml_lines import Spot, read_yaml

_SECTIONS = ("defaults", "models")
_GROUPS = tuple(group.value for group in Modality)
_SKETCH = "it needs `models:` with the groups text, image, video, audio, each a list of names"
_Shape = TypeVar("_Shape", bound=BaseModel)


class ModelsFileError(Exception):
    """models.yaml cannot be used. ``faults`` are sentences, each with file, line, entry and cure where there is one."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def load_models(path: Path) -> Listing:
    """The listing in the file at ``path``. Raises ModelsFileError, also where the file cannot be read."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise _refusal(
            f"{path.absolute()}: there is no such file; get the shipped one with `git checkout models.yaml`, "
            "or say where yours is with MODELS_FILE"
        ) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _refusal(f"{path} line {line}: this is not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise _refusal(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    return parse_models(text, path.name)


def parse_models(text: str, file: str = "models.yaml") -> Listing:
    """The listing in ``text``. Raises ModelsFileError with all faults; ``file`` is how they call it."""
    root = _root(text, file)
    reading = _Reading(file)
    listing = reading.listing(root)
    if reading.faults:
        raise ModelsFileError(tuple(fault for _, fault in sorted(reading.faults, key=lambda fault: fault[0])))
    return listing


def _refusal(fault: str) -> ModelsFileError:
    return ModelsFileError((fault,))


def _root(text: str, file: str) -> Spot:
    try:
        root = read_yaml(text)
    except yaml.YAMLError as error:
        raise _refusal(_syntax_fault(error, text, file)) from None
    except RecursionError:
        raise _refusal(f"{file}: nested far too deeply; {_SKETCH}") from None
    if root is None or root.is_empty:
        raise _refusal(f"{file}: the file is empty; {_SKETCH}")
    if not root.is_mapping:
        raise _refusal(f"{file} line {root.line}: this is {root.written()}, not a mapping; {_SKETCH}")
    return root


def _syntax_fault(error: yaml.YAMLError, text: str, file: str) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"{file} line {line}: a character that YAML does not allow (#x{ord(text[error.position]):x}); delete it"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark else 1
    problem = getattr(error, "problem", None) or "unreadable"
    return f"{file} line {line}: not valid YAML: {problem}; check indentation, colons and quotes around here"


class _Reading:
    """One pass over one file. Each method returns what it could read and notes the faults of the rest."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[tuple[int, str]] = []

    def fault(self, line: int, what: str, within: str = "") -> None:
        where = f"{self.file} line {line}" + (f", {within}" if within else "")
        self.faults.append((line, f"{where}: {what}"))

    def listing(self, root: Spot) -> Listing:
        sections = self.keys(root, _SECTIONS)
        if "models" not in sections:
            self.fault(root.line, f"`models:` is missing; {_SKETCH}")
        defaults = self.defaults(sections.get("defaults"))
        entries = tuple(self.entries(sections.get("models")))
        self.clashes(entries)
        return Listing(entries, defaults.allow_unlisted, defaults.text_max_tokens, defaults.footer)

    def defaults(self, section: Spot | None) -> DefaultsShape:
        if section is None or section.is_empty:
            return DefaultsShape()
        if not section.is_mapping:
            self.fault(section.line, f"`defaults:` must be keys with values, not {section.written()}")
            return DefaultsShape()
        return self.shaped(DefaultsShape, section, "in `defaults`") or DefaultsShape()

    def entries(self, section: Spot | None) -> Iterator[Entry]:
        if section is None or section.is_empty:
            return
        if not section.is_mapping:
            self.fault(section.line, f"`models:` must hold the groups {', '.join(_GROUPS)}, not {section.written()}")
            return
        for group, members in self.keys(section, _GROUPS, "in `models`").items():
            yield from self.group(Modality(group), members)

    def group(self, modality: Modality, members: Spot) -> Iterator[Entry]:
        if not (members.is_list or members.is_empty):
            self.fault(
                members.line,
                f"`{modality}:` must be a list of models (lines that begin with `- `), not {members.written()}",
            )
        for spot in members.elements():
            entry = self.entry(modality, spot)
            if entry is not None:
                yield entry

    def entry(self, modality: Modality, spot: Spot) -> Entry | None:
        if not spot.is_mapping:
            return self.bare(modality, spot)
        shape = self.shaped(EntryShape, spot, f"entry {_title(spot)}")
        if shape is None:
            return None
        return Entry(
            name=shape.name or shape.poe_name,
            poe_name=shape.poe_name,
            modality=modality,
            base=shape.base,
            per_1k_tokens=shape.per_1k_tokens,
            max_tokens=shape.max_tokens,
            context_limit=shape.context_limit,
            aliases=shape.aliases,
            line=spot.line,
            footer=shape.footer,
            via=shape.via,
        )

    def bare(self, modality: Modality, spot: Spot) -> Entry | None:
        if not _is_name(spot):
            self.fault(spot.line, f"an entry of `{modality}:` must be {EXPECTED['poe_name']}, not {spot.written()}")
            return None
        name = str(spot.plain()).strip()
        return Entry(name, name, modality, line=spot.line)

    def shaped(self, shape: type[_Shape], spot: Spot, within: str) -> _Shape | None:
        """What the mapping says without its faulty keys, so that a clash of names is told in the same breath."""
        found = self.keys(spot, tuple(shape.model_fields), within)
        values = {key: value.plain() for key, value in found.items()}
        for key in _faulty_keys(shape, values):
            self.misshapen(key, found.get(key), spot, within)
            values.pop(key, None)
        return None if _faulty_keys(shape, values) else shape.model_validate(values)

    def misshapen(self, key: str, value: Spot | None, spot: Spot, within: str) -> None:
        if value is None:
            self.fault(spot.line, f"`{key}` is missing; add it, or write the bare name alone", within)
        else:
            culprit = next((element for element in value.elements() if not _is_name(element)), value)
            self.fault(culprit.line, f"`{key}` must be {EXPECTED[key]}, not {culprit.written()}", within)

    def keys(self, spot: Spot, valid: tuple[str, ...], within: str = "") -> dict[str, Spot]:
        """The valid keys of a mapping with their values; notes unknown and repeated ones."""
        for key, earlier in spot.repeats():
            self.fault(key.line, f"{key.written()} stands on line {earlier.line} already; keep one of them", within)
        found: dict[str, Spot] = {}
        for key, value in spot.pairs():
            name = key.plain()
            if isinstance(name, str) and name in valid:
                found.setdefault(name, value)
            else:
                self.fault(key.line, _unknown_key(key, valid), within)
        return found

    def clashes(self, entries: tuple[Entry, ...]) -> None:
        """A name or alias, whatever its case, belongs to one entry. An entry may repeat its own: that harms nobody."""
        owners: dict[str, Entry] = {}
        for entry in entries:
            owner = owners.setdefault(entry.name.lower(), entry)
            if owner is not entry:
                self.clash(entry, f"the name {entry.name}", owner)
        for entry in entries:
            for alias in entry.aliases:
                owner = owners.setdefault(alias.lower(), entry)
                if owner is not entry:
                    self.clash(entry, f"the alias {alias}", owner)

    def clash(self, entry: Entry, what: str, owner: Entry) -> None:
        taken = f"{what} is taken by {owner.name} on line {owner.line}"
        self.fault(
            entry.line, f"{taken} (case makes no difference); rename or remove one of them", f"entry {entry.name}"
        )


def _faulty_keys(shape: type[BaseModel], values: dict[str, object]) -> tuple[str, ...]:
    try:
        shape.model_validate(values)
    except ValidationError as error:
        return tuple(dict.fromkeys(str(problem["loc"][0]) for problem in error.errors()))
    return ()


def _is_name(spot: Spot) -> bool:
    return not _faulty_keys(EntryShape, {"poe_name": spot.plain()})


def _title(spot: Spot) -> str:
    """How an entry is called in a fault: its shown name, as far as it has one."""
    words = {key.plain(): value.written() for key, value in spot.pairs() if isinstance(key.plain(), str)}
    return (words.get("name") or words.get("poe_name") or "without a name").strip("`")


def _unknown_key(key: Spot, valid: tuple[str, ...]) -> str:
    close = get_close_matches(key.written().strip("`").lower(), valid, n=1, cutoff=0.5)
    hint = f"did you mean `{close[0]}`?" if close else "remove it."
    return f"unknown key {key.written()}; {hint} Valid here: {', '.join(valid)}"
