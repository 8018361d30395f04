"""How Anthropic's clients spell a model, and what that says of it. It does not know which models there are.

Anthropic: ``claude-sonnet-4-5-20250929``, ``claude-3-5-haiku-latest``; Vertex: ``claude-sonnet-4-5@20250929``; Bedrock:
``us.anthropic.claude-sonnet-4-5-20250929-v1:0``; Claude Code: ``opus``, ``sonnet[1m]``; Poe: ``claude-sonnet-4.5``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

PICKED = "claude-poe-"
"""In front of a model that is no Claude, where Claude Code shows it: its picker keeps only ids that name Claude."""
KINDS = frozenset({"opus", "sonnet", "haiku", "fable", "mythos"})
STANDS_FOR = {"fable": "opus", "mythos": "opus"}
"""Kinds that Poe has not, and the kind that comes nearest."""

_LONGEST = 100
_WINDOW = re.compile(r"\[\d+[km]\]$", re.IGNORECASE)
_OUTSIDE = re.compile(r"^(?:[a-z-]+\.)?anthropic\.|@(?:\d{8}|default|latest)$|-v\d+(?::\d+)?$")
_SNAPSHOT = re.compile(r"-(?:\d{8}|latest)$")
_VARIANT = re.compile(r"-(?:search|reasoning|thinking)$")
_KIND, _VERSION = f"(?P<kind>{'|'.join(sorted(KINDS))})", r"(?P<major>\d{1,2})(?:[.-](?P<minor>\d{1,2}))?"
_FORMS = tuple(re.compile(form) for form in (f"(?:claude-)?{_KIND}(?:-{_VERSION})?", f"claude-{_VERSION}-{_KIND}"))


@dataclass(frozen=True, slots=True)
class ClaudeName:
    """What a name says: its kind, its version where it names one, and whether a variant is meant (``-search``)."""

    kind: str
    version: tuple[int, int] | None = None
    is_variant: bool = False


def read(name: str) -> ClaudeName | None:
    """What ``name`` says of a Claude model, None where it is none's: a bot may be called claude-code."""
    if len(name) > _LONGEST:
        return None
    plain = _plain(name)
    bare = _VARIANT.sub("", plain)
    for form in _FORMS:
        if match := form.fullmatch(bare):
            return ClaudeName(match["kind"], _version(match), bare != plain)
    return None


def spellings(name: str) -> Iterator[str]:
    """What else the model that ``name`` means may be called, nearest first: without what only clients add to it."""
    if len(name) > _LONGEST:
        return
    yield _WINDOW.sub("", name.strip().lower())
    yield unadorned(name).lower()
    said = read(name)
    if said is not None:
        yield _plain(name)
        yield from () if said.is_variant else forms(said)


def forms(said: ClaudeName) -> Iterator[str]:
    """The ways in which Poe, Anthropic and older names of both write what ``said`` says, variant or not."""
    if said.version is None:
        yield from (said.kind, f"claude-{said.kind}")
        return
    major, minor = said.version
    for version in (f"{major}.{minor}", f"{major}-{minor}") if minor else (f"{major}", f"{major}-0"):
        yield from (f"claude-{said.kind}-{version}", f"claude-{version}-{said.kind}")


def unadorned(name: str) -> str:
    """``name`` in its own case without what Claude Code adds: ``[1m]`` behind and ``claude-poe-`` in front."""
    bare = _WINDOW.sub("", name.strip())
    return bare[len(PICKED) :] if bare.lower().startswith(PICKED) else bare


def _plain(name: str) -> str:
    return _SNAPSHOT.sub("", _OUTSIDE.sub("", _WINDOW.sub("", name.strip().lower())))


def _version(match: re.Match[str]) -> tuple[int, int] | None:
    return (int(match["major"]), int(match["minor"] or 0)) if match["major"] else None
