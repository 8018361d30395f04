"""Thinking that a bot writes into its answer: ``*Thinking...*`` with quoted lines, or lines that count the seconds.

Only at the very beginning of an answer, and only in these shapes; whatever else an answer begins with is the answer.
"""

import re

from poe_proxy.canonical.events import Event, Failed, Finished, Opaque, Reasoning, Started, Text, ToolCall, Used

_HEADING = re.compile(r"\*{1,2}Thinking(?:\.{3}|…)\*{1,2}")
_TICK = re.compile(r"\*{0,2}Thinking(?:\.{3}|…)\s*\(\d+(?:\.\d+)?\s?s(?:ec(?:onds?)?)?(?: elapsed)?\)\*{0,2}")
_HEADINGS = ("*Thinking...*", "**Thinking...**", "*Thinking…*", "**Thinking…**")
_LONGEST_LINE = 80  # that the seconds are counted in
_OPEN_TICK = re.compile(r"\*{0,2}Thinking(?:\.{3}|…)\s*(?:\([^)\n]{0,24}\)?\*{0,2})?")


class ThinkingOut:
    """Turns such a beginning into Reasoning; everything after it passes through as the same events.

    It works line by line: ``head`` while nothing but such lines came, ``quote`` after a heading, ``gap`` for the blank
    lines before the answer, and ``answer`` from then on.
    """

    __slots__ = ("_found", "_held", "_mode")

    def __init__(self) -> None:
        self._mode = "head"
        self._held = ""
        self._found = False

    def push(self, events: list[Event]) -> list[Event]:
        """Return the events with thinking told apart from the answer."""
        if self._mode == "answer" and not isinstance(events[0] if events else None, Started):
            return events
        told: list[Event] = []
        for event in events:
            told += self._event(event)
        return told

    def _event(self, event: Event) -> list[Event]:
        match event:
            case Text() if event.text and self._mode != "answer":
                return self._text(event)
            case Started():
                self._mode, self._held, self._found = "head", "", False  # an attempt that was repeated begins anew
                return [event]
            case Finished() | Failed() | ToolCall() | Used() | Opaque():
                return [*self._flush(), event]
        return [event]

    def _text(self, event: Text) -> list[Event]:
        self._held += event.text
        told: list[Event] = []
        while self._mode in ("head", "quote") and "\n" in self._held:
            told += self._line(*self._held.split("\n", 1))
        if self._has_begun():
            self._mode = "gap"
        return told + self._answer(event)

    def _has_begun(self) -> bool:
        """Whether the line that is not whole yet is already the answer's."""
        if self._mode == "quote":
            return bool(self._held.strip()) and not self._held.lstrip().startswith(">")
        return self._mode == "head" and not _may_go_on(self._held)

    def _line(self, line: str, rest: str) -> list[Event]:
        bare = line.strip()
        if self._mode == "quote":
            if bare and not bare.startswith(">"):
                self._mode = "gap"
                return []
            self._held = rest
            return [Reasoning(_thought(line) + "\n")] if bare else []
        if self._found or bare:
            self._head_line(bare)
        else:
            self._mode = "gap"  # blank lines first: an ordinary answer
        self._held = rest if self._mode != "gap" else self._held
        return []

    def _head_line(self, bare: str) -> None:
        if _HEADING.fullmatch(bare):
            self._mode, self._found = "quote", True
        elif _TICK.fullmatch(bare):
            self._found = True
        elif bare or not self._found:
            self._mode = "gap"

    def _answer(self, event: Text) -> list[Event]:
        if self._mode != "gap":
            return []
        text = self._held.lstrip("\n") if self._found else self._held
        if not text:
            self._held = ""
            return []
        self._mode, self._held = "answer", ""
        return [event if text == event.text else Text(text)]

    def _flush(self) -> list[Event]:
        """The answer has no more text: what is held was a last line of thinking, or the answer after all."""
        text, self._held = self._held, ""
        mode, self._mode = self._mode, "answer"
        if mode == "quote" and text.strip():
            return [Reasoning(_thought(text))]
        is_thinking = mode == "quote" or (mode == "head" and bool(_HEADING.fullmatch(text) or _TICK.fullmatch(text)))
        return [] if is_thinking or not text else [Text(text)]


def _may_go_on(line: str) -> bool:
    """Whether an unfinished line may still become one of thinking."""
    if len(line) > _LONGEST_LINE:
        return False
    bare = line.strip()
    if any(heading.startswith(bare) for heading in _HEADINGS):
        return True
    return "Thinking...".startswith(bare.lstrip("*")) or _OPEN_TICK.fullmatch(bare) is not None


def _thought(line: str) -> str:
    return line.strip().removeprefix(">").removeprefix(" ")


_RETURNED = re.compile(r"deepseek|kimi|mimo|minimax|glm", re.IGNORECASE)


def wants_its_thinking(model: str) -> bool:
    """Whether a model's makers ask for its ``reasoning_content`` of earlier turns back; others refuse or ignore it."""
    return _RETURNED.search(model) is not None
