"""Media answers: Poe sends an image as Markdown and the same URL again bare, so that clients show it twice."""

import re

from poe_proxy.canonical.events import Event, Failed, Finished, Started, Text, ToolCall

_TARGET = re.compile(r"""\]\(\s*+<?+(https?://[^\s()\[\]<>]++)>?+(?:\s++(?:"[^"\n]*+"|'[^'\n]*+'))?+\s*+\)""")
_LONGEST_CAPTION = 4000  # the text in brackets is the prompt
_WIDEST_GAP = 100
_BARE_LINE = re.compile(r"^[ \t]*+(https?://\S++)[ \t]*+$", re.MULTILINE)


def once(text: str, *, bare_repeats: bool = True) -> str:
    """``text`` without bare URL lines that repeat a Markdown image, or (``bare_repeats``) an earlier bare line.

    A line right after its image may lack the query that the image has, or the other way round.
    """
    images = _images(text)
    if not images and not bare_repeats:
        return text
    seen = set(images.values())
    kept: list[str] = []
    end = 0
    for match in _BARE_LINE.finditer(text):
        url = match[1]
        if url in seen or _is_same(_right_before(text, match.start(), images), url):
            kept.append(text[end : match.start()].rstrip("\n"))
            end = match.end()
        elif bare_repeats:
            seen.add(url)
    return "".join((*kept, text[end:])) if end else text


def _images(text: str) -> dict[int, str]:
    """The URLs of Markdown images, by where they end. Between one link and the next there is at most one ``![``."""
    images: dict[int, str] = {}
    end = 0
    for match in _TARGET.finditer(text):
        if text.find("![", max(end, match.start() - _LONGEST_CAPTION), match.start() + 1) >= 0:
            images[match.end()] = match[1]
        end = match.end()
    return images


def _right_before(text: str, start: int, images: dict[int, str]) -> str | None:
    gap = text[max(0, start - _WIDEST_GAP) : start]
    return images.get(start - len(gap) + len(gap.rstrip()))


def _is_same(image: str | None, url: str) -> bool:
    """Whether one of the two is the other without its query."""
    return image is not None and ("?" in image) != ("?" in url) and image.partition("?")[0] == url.partition("?")[0]


class MediaOnce:
    """``once`` for the texts among events; those of a media model are gathered, should one stream: they may be cut.

    Text models may make images too, but a line that they repeat, in a list or in code, is their own business.
    """

    __slots__ = ("_is_media", "_texts")

    def __init__(self, *, is_media: bool) -> None:
        self._is_media = is_media
        self._texts: list[Text] = []

    def push(self, events: list[Event]) -> list[Event]:
        """Return the events with media URLs once."""
        if not self._is_media:
            return [self._once(event) if isinstance(event, Text) else event for event in events]
        passed: list[Event] = []
        for event in events:
            match event:
                case Text():
                    self._texts.append(event)
                    continue
                case Started():
                    self._texts = []  # an attempt that was repeated begins anew
                case Finished() | Failed() | ToolCall():
                    passed += self._gathered()
            passed.append(event)
        return passed

    def _gathered(self) -> list[Text]:
        texts, self._texts = self._texts, []
        whole = Text("".join(event.text for event in texts))
        told = self._once(whole)
        return texts if told is whole else [told]

    def _once(self, event: Text) -> Text:
        if "http" not in event.text:
            return event
        text = once(event.text, bare_repeats=self._is_media)
        return event if text == event.text else Text(text)
