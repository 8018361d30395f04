"""The small language in which a prompt, a header or a queue asks for an answer or a fault."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

_DIRECTIVE = re.compile(r"\[\[sim:(?P<fault>fault\s+)?(?!tag\s)(?P<text>[^\]]+)\]\]")
_TAG = re.compile(r"\[\[sim:tag\s+(\S+?)\s*\]\]")


@dataclass(frozen=True, slots=True)
class Directive:
    """A name with `key=value` arguments."""

    name: str
    args: Mapping[str, str]

    def number(self, key: str, default: float) -> float:
        return float(self.args.get(key, default))

    def count(self, key: str, default: int) -> int:
        return int(self.args.get(key, default))

    def text(self, key: str, default: str = "") -> str:
        return self.args.get(key, default)


def parse(text: str) -> Directive:
    """Read `NAME key=value key="two words"`."""
    try:
        name, *pairs = shlex.split(text)
    except ValueError:  # an apostrophe in somebody's prose
        name, *pairs = text.split()
    return Directive(name, dict(pair.partition("=")[::2] for pair in pairs))


def parse_all(text: str) -> tuple[Directive, ...]:
    """Read several directives divided by semicolons."""
    return tuple(parse(part) for part in text.split(";") if part.strip())


def script_in(text: str) -> Directive | None:
    """The first scripted answer that `text` asks for."""
    found = (match for match in _DIRECTIVE.finditer(text) if not match["fault"])
    match = next(found, None)
    return parse(match["text"]) if match else None


def faults_in(text: str) -> tuple[Directive, ...]:
    """Every fault that `text` asks for."""
    return tuple(parse(match["text"]) for match in _DIRECTIVE.finditer(text) if match["fault"])


def tag_in(text: str) -> str | None:
    """The first mark that `text` bears."""
    found = _TAG.search(text)
    return found[1] if found else None


def without(text: str) -> str:
    """`text` as a person would have written it."""
    return _TAG.sub("", _DIRECTIVE.sub("", text)).strip()
