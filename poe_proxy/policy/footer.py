"""The footer under an answer: when there is one, what it says, and how it is taken out of the history again.

What is stripped is exactly what is written here, so both stand side by side. It knows neither prices nor balance.
"""

import re
from collections.abc import Sequence

from poe_proxy.canonical.card import FooterMode, ModelCard
from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.events import Event, Failed, Finished, Refusal, Started, Text, Used
from poe_proxy.canonical.json import Json, as_object
from poe_proxy.canonical.usage import Usage
from poe_proxy.policy.structured import wants_json

_COUNT = r"\d{1,3}(?:,\d{3})*"
_PARTS = (
    rf"Tokens: {_COUNT} total \({_COUNT} in, {_COUNT} out\)",
    rf"Points: {_COUNT}(?: est\.)?(?: \(\$\d+(?:\.\d+)?\))?",
    rf"Balance: {_COUNT}",
)
_LINE = rf"(?:{_PARTS[0]}(?: \| {_PARTS[1]})?(?: \| {_PARTS[2]})?|{_PARTS[1]}(?: \| {_PARTS[2]})?|{_PARTS[2]})"
_WARNING = rf"Warning: more than {_COUNT} points for one answer\.(?: Cheaper: [^\r\n]{{1,1000}})?"
_FOOTER = re.compile(rf"---\r?\n{_LINE}(?:(?:\r?\n){{1,2}}{_WARNING})?\s*\Z")
_GAPS = ("\n\n", "\r\n\r\n")  # clients may have line breaks of their own
_LONGEST = 1500


def is_wanted(asked: str, card: ModelCard, setting: FooterMode, body: Json) -> bool:
    """Whether the answer to ``body`` gets a footer; the request's header (``asked``) goes before the model's mode,
    and that before the setting. Anything but ``on`` and ``off`` in the header says nothing."""
    match asked.strip().lower():
        case "on":
            return True
        case "off":
            return False
    mode = card.footer or setting
    return mode == "always" or (mode == "auto" and not _does_harm(card, body))


def _does_harm(card: ModelCard, body: Json) -> bool:
    """Answers that programs read, and media, where a client takes the text for the way to a file."""
    return card.is_media or bool(body.get("tools") or body.get("functions")) or wants_json(body)


def text(usage: Usage | None, cost: Cost, warning: str = "") -> str:
    """The footer, with the blank line before it; empty where nothing is known."""
    line = " | ".join(part for part in (_tokens(usage), _points(cost), _balance(cost)) if part)
    if not line:
        return ""
    return f"\n\n---\n{line}" + (f"\n\n{warning}" if warning else "")


def warning(threshold: int, cheaper: Sequence[tuple[ModelCard, int]]) -> str:
    """The line for an answer that cost more than ``threshold`` points, with models that would have cost less."""
    said = f"Warning: more than {threshold:,} points for one answer."
    names = named(cheaper)
    return f"{said} Cheaper: {names}" if names else said


def named(models: Sequence[tuple[ModelCard, int]]) -> str:
    """``gpt-5-nano (about 12 points), …``"""
    return ", ".join(f"{card.name} (about {points:,} points)" for card, points in models)


def _tokens(usage: Usage | None) -> str:
    if usage is None:
        return ""
    return f"Tokens: {usage.prompt + usage.completion:,} total ({usage.prompt:,} in, {usage.completion:,} out)"


def _points(cost: Cost) -> str:
    if cost.points is None or cost.usd is None:
        return ""
    if cost.source != "settled":
        return f"Points: {cost.points:,} est."
    return f"Points: {cost.points:,} (${cost.usd.normalize():f})"


def _balance(cost: Cost) -> str:
    return f"Balance: {cost.balance:,}" if cost.balance is not None else ""


def stripped(said: str) -> str:
    """``said`` without the footers at its end, however many stand there."""
    while (start := _start(said)) is not None:
        said = said[:start]
    return said


def _start(said: str) -> int | None:
    """Where the last footer begins; clients trim what they keep, so an empty answer's begins at once."""
    end = len(said.rstrip())  # however much of nothing follows
    found = _FOOTER.search(said, max(0, end - _LONGEST), end)
    if found is None:
        return None
    if found.start() == 0:
        return 0
    gap = next((gap for gap in _GAPS if said.endswith(gap, 0, found.start())), None)
    return None if gap is None else found.start() - len(gap)


def out_of_history(messages: list[Json]) -> tuple[list[Json], int]:
    """The messages without footers at the ends of the assistant's, and how many messages had one.

    Messages that change are copied; all others are the same objects.
    """
    clean = [_clean(message) if message.get("role") == "assistant" else message for message in messages]
    return clean, sum(before is not after for before, after in zip(messages, clean, strict=True))


def _clean(message: Json) -> Json:
    content = message.get("content")
    if isinstance(content, str):
        short = stripped(content)
        return message if short == content else {**message, "content": short}
    if isinstance(content, list) and content:
        parts = _clean_parts(content)
        return message if parts is content else {**message, "content": parts}
    return message


def _clean_parts(parts: list[Json]) -> list[Json]:
    """A part that was nothing but a footer goes as a whole, unless it is the only one."""
    last = as_object(parts[-1])
    said = last.get("text")
    if len(parts) > 1 and isinstance(said, str) and not said.strip():
        before = _clean_parts(parts[:-1])
        return parts if before == parts[:-1] else before
    if not isinstance(said, str) or (short := stripped(said)) == said:
        return parts
    if short or len(parts) == 1:
        return [*parts[:-1], {**last, "text": short}]
    return _clean_parts(parts[:-1])


class FooterStage:
    """Holds an answer's end back until its cost is known: the usage always, the finish where a footer comes before it.

    All content passes at once.
    """

    __slots__ = ("_finished", "_has_text", "_is_on", "_refused", "_used", "failed")

    def __init__(self, *, is_on: bool) -> None:
        self._is_on = is_on
        self._has_text = False
        self._refused = False
        self._finished: list[Event] = []
        self._used: Used | None = None
        self.failed = False

    @property
    def waits(self) -> bool:
        """Whether a footer is about to be written, so that it is worth waiting for what it says."""
        return self._is_on and not self.failed and (self._has_text or not self._refused)

    def push(self, events: list[Event]) -> list[Event]:
        """Return what may leave now."""
        passed: list[Event] = []
        for event in events:
            match event:
                case Used():
                    self._used = event
                case Started():
                    self._finished, self._used = [], None  # an attempt that was repeated begins anew
                    passed.append(event)
                case Finished() if self._is_on:
                    self._finished.append(event)
                case Failed():
                    self.failed = True
                    passed += [*self._finished, event]
                    self._finished, self._used = [], None
                case Text():
                    self._has_text = True
                    passed.append(event)
                case _:
                    self._refused = self._refused or isinstance(event, Refusal)
                    passed.append(event)
        return passed

    def close(self, footer: str, cost: Cost | None) -> list[Event]:
        """Return the rest: ``footer`` where one is awaited, the finish, the usage with ``cost`` if it is told."""
        rest: list[Event] = [Text(footer)] if footer and self.waits else []
        rest += self._finished
        if self._used is not None:
            rest.append(Used(self._used.usage, self._used.frame, cost))
        return rest
