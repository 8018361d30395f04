"""Structured answers from models that ignore ``response_format``: asking once more in words, and unwrapping what comes.

Poe documents the field as ignored; it worked on some models, with a space before the JSON. So it is sent, said again
in a system line, and what a model puts around its JSON is taken off.
"""

import json
import re

from poe_proxy.canonical.events import Event, Failed, Finished, Started, Text, ToolCall, Used
from poe_proxy.canonical.json import Json, as_object

_JSON_STARTS = frozenset('{["-0123456789tfn')
_FENCE = "```"
_FENCED = re.compile(r"```[^\n`]*\n(.*?)\n?\s*```", re.DOTALL)


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


class Unwrapper:
    """Takes leading space, a code fence, and prose around it off an answer that should be JSON.

    JSON that comes bare streams through untouched. An answer that begins with prose is held back to its end, since only
    then it is known whether there is JSON in it; if there is none it is passed on as it came.
    """

    def __init__(self) -> None:
        self._mode = "head"  # -> bare | opened -> fenced -> after | prose
        self._held = ""

    def push(self, events: list[Event]) -> list[Event]:
        """Return the events with texts unwrapped."""
        unwrapped: list[Event] = []
        for event in events:
            match event:
                case Text():
                    unwrapped += self._text(event)
                case Finished() | Failed() | ToolCall() | Used():
                    unwrapped += [*self._flush(), event]
                case Started():
                    self._mode, self._held = "head", ""  # an attempt that was repeated begins anew
                    unwrapped.append(event)
                case _:
                    unwrapped.append(event)
        return unwrapped

    def _text(self, event: Text) -> list[Event]:
        if self._mode == "bare":
            return [event]
        if self._mode == "after":
            return []
        self._held += event.text
        if self._mode == "head":
            self._decide()
        if self._mode == "opened":
            self._held = self._held.lstrip()
            self._mode = "fenced" if self._held else "opened"
        if self._mode == "bare":
            return self._release(len(self._held))
        return self._fenced() if self._mode == "fenced" else []

    def _decide(self) -> None:
        text = self._held = self._held.lstrip()
        if text.startswith(_FENCE):
            if "\n" in text:
                self._mode, self._held = "opened", text.partition("\n")[2]
        elif text and not _FENCE.startswith(text):
            self._mode = "bare" if text[0] in _JSON_STARTS else "prose"

    def _fenced(self) -> list[Event]:
        """All but what may be the closing fence; JSON holds no bare line breaks, so a fence on a new line is one."""
        end = self._held.find("\n" + _FENCE)
        if end >= 0:
            self._mode = "after"
            self._held = self._held[:end].rstrip()
            return self._release(len(self._held))
        return self._release(len(self._held.rstrip("`\n\r\t ")))

    def _release(self, length: int) -> list[Event]:
        text, self._held = self._held[:length], self._held[length:]
        return [Text(text)] if text else []

    def _flush(self) -> list[Event]:
        text, self._held = self._held, ""
        if self._mode == "fenced":
            text = text.rstrip("`\n\r\t ")
        elif self._mode in ("head", "prose"):
            text = _json_within(text)
        self._mode = "after" if self._mode == "fenced" else "bare"
        return [Text(text)] if text else []


def _json_within(text: str) -> str:
    """The one piece of JSON in some prose, or the prose where there is none."""
    candidates = [*_FENCED.findall(text), text[text.find("{") : text.rfind("}") + 1]]
    return next((candidate.strip() for candidate in candidates if _is_json(candidate)), text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
