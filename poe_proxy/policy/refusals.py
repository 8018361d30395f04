"""Reading a 400: which parameter or value of this body Poe does not want, and what to send instead.

Poe passes on the words of many providers, and the body of its own strict validation was never seen. So a name counts
only if it is in the body, and only quoted, in ``param``, or where a sentence about parameters names it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from poe_proxy.canonical.errors import Refused
from poe_proxy.canonical.json import Json
from poe_proxy.policy import knob
from poe_proxy.policy.parameters import PROTECTED

_MAX_TOKENS = ("max_tokens", "max_completion_tokens")
_QUOTED = re.compile(r"['\"`‘“]([A-Za-z_][\w.\[\]]*)['\"`’”]")
_NAMED = re.compile(
    r"(?:parameters?|arguments?(?: supplied)?|fields?(?:\(s\))?|propert(?:y|ies)|options?|keys?|inputs?)"
    r"\s*:?\s+((?:[A-Za-z_][\w.]*)(?:\s*,\s*[A-Za-z_][\w.]*)*)",
    re.IGNORECASE,
)
_CLAIM = (
    r"(?:is|are|was) (?:not|un\w+|too|deprecated|invalid|required to be)\b|does not\b"
    r"|(?:must|should|cannot|may not) be\b"
    r"|(?:may|can|must) only be\b|(?:has|have) to be\b"
    r"|extra inputs are not permitted"
)
_SUBJECT = re.compile(
    r"(?:^|[\s(])(?P<article>(?:an?|the|this|that|its|your|last|first)\s+)?(?P<name>[A-Za-z_][\w.]*)"
    rf"(?:\s*:|\s+(?:{_CLAIM}))",
    re.IGNORECASE | re.MULTILINE,
)
_ANNOUNCED = re.compile(
    r"(?:parameters?|arguments?|fields?|names?|propert(?:y|ies)|keys?|options?|inputs?|invalid|un\w+|for)\W*$",
    re.IGNORECASE,
)
_CLAIMED = re.compile(rf"\W?\s*(?::|(?:{_CLAIM}))", re.IGNORECASE)
_ALLOWED = re.compile(
    r"(?:(?:supported|allowed|valid|permitted) values(?: are| is)?|(?:must be|expected) one of|one of|input should be)"
    r"\s*:?\s*(.+)",
    re.IGNORECASE | re.DOTALL,
)
_VALUES = re.compile(r"['\"`‘“]([^'\"`’”]+)['\"`’”]")
_LIMIT = re.compile(
    r"(?:at most|maximum(?: allowed| value)?(?: of| is)?|max(?:imum)? is|less than or equal to|not exceed|<=|up to"
    r"|limit(?: of| is)?|\d >)\D{0,60}?(\d[\d,_]*(?:\.\d+)?)",
    re.IGNORECASE,
)
_FLOOR = re.compile(
    r"(?:at least|minimum(?: of| is)?|greater than or equal to|>=)\D{0,40}?(\d[\d,_]*(?:\.\d+)?)", re.IGNORECASE
)
_RANGE = re.compile(
    r"(?:between|range\D{0,40})\s*\[?(-?\d+(?:\.\d+)?)(?:\s+and\s+|\s*(?:,|\.{2,3})\s*)(-?\d+(?:\.\d+)?)", re.IGNORECASE
)
_STATED = re.compile(
    r"(?:(?:may|can|must|should) (?:only )?be|(?:has|have|required|needs?) to be)"
    r"(?: set| equal| exactly)?(?: to| as)?\s+"
    r"(?:(?P<bare>-?\d+(?:\.\d+)?(?![\w.]*\w)|true|false)\b|['\"`‘“](?P<quoted>[^'\"`’”]+)['\"`’”])"
    r"(?! (?:or|and) )",
    re.IGNORECASE,
)
_DEFAULT_ONLY = re.compile(r"only the default", re.IGNORECASE)
_INSTEAD = re.compile(r"use\s+['\"`]([A-Za-z_]\w*)['\"`]\s+instead", re.IGNORECASE)
_VALUE_REFUSED = re.compile(
    r"unsupported value|invalid value|does not support \S+ with this model|too (large|small|high|low)", re.IGNORECASE
)
_NAME_REFUSED = re.compile(
    r"(?:unknown|unrecogni[sz]ed|unsupported|unexpected|extra|invalid) (?:request |keyword |body )?"
    r"(?:parameters?|arguments?|fields?|inputs?|propert(?:y|ies)|keys?)\b"
    r"|extra inputs are not permitted|additional properties",
    re.IGNORECASE,
)
_NOT_SUPPORTED = re.compile(
    r"(?:not|n't|un-?)\s?(?:currently )?support|not (?:permitted|allowed|available|recogni[sz]ed)"
    r"|not a valid (?:parameter|field)|unknown (?:name|field|parameter)|unrecogni[sz]ed|was unexpected"
    r"|deprecated|instead\b",
    re.IGNORECASE,
)
_ABOUT_A_VALUE = (_VALUE_REFUSED, _ALLOWED, _LIMIT, _FLOOR, _RANGE, _DEFAULT_ONLY, _STATED)
_NUMBERS = re.compile(r"\b(?:\d+|[0-9a-f-]{12,}|req_\w+)\b")
_EITHER = re.compile(r"cannot both|can't both|only one of|not both|mutually exclusive|together with", re.IGNORECASE)
_MAX_TEXT = 2000
_BEFORE_NAME = 60
_AND = re.compile(r"\W?\s*(?:,|and|or|,\s*(?:and|or)|&)\s*\W?")
_LISTED = re.compile(r":\s*([A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*)\s*\.?\s*$")


@dataclass(frozen=True, slots=True)
class Repair:
    """What to change in a body. ``unsupported`` is worth remembering: name -> the name to use instead, or None."""

    values: Mapping[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    unsupported: Mapping[str, str | None] = field(default_factory=dict)

    def apply(self, body: Json) -> Json:
        """A copy of ``body`` with the change made."""
        repaired = {
            name: value for name, value in body.items() if name not in self.drop and name not in self.unsupported
        }
        for name, value in self.values.items():
            if name in body:
                repaired[name] = value
        for name, instead in self.unsupported.items():
            if instead is not None and name in body:
                repaired.setdefault(instead, body[name])
        return repaired

    def words(self) -> list[str]:
        """The change in words for ``x-poe-changes``."""
        renamed = [
            f"dropped {n}" if instead is None else f"{n} became {instead}" for n, instead in self.unsupported.items()
        ]
        return renamed + [f"dropped {n}" for n in self.drop] + [f"{n} set to {v}" for n, v in self.values.items()]


def repair(error: Refused, body: Json) -> Repair | None:
    """What ``error`` asks to change in ``body``, or None where it names nothing that may be changed."""
    text = _text(error)
    names = _names(error, body)
    if len(names) > 1 and _EITHER.search(text):
        return Repair(drop=(names[1],))
    if _is_about_a_value(text) and not (names and _NAME_REFUSED.search(text)):
        return _repair_value(text, names, body)
    if not names:
        return None
    if not (_NAME_REFUSED.search(text) or _NOT_SUPPORTED.search(text)):
        return Repair(drop=tuple(names))
    instead = _INSTEAD.search(text)
    rename = instead.group(1) if instead and instead.group(1) not in names[:1] else None
    return Repair(unsupported={name: rename if name == names[0] else None for name in names if name != rename})


def is_same(one: Refused, other: Refused) -> bool:
    """Whether two errors say the same, whatever numbers (an id, a time) they say it with."""
    return one.param == other.param and _NUMBERS.sub("", _text(one)) == _NUMBERS.sub("", _text(other))


def _text(error: Refused) -> str:
    return error.message[:_MAX_TEXT]


def _is_about_a_value(text: str) -> bool:
    return any(pattern.search(text) for pattern in _ABOUT_A_VALUE)


def _names(error: Refused, body: Json) -> list[str]:
    """Top-level fields of ``body`` that the error names and that may be changed, the surest first."""
    found: list[str] = []
    for name in _candidates(error):
        top = re.split(r"[.\[]", name.removeprefix("body."), maxsplit=1)[0]
        if top in body and top not in PROTECTED and top not in found:
            found.append(top)
    return found or _spoken(_text(error), body)[:1]


def _candidates(error: Refused) -> Iterator[str]:
    text = _text(error)
    if error.param:
        yield error.param
    listed_from = -1
    for match in _QUOTED.finditer(text):
        before = text[max(0, match.start() - _BEFORE_NAME) : match.start()]
        is_listed = listed_from >= 0 and _AND.fullmatch(text, listed_from, match.start()) is not None
        is_named = _ANNOUNCED.search(before) or _CLAIMED.match(text, match.end()) or is_listed
        listed_from = match.end() if is_named else -1
        if is_named or _is_code(match[1]):
            yield match[1]
    for match in (*_NAMED.finditer(text), *_LISTED.finditer(text)):
        named = re.split(r"\s*,\s*", match[1])
        yield from (name for name in named if _is_code(name) or _NAME_REFUSED.search(text))
    for match in _SUBJECT.finditer(text):
        if _is_code(match["name"]) or not match["article"]:
            yield match["name"]


def _spoken(text: str, body: Json) -> list[str]:
    """Names that stand in the text without any sign that they are names: ``max_tokens``, or "thinking budget"."""
    words = text.lower().replace("_", " ")
    return [name for name in body if name not in PROTECTED and _is_code(name) and name.replace("_", " ") in words]


def _is_code(name: str) -> bool:
    """Whether a name is no word of plain English, as ``user`` and ``stop`` are."""
    return not name.isalpha()


def _repair_value(text: str, names: list[str], body: Json) -> Repair | None:
    allowed = _ALLOWED.search(text)
    values = _VALUES.findall(allowed.group(1)) if allowed else []
    name = names[0] if names else _holder(text, body, values)
    if name is None:
        return _limit_of_output(text, body)
    if isinstance(body[name], dict):  # what was refused is a value within it
        return Repair(drop=(name,))
    nearest = _nearest(body[name], values) if values else _within(body[name], text)
    if nearest is None and not isinstance(body[name], list | dict) and (stated := _STATED.search(text)):
        nearest = _as_stated(stated)
    if nearest is None or nearest == body[name]:
        return Repair(drop=(name,))
    return Repair(values={name: nearest})


def _holder(text: str, body: Json, allowed: list[str]) -> str | None:
    """The field that holds a value which the error quotes: "'high' is not supported" names no field."""
    quoted = [value for value in _VALUES.findall(text) if value not in allowed]
    return next(
        (
            name
            for value in quoted
            for name, held in body.items()
            if name not in PROTECTED and isinstance(held, str | int | float) and str(held) == value
        ),
        None,
    )


def _limit_of_output(text: str, body: Json) -> Repair | None:
    name = next((name for name in _MAX_TOKENS if name in body), None)
    limit = _LIMIT.search(text)
    if name is None or limit is None or not re.search(r"token|output|completion", text, re.IGNORECASE):
        return None
    return Repair(values={name: _as_number(limit.group(1))})


def _nearest(value: Any, allowed: list[str]) -> Any:
    level = knob.nearest_level(str(value).lower(), allowed)
    if level is not None:
        return level
    numbers = [number for text in allowed if isinstance(number := _as_number(text), int | float)]
    if numbers and isinstance(value, int | float):
        return min(numbers, key=lambda number: abs(number - value))
    return allowed[0] if allowed else None


def _within(value: Any, text: str) -> Any:
    """``value`` moved to the bound that the error states, None where it states none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if bounds := _RANGE.search(text):
        low, high = (_as_number(bound) for bound in bounds.groups())
        return max(low, min(value, high))
    for pattern, moved in _BOUNDS:
        if (bound := pattern.search(text)) and (limit := _as_number(bound.group(1))) is not None:
            return moved(value, limit)
    return None


_BOUNDS: tuple[tuple[re.Pattern[str], Callable[[Any, Any], Any]], ...] = ((_LIMIT, min), (_FLOOR, max))


def _as_stated(stated: re.Match[str]) -> Any:
    if (quoted := stated["quoted"]) is not None:
        number = _as_number(quoted)
        return quoted if number is None else number
    bare = stated["bare"].lower()
    return bare == "true" if bare in ("true", "false") else _as_number(bare)


def _as_number(text: str) -> Any:
    plain = re.sub(r"[,_]", "", text)
    try:
        return int(plain)
    except ValueError:
        pass
    try:
        return float(plain)
    except ValueError:
        return None


class Memory:
    """What Poe refused before: parameters that a model does not support, each for ``ttl_s`` seconds of ``clock``."""

    def __init__(self, clock: Callable[[], float], *, ttl_s: float = 6 * 3600, models: int = 1000) -> None:
        self._clock = clock
        self._ttl_s = ttl_s
        self._models = models
        self._known: dict[str, dict[str, tuple[float, str | None]]] = {}

    def learn(self, model: str, unsupported: Mapping[str, str | None]) -> None:
        """Remember for ``model`` (whatever its case); the model learned of longest ago makes room."""
        known = self._known.pop(model.lower(), {})
        known.update({name: (self._clock() + self._ttl_s, instead) for name, instead in unsupported.items()})
        self._known[model.lower()] = known
        while len(self._known) > self._models:
            del self._known[next(iter(self._known))]

    def forget(self, model: str, names: Iterable[str]) -> None:
        """Unlearn what turned out to be no reason."""
        known = self._known.get(model.lower(), {})
        for name in names:
            known.pop(name, None)

    def recall(self, model: str) -> Mapping[str, str | None]:
        """What ``model`` is still known not to support."""
        known = self._known.get(model.lower())
        if not known:
            return {}
        now = self._clock()
        return {name: instead for name, (until, instead) in known.items() if until > now}
