"""What Poe's own Messages refuses, and what to leave out for it: betas, fields however deep, thinking it cannot verify.

A request that leaves as it came is Anthropic's business: nothing is guessed here, and only what a 400 names goes. It
knows no network; what it learns is remembered elsewhere, by the names it gives.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from poe_proxy.canonical.errors import Refused
from poe_proxy.canonical.json import Json, as_object
from poe_proxy.policy import refusals

BETA = "beta "
"""What the name of a beta begins with where it is remembered among the fields that a model does not take."""
FORM = "thinking "
"""What the name of a form of thinking (``adaptive``, ``enabled``) begins with there."""
_THINKING = ("thinking", "redacted_thinking")
_NEEDED = frozenset({"model", "messages", "max_tokens", "system", "tools", "tool_choice", "stream", "betas"})
_EXTRA = re.compile(
    r"([a-z_]+(?:\.\w+)+)\W{1,3}"
    r"(?:extra inputs are not permitted|(?:this field |it )?is (?:not (?:supported|permitted|allowed)|unsupported)"
    r"|(?:this field |it )is (?:not \w+|un\w+)|(?:unknown|unexpected|unsupported|unrecogni[sz]ed) (?:field|parameter))",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?:unknown|unexpected|unsupported|unrecogni[sz]ed|extra) (?:fields?|parameters?|inputs?)"
    r"\W{1,4}([a-z_]+(?:\.\w+)+)",
    re.IGNORECASE,
)
_LACKING = re.compile(
    r"(?:does not|doesn't) support (?:the )?\W?(\w+)|(?<![\w.])(\w+)\W?(?: parameter| field)? is not supported",
    re.IGNORECASE,
)
_WRONG_VALUE = re.compile(r"\b([a-z_]+)\.([a-z_]+): (?=input should be)", re.IGNORECASE)
_WRONG_FORM = re.compile(
    r"\bthinking(?:\.type)?: input (?:should be|tag)|\badaptive\W+thinking\W.{0,20}not ", re.IGNORECASE
)
_UNTHOUGHT = re.compile(r"expected \W?thinking\b.{0,60}\bfound\b", re.IGNORECASE | re.DOTALL)
_INDEX = re.compile(r"\[(\d+)\]")
_CLEARS_THINKING = "clear_thinking"
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
    if _WRONG_FORM.search(text) and (form := as_object(body.get("thinking")).get("type")):
        return Omission({f"{FORM}{form}": None})
    if paths := _paths(text, body):
        return Omission(dict.fromkeys(paths))
    if _SIGNATURE.search(text):
        return Omission({}, thinking=True)
    found = _of_values(error, body) or refusals.repair(error, body)
    if found is None or _NEEDED & {*found.drop, *found.unsupported}:
        return None
    return _consistent(found, body)


def without(body: Json, names: Iterable[str]) -> Json:
    """A copy of ``body`` without the betas and fields of these names."""
    for name in names:
        if name.startswith(BETA):
            if "betas" in body:
                body = {**body, "betas": [beta for beta in body["betas"] if BETA + beta != name]}
        elif name.startswith(FORM):
            is_this = as_object(body.get("thinking")).get("type") == name.removeprefix(FORM)
            body = _without(body, ["thinking"]) if is_this else body
        else:
            body = _without(body, name.split("."))
    if "thinking" not in body and _clears_thinking(body):
        body = {**body, "context_management": _uncleared(body)}
    return body


def _paths(text: str, body: Json) -> list[str]:
    """The fields that ``text`` says are too many, and those that it says the model has not, wherever they are."""
    plain = _INDEX.sub(r".\1", text)
    named = [".".join(_pattern(path)) for path in (*_EXTRA.findall(plain), *_NAMED.findall(plain))]
    lacking = (name for match in _LACKING.finditer(plain) for name in match.groups() if name)
    return named or [path for name in lacking for path in _places(name, body)]


def _places(name: str, body: Json) -> list[str]:
    if name in body:
        return [] if name in _NEEDED else [name]
    return [f"{top}.{name}" for top, said in body.items() if isinstance(said, dict) and name in said]


def _of_values(error: Refused, body: Json) -> refusals.Repair | None:
    """A value within an object is changed there; a turn without its thinking, and what hangs on it, go without."""
    if _UNTHOUGHT.search(error.message):
        return refusals.Repair(drop=("thinking",)) if "thinking" in body else None
    place = _WRONG_VALUE.search(error.message)
    if place is None or place[1] == "thinking" or place[2] not in as_object(body.get(place[1])):
        return None
    top, name = place[1], place[2]
    found = refusals.repair(Refused(error.message[place.start(2) :], poe_status=400), {name: body[top][name]})
    if found is None or not found.values:
        return None
    return refusals.Repair(values={top: {**body[top], **found.values}})


def _consistent(found: refusals.Repair, body: Json) -> refusals.Repair:
    """Anthropic refuses to clear thinking where there is none."""
    if "thinking" not in {*found.drop, *found.unsupported} or not _clears_thinking(body):
        return found
    return replace(found, values={**found.values, "context_management": _uncleared(body)})


def _clears_thinking(body: Json) -> bool:
    edits = as_object(body.get("context_management")).get("edits")
    return isinstance(edits, list) and any(_is_clearing(edit) for edit in edits)


def _uncleared(body: Json) -> Json:
    management = body["context_management"]
    return {**management, "edits": [edit for edit in management["edits"] if not _is_clearing(edit)]}


def _is_clearing(edit: Any) -> bool:
    return str(as_object(edit).get("type")).startswith(_CLEARS_THINKING)


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
        return _without(value, rest)  # a text block has a field called text too
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
