"""The one reasoning knob: how hard a model should think, in whatever words the caller has, turned into the model's own.

Clients say ``reasoning_effort``, a token budget, Anthropic's ``thinking`` or a switch; models declare one or two of
nine names with values of their own. A level goes to the nearest declared one, of two equally near ones to the
cheaper; no thinking at all is only for those who ask for that.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from poe_proxy.canonical.card import ModelCard, Parameter
from poe_proxy.canonical.json import Json, as_object

LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
BUDGETS: Mapping[str, int] = {
    "none": 0,
    "minimal": 1024,
    "low": 4096,
    "medium": 8192,
    "high": 16384,
    "xhigh": 32768,
    "max": 65536,
}
"""Tokens of thinking that a level stands for, cut to what the model declares. Ours; it stands in docs/parameters.md."""

EFFORTS = ("reasoning_effort", "output_effort", "effort", "thinking_level")
BUDGET = "thinking_budget"
SWITCHES = ("enable_thinking", "enable_reasoning", "reasoning_enabled", "deep_thinking")
DECLARABLE = (*EFFORTS, BUDGET, *SWITCHES)
ASKED_AS = (*DECLARABLE, "thinking", "reasoning")
_SYNONYMS = {
    "off": "none",
    "no": "none",
    "false": "none",
    "disabled": "none",
    "on": "medium",
    "yes": "medium",
    "true": "medium",
    "enabled": "medium",
    "auto": "medium",
    "adaptive": "medium",
}
_ON = "medium"  # what "think, please" means where a level has to be named
_MEDIUM_ONLY = re.compile(r"-(instant|chat-latest)$|^assistant$", re.IGNORECASE)
"""Poe fact: the chat-tuned GPT models take the effort medium and no other, and the catalogue does not say so."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How hard to think: a level, and the exact tokens where the caller gave a number."""

    level: str
    tokens: int | None = None


_OFF = Wish("none")


def turn(body: Json, card: ModelCard) -> list[str]:
    """Replace the caller's words in ``body`` (changed in place) by the model's own; return what was changed.

    A name that the model itself declares is kept, its value moved to the nearest valid one. Of a model's two knobs the
    effort wins. Nothing is touched for a model that the catalogue does not know.
    """
    asked = {name: body[name] for name in ASKED_AS if body.get(name) is not None}
    if not asked or not card.in_catalogue:
        return []
    own = {name: value for name, value in asked.items() if name in card.parameters}
    foreign = {name: value for name, value in asked.items() if name not in own}
    changes = _settle_own(body, own, card)
    if foreign:
        changes += _translate(body, foreign, own, card)
    return changes


def _settle_own(body: Json, own: Mapping[str, Any], card: ModelCard) -> list[str]:
    changes = []
    for name, value in own.items():
        wish = _wish_of(name, value)
        fitted = _valid(value, card.parameters[name]) if wish is None else _setting(name, wish, card, value)
        if fitted is None:
            del body[name]
            changes.append(f"dropped {name}")
        elif fitted != value or type(fitted) is not type(value):  # 1 is no boolean, though Python has it equal to True
            body[name] = fitted
            changes.append(f"{name} set to {_shown(fitted)}")
        if wish is not None and wish.level == "none":
            changes += _second_off(body, own, card)
    return changes


def _second_off(body: Json, own: Mapping[str, Any], card: ModelCard) -> list[str]:
    """No thinking was asked for with one knob of the model's: a second one, of which nothing was said, agrees."""
    silent = {name: value for name, value in _others_off(card).items() if name not in own and name not in body}
    body.update(silent)
    return [f"{name} set to {_shown(value)}" for name, value in silent.items()]


def _translate(body: Json, foreign: Mapping[str, Any], own: Mapping[str, Any], card: ModelCard) -> list[str]:
    for name in foreign:
        del body[name]
    wish = _wish(foreign)
    target = _target(card)
    if wish is None or target is None or _wins(own, foreign):
        return [f"dropped {name}" for name in foreign]
    settings = _settings(target, wish, card)
    for name in own:
        if name in DECLARABLE and name not in settings:
            body.pop(name, None)
    body.update(settings)
    said = ", ".join(f"{name}={_shown(value)}" for name, value in settings.items())
    return [f"{name} became {said}" for name in foreign]


def _wins(own: Mapping[str, Any], foreign: Mapping[str, Any]) -> bool:
    """Whether what was said in the model's own words stands: an effort always, the rest unless an effort came."""
    if any(name in EFFORTS for name in own):
        return True
    return any(name in DECLARABLE for name in own) and not any(name in EFFORTS for name in foreign)


def _target(card: ModelCard) -> str | None:
    declared = next((name for name in DECLARABLE if name in card.parameters), None)
    return declared or ("reasoning_effort" if card.takes_effort else None)


def _settings(target: str, wish: Wish, card: ModelCard) -> Json:
    """The target's value; and where no thinking is wanted, the model's second knob turned off as well."""
    settings = {target: _setting(target, wish, card)}
    return {**settings, **_others_off(card)} if wish.level == "none" else settings


def _others_off(card: ModelCard) -> Json:
    return {name: _setting(name, _OFF, card) for name in (BUDGET, *SWITCHES) if name in card.parameters}


def _setting(name: str, wish: Wish, card: ModelCard, said: Any = None) -> Any:
    parameter = card.parameters.get(name)
    if name in SWITCHES:
        return wish.level != "none"
    if parameter is None:
        return _ON if _MEDIUM_ONLY.search(card.poe_name) else wish.level
    if name == BUDGET:
        return _budget(wish, parameter)
    return said if said in parameter.values else nearest_level(wish.level, parameter.values)


def _budget(wish: Wish, parameter: Parameter) -> int:
    tokens = BUDGETS[wish.level] if wish.tokens is None else wish.tokens
    if wish.level == "max" and parameter.maximum is not None:
        tokens = int(parameter.maximum)
    low = 0 if parameter.minimum is None else int(parameter.minimum)
    high = tokens if parameter.maximum is None else int(parameter.maximum)
    return max(low, min(tokens, high))


def nearest_level(level: str, allowed: Iterable[str]) -> str | None:
    """The allowed level nearest to ``level``; of two equally near the lower. None where none of them is a level.

    Only ``none`` means none: whoever asks for a little thinking gets some, where there is any to be had.
    """
    known = [value for value in allowed if value in LEVELS]
    known = [value for value in known if value != "none" or level == "none"] or known
    if level not in LEVELS or not known:
        return None
    place = LEVELS.index(level)
    return min(known, key=lambda value: (abs(LEVELS.index(value) - place), LEVELS.index(value)))


def level_of_budget(tokens: int) -> str:
    """The level whose table entry is nearest to ``tokens``."""
    if tokens <= 0:
        return "none"
    return min((level for level in LEVELS if level != "none"), key=lambda level: abs(BUDGETS[level] - tokens))


def _wish(asked: Mapping[str, Any]) -> Wish | None:
    order = (*EFFORTS, "reasoning", "thinking", BUDGET, *SWITCHES)
    wishes = (_wish_of(name, asked[name]) for name in order if name in asked)
    return next((wish for wish in wishes if wish is not None), None)


def _wish_of(name: str, value: Any) -> Wish | None:
    if name == "reasoning" and isinstance(value, dict):
        return _wish_of_object(value, "effort", "max_tokens")
    if name == "thinking" and isinstance(value, dict):
        return _wish_of_object(value, "type", "budget_tokens")
    if isinstance(value, bool):
        return Wish(_ON if value else "none")
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, int | float):
        return Wish(level_of_budget(int(value)), int(value))
    level = _SYNONYMS.get(str(value).lower(), str(value).lower())
    return Wish(level) if level in LEVELS else None


def _wish_of_object(value: Json, word: str, tokens: str) -> Wish | None:
    value = as_object(value)
    if value.get("enabled") is False or value.get("type") == "disabled":
        return Wish("none")
    if isinstance(value.get(tokens), int):
        return _wish_of(BUDGET, value[tokens])
    return _wish_of(word, value[word]) if isinstance(value.get(word), str) else Wish(_ON)


def _valid(value: Any, parameter: Parameter) -> Any:
    """``value`` if the model can make sense of it, which is left to Poe only for free text."""
    return value if value in parameter.values or (parameter.kind == "string" and not parameter.values) else None


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
