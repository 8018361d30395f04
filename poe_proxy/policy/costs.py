"""What there is to count in a message, and what is charged for things that are no text. It counts nothing itself.

The fixed prices are what the makers document or show, rounded up: docs/clipping.md says where those of images are from.
"""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from poe_proxy.canonical.json import Json, as_object

Counter = Callable[[str], int]
"""The tokens of a text."""
MESSAGE = 4
"""Tokens around each message: its role and where it begins and ends."""
IMAGE = 1600
"""Tokens of an image that cannot be looked into."""
_IMAGE_LOW = 85
FILE_UNSEEN = 2000
"""Tokens of a file that only its address is known of."""
_FILE_LEAST, _FILE_MOST = 250, 50_000
_BYTES_PER_TOKEN = {"text": 3, "audio": 500, "video": 1000}
_BYTES_PER_TOKEN_OF_DOCUMENTS = 32
_FILES = frozenset({"file", "input_audio", "video_url", "audio_url", "input_file"})
_DATA = ("file_data", "data", "url")
_SEEN = frozenset({"role", "content"})
_BESIDE_MESSAGES = ("tools", "functions", "response_format")

Weight = tuple[int, list[str]]
"""Tokens at a fixed price, and the texts that are still to be counted."""


def weigh(message: Json) -> Weight:
    """The weight of one message of a chat completions body: all of it, also fields that nobody knows."""
    fixed, texts = MESSAGE, []
    content = message.get("content")
    if isinstance(content, str):
        texts.append(content)
    elif isinstance(content, list):
        for part in content:
            if (price := _price(part)) is not None:
                fixed += price
            else:
                text = text_of(part)
                texts.append(spelt(part) if text is None else text)
    if rest := {name: value for name, value in message.items() if name not in _SEEN and value is not None}:
        texts.append(spelt(rest))
    return fixed, texts


def weigh_beside(body: Json) -> Weight:
    """The weight of what stands beside the messages and is shown to the model too: tools and the answer's format."""
    return MESSAGE, [spelt(body[name]) for name in _BESIDE_MESSAGES if body.get(name)]


def cost(weight: Weight, count: Counter) -> int:
    """Tokens of ``weight``."""
    fixed, texts = weight
    return fixed + sum(map(count, texts))


def fits_for_sure(weights: Iterable[Weight], budget: int, factor: float) -> bool:
    """Whether UTF-8 lengths alone prove that ``weights`` are no more than ``budget``: a token is at least one byte.

    ``factor`` makes fixed prices dearer. It does not look at a text that is too long already.
    """
    for fixed, texts in weights:
        budget -= int(fixed * max(1.0, factor)) + 1
        for text in texts:
            budget -= len(text) if text.isascii() or len(text) > budget else _utf8_length(text)
        if budget < 0:
            return False
    return True


def has_media(messages: Iterable[Json]) -> bool:
    """Whether anything but text was put at a fixed price."""
    return any(
        any(_price(part) is not None for part in content)
        for message in messages
        if isinstance(content := message.get("content"), list)
    )


def text_of(part: Any) -> str | None:
    """The text of a text part, None for any other part."""
    text = part.get("text") if part.get("type") == "text" else None
    return text if isinstance(text, str) else None


def spelt(value: Any) -> str:
    """JSON as a model is shown it. Raises orjson.JSONEncodeError where it is nested deeper than can be written."""
    return orjson.dumps(value).decode()


def _utf8_length(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _price(part: Json) -> int | None:
    """The fixed price of a part, None for one that is counted."""
    kind = part.get("type")
    if kind == "image_url":
        return _IMAGE_LOW if as_object(part.get(kind)).get("detail") == "low" else IMAGE
    return _file(_data(part[kind])) if kind in _FILES and kind in part else None


def _data(held: Any) -> str:
    """What a file holds: a data URL, bare base64, or a mere link or id."""
    if isinstance(held, str):
        return held
    return next((data for name in _DATA if isinstance(data := as_object(held).get(name), str)), "")


def _file(data: str) -> int:
    """A file by its size and kind, where it can be seen."""
    head, comma, encoded = data.partition(",") if data.startswith("data:") else ("", "", data)
    if not comma and (len(data) < FILE_UNSEEN or data.startswith(("http://", "https://"))):
        return FILE_UNSEEN
    kind = head.removeprefix("data:").partition("/")[0].lower()
    if kind == "image":
        return IMAGE
    return of_encoded(len(encoded), kind)


def of_encoded(length: int, kind: str = "") -> int:
    """Tokens of a file that is ``length`` characters of base64; ``kind`` is text, audio or video, else a document."""
    size = length * 3 // 4
    return min(max(size // _BYTES_PER_TOKEN.get(kind, _BYTES_PER_TOKEN_OF_DOCUMENTS), _FILE_LEAST), _FILE_MOST)
