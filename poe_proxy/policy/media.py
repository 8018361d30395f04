"""Media answers: Poe sends an image as Markdown and the same URL again bare, so that clients show it twice."""

import re

from poe_proxy.canonical.events import Event, Text

_LINKED = re.compile(r"!\[[\s\S]{0,4000}?\]\((https?://[^\s)]+)\)")  # the text in brackets is the prompt
_BARE_LINE = re.compile(r"^[ \t]*(https?://\S+)[ \t]*$", re.MULTILINE)


def once(text: str, *, bare_repeats: bool = True) -> str:
    """``text`` without bare URL lines that repeat a Markdown image, or (``bare_repeats``) an earlier bare line."""
    seen = set(_LINKED.findall(text))
    if not seen and not bare_repeats:
        return text
    repeated: list[tuple[int, int]] = []
    for match in _BARE_LINE.finditer(text):
        if match.group(1) in seen:
            repeated.append(match.span())
        elif bare_repeats:
            seen.add(match.group(1))
    for start, end in reversed(repeated):
        text = text[:start].rstrip("\n") + text[end:]
    return text


class MediaOnce:
    """``once`` for the texts among events; media models are asked without streaming, so their text comes whole.

    Text models may make images too, but a line that they repeat, in a list or in code, is their own business.
    """

    def __init__(self, *, is_media: bool) -> None:
        self._is_media = is_media

    def push(self, events: list[Event]) -> list[Event]:
        """Return the events with media URLs once."""
        return [self._once(event) if isinstance(event, Text) else event for event in events]

    def _once(self, event: Text) -> Text:
        if "http" not in event.text:
            return event
        text = once(event.text, bare_repeats=self._is_media)
        return event if text == event.text else Text(text)
