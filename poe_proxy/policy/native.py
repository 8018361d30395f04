"""What Poe's own Messages refuses, and what to leave out for it: betas, fields however deep, thinking it cannot verify.

A request that leaves as it came is Anthropic's business: nothing is guessed here, and only what a 400 names goes. It
knows no network; what it learns is remembered elsewhere, by the names it gives.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from poe_proxy.canonical.errors import Refused
from poe_proxy.canonical.json import Json
from poe_proxy.policy import refusals

BETA = "beta "
"""What the name of a beta begins with where it is remembered among the fields that a model does not take."""
_THINKING = ("thinking", "redacted_thinking")
_NEEDED = frozenset({"model", "messages", "max_tokens", "system", "tools", "tool_choice", "stream", "betas"})
_EXTRA = re.compile(
    r"([a-z_]+(?:\.\w+)+): (?:Extra inputs are not permitted|unknown field|unexpected field)", re.IGNORECASE
)
_SIGNATURE = re.compile(r"signature.{0,40}thinking|thinking.{0,60}(?:signature|cannot be modified)", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Omission:
    """What to leave out of a body. ``unsupported`` is worth remembering; each name has None, for nothing instead."""

    unsupported: Mapping[str, str | None]
    thinking: bool = False

    def apply(self, body: Json) -> Json:
        """A copy of ``body`` without it."""
        body = without(body, self.unsupported)
        return {**body, "messages": _without_thinking(body["messages"])} if self.thinking else body

    def words(self) -> list[str]:
        """The change in words for ``x-poe-changes``."""
        thinking = ["dropped the thinking of earlier turns"] if self.thinking else []
        return [f"dropped {name}" for name in self.unsupported] + thinking


def repair(error: Refused, body: Json) -> Omission | refusals.Repair | None:
    """What ``error`` asks to leave out of ``body``, or None where it names nothing that may go."""
    text = error.message
    if betas := [beta for beta in body.get("betas", ()) if beta in text]:
        return Omission({BETA + beta: None for beta in betas})
    if paths := [".".join(_pattern(path)) for path in _EXTRA.findall(text)]:
        return Omission(dict.fromkeys(paths))
    if _SIGNATURE.search(text):
        return Omission({}, thinking=True)
    found = refusals.repair(error, body)
    if found is None or _NEEDED & {*found.drop, *found.unsupported}:
        return None
    return found


def without(body: Json, names: Iterable[str]) -> Json:
    """A copy of ``body`` without the betas and fields of these names."""
    for name in names:
        if name.startswith(BETA):
            if "betas" in body:
                body = {**body, "betas": [beta for beta in body["betas"] if BETA + beta != name]}
        else:
            body = _without(body, name.split("."))
    return body


def _pattern(path: str) -> list[str]:
    return ["*" if _NUMBER.fullmatch(part) else part for part in path.split(".")]


def _without(value: Any, path: list[str]) -> Any:
    """``value`` without what is at ``path``. Steps that are no keys are names of variants, as pydantic puts them in."""
    if isinstance(value, list):
        rest = path[1:] if path[:1] == ["*"] else path
        return [_without(item, rest) for item in value] if rest else value
    if not isinstance(value, dict) or not path:
        return value
    name, rest = path[0], path[1:]
    if name not in value or (rest and not isinstance(value[name], dict | list)):
        return _without(value, rest)
    if rest:
        return {**value, name: _without(value[name], rest)}
    return {key: inner for key, inner in value.items() if key != name}


def _without_thinking(messages: list[Any]) -> list[Any]:
    kept = [_unthinking(message) for message in messages]
    return [message for message in kept if message.get("content") != []]


def _unthinking(message: Json) -> Json:
    content = message.get("content")
    if message.get("role") != "assistant" or not isinstance(content, list):
        return message
    return {**message, "content": [block for block in content if block.get("type") not in _THINKING]}
