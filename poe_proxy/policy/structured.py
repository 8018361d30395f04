"""Structured answers from models that ignore ``response_format``: asking once more in words, and unwrapping what comes.

Poe documents the field as ignored; it worked on some models, with a space before the JSON. So it is sent, said again
in a system line, and what a model puts around its JSON is taken off.
"""

import json
import re
from typing import Any

from poe_proxy.canonical.events import Event, Failed, Finished, Started, Text, ToolCall
from poe_proxy.canonical.json import Json, as_object
from poe_proxy.policy.json_within import FENCE, SPACE, json_within

_BEFORE = re.compile(rf"{SPACE}(?:{FENCE}{SPACE})*+")
_MAY_BE_FENCE = ("`", "``", "~", "~~")
_LONGEST_HEAD = 256
_SIGNS = re.compile(r'["\\{}\[\]]')


def wants_json(body: Json) -> bool:
    """Whether ``response_format`` asks for JSON."""
    return as_object(body.get("response_format")).get("type") in ("json_object", "json_schema")


def say_it_in_words(messages: list[Json], body: Json) -> list[Json]:
    """The messages with the format as a system line: at the end of the first system message, or as one of its own."""
    line = _line(as_object(body.get("response_format")))
    if messages and messages[0].get("role") == "system":
        return [_with_line(messages[0], line), *messages[1:]]
    return [{"role": "system", "content": line}, *messages]


def _line(form: Json) -> str:
    schema = as_object(form.get("json_schema")).get("schema")
    rule = "When you give your answer, answer with JSON only: no explanation, no code fence."
    if not isinstance(schema, dict):
        return f"{rule} The answer is one JSON object."
    return f"{rule} The JSON follows this JSON schema exactly:\n{json.dumps(schema, ensure_ascii=False)}"


def _with_line(message: Json, line: str) -> Json:
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [*content, {"type": "text", "text": line}]}
    return {**message, "content": f"{content}\n\n{line}"}


def _starts(form: Any) -> str:
    """With which of ``{`` and ``[`` the JSON may begin; neither where the schema asks for a text or a number."""
    form = as_object(form)
    if not form:
        return "{["
    schema = as_object(as_object(form.get("json_schema")).get("schema"))
    if form.get("type") == "json_object" or not schema or "properties" in schema:
        return "{"
    kind = schema.get("type")
    if not isinstance(kind, str):
        return "{["  # a $ref, a choice of several
    return {"object": "{", "array": "["}.get(kind, "")


class Unwrapper:
    """Takes leading space, code fences, and prose around it off an answer that should be JSON.

    JSON that comes bare, or in a fence, streams through; what follows its end is dropped. An answer that begins with
    prose is held back to its end, since only then it is known whether there is JSON in it; if there is none it is
    passed on as it came.
    """

    __slots__ = ("_end", "_held", "_mode", "_starts")

    def __init__(self, response_format: Any = None) -> None:
        self._starts = _starts(response_format)
        self._begin()

    def _begin(self) -> None:
        self._mode = "head"  # -> bare -> after | prose -> through
        self._held: list[str] = []
        self._end = _End()

    def push(self, events: list[Event]) -> list[Event]:
        """Return the events with texts unwrapped."""
        unwrapped: list[Event] = []
        for event in events:
            match event:
                case Text():
                    unwrapped += self._text(event)
                case Finished() | Failed() | ToolCall():
                    unwrapped += [*self._flush(), event]
                case Started():
                    self._begin()  # an attempt that was repeated begins anew
                    unwrapped.append(event)
                case _:
                    unwrapped.append(event)
        return unwrapped

    def _text(self, event: Text) -> list[Event]:
        match self._mode:
            case "bare":
                return self._bare(event.text, event)
            case "after":
                return []
            case "through":
                return [event]
        self._held.append(event.text)
        return self._head(event) if self._mode == "head" else []

    def _head(self, event: Text) -> list[Event]:
        text = "".join(self._held).lstrip()
        rest = text[_BEFORE.match(text).end() :]  # type: ignore[union-attr]  # it matches no characters, too
        if rest and rest[0] in self._starts:
            self._mode, self._held = "bare", []
            return self._bare(rest, event)
        self._held = [text]
        if len(text) > _LONGEST_HEAD or (rest and rest not in _MAY_BE_FENCE):
            self._mode = "prose"
        return []

    def _bare(self, text: str, event: Text) -> list[Event]:
        end = self._end.of(text)
        if end is not None:
            self._mode = "after"
            text = text[:end]
        return [event if text == event.text else Text(text)]

    def _flush(self) -> list[Event]:
        text, self._held = "".join(self._held), []
        if self._mode in ("head", "prose"):
            self._mode = "through"
            text = json_within(text, self._starts)
        return [Text(text)] if text else []


class _End:
    """Counts brackets, those in strings left out, to the end of the first value."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def of(self, text: str) -> int | None:
        """Where in ``text``, the next piece, the value ends; None where it goes on."""
        if self._in_string and not self._escaped and '"' not in text and "\\" not in text:
            return None  # most pieces of most texts
        start = 1 if self._escaped and text else 0
        self._escaped = self._escaped and not text
        after_escape = start
        for match in _SIGNS.finditer(text, start):
            sign, at = match[0], match.start()
            if at < after_escape:
                continue
            if self._in_string:
                if sign == '"':
                    self._in_string = False
                elif sign == "\\":
                    after_escape = at + 2
                    self._escaped = after_escape > len(text)
            elif sign == '"':
                self._in_string = True
            elif sign in "{[":
                self._depth += 1
            elif sign in "}]":
                self._depth -= 1
                if self._depth == 0:
                    return match.end()
        return None
