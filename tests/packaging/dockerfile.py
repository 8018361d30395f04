"""The Dockerfile as data, as far as ours uses the language, and .dockerignore."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tests.running import ROOT


@dataclass(frozen=True, slots=True)
class Copy:
    """One COPY; ``origin`` is the stage that it copies from, empty for the checkout."""

    sources: tuple[str, ...]
    target: str
    origin: str


@dataclass(slots=True)
class Stage:
    """One stage; ``said`` holds the arguments of its instructions by name, in order."""

    name: str
    base: str
    said: dict[str, list[str]] = field(default_factory=dict)

    def all(self, instruction: str) -> list[str]:
        return self.said.get(instruction, [])

    def last(self, instruction: str) -> str:
        return self.said[instruction][-1]

    @property
    def copies(self) -> list[Copy]:
        return [_copy(text) for text in self.all("COPY")]

    @property
    def env(self) -> Mapping[str, str]:
        pairs = (pair.partition("=") for text in self.all("ENV") for pair in shlex.split(text))
        return {name: value for name, _, value in pairs}

    @property
    def command(self) -> list[str]:
        """CMD; an error if it is not in the form that needs no shell."""
        return _words(self.last("CMD"))

    @property
    def health_command(self) -> list[str]:
        return _words(self.last("HEALTHCHECK").partition("CMD ")[2])


def stages() -> dict[str, Stage]:
    """The stages by name, in order."""
    found: dict[str, Stage] = {}
    for name, text in _instructions():
        if name == "FROM":
            base, _, stage = text.partition(" AS ")
            found[stage] = Stage(stage, base)
        else:
            next(reversed(found.values())).said.setdefault(name, []).append(text)
    return found


def is_left_out(path: str) -> bool:
    """Whether .dockerignore keeps ``path`` out of every image; the last line that fits decides."""
    left_out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and any(_fits(part, pattern) for part in _with_parents(path)):
            left_out = pattern == line
    return left_out


def _instructions() -> Iterator[tuple[str, str]]:
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line:
            name, _, text = line.partition(" ")
            yield name, text.strip()


def _copy(text: str) -> Copy:
    words = shlex.split(text)
    origin = next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), "")
    *sources, target = (word for word in words if not word.startswith("--"))
    return Copy(tuple(sources), target, origin)


def _words(text: str) -> list[str]:
    words = json.loads(text)
    assert isinstance(words, list)
    return words


def _with_parents(path: str) -> list[PurePosixPath]:
    whole = PurePosixPath(path)
    return [whole, *whole.parents]


def _fits(path: PurePosixPath, pattern: str) -> bool:
    """As Docker has it: from the root, unless the pattern begins with ``**/``."""
    if pattern.startswith("**/"):
        return path.match(pattern.removeprefix("**/"))
    return len(path.parts) == len(PurePosixPath(pattern).parts) and path.match(pattern)
