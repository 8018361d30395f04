"""Content blocks of Anthropic's requests and the parts that they stand for, in both directions."""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from poe_proxy.canonical.conversation import (
    CallPart,
    FilePart,
    ImagePart,
    Part,
    ResultPart,
    Shown,
    TextPart,
    ThinkingPart,
)
from poe_proxy.canonical.json import Json, as_object
from poe_proxy.wire.anthropic_messages.marks import is_foreign, split_signature

_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_PDF = "application/pdf"
_TOLD = ("title", "url", "text", "content", "stdout", "stderr", "data", "error_code", "source", "summary")
"""Where the words stand in the blocks of tools that Anthropic ran."""
_NOT_TEXT = frozenset({"redacted_thinking", "tool_addition", "tool_removal"})


class Blocks:
    """Reads blocks; ``changes`` gathers what had to be left out of them, in words."""

    def __init__(self) -> None:
        self.changes: list[str] = []

    def read(self, content: Any) -> tuple[Part, ...]:
        """The parts of a message's content, a string or a list of blocks."""
        if isinstance(content, str):
            return (TextPart(content),) if content else ()
        return tuple(part for block in content or () for part in self._parts(block))

    def _parts(self, block: Json) -> Iterator[Part]:
        mark = block.get("cache_control")
        match block["type"]:
            case "thinking":
                yield ThinkingPart(block["thinking"], str(block.get("signature") or ""))
            case "tool_use":
                id_, signature = split_signature(block["id"])
                arguments = orjson.dumps(block.get("input") or {}).decode()
                yield CallPart(id_, block["name"], arguments, signature, mark)
            case "tool_result":
                id_ = split_signature(block["tool_use_id"])[0]
                yield ResultPart(id_, self._result(block), block.get("is_error") is True, mark)
            case _:
                yield from self._shown(block, mark)

    def _result(self, block: Json) -> tuple[Shown, ...]:
        if isinstance(block.get("content"), str):
            return (TextPart(block["content"]),) if block["content"] else ()
        return tuple(part for inner in block.get("content") or () for part in self._shown(inner, None))

    def _shown(self, block: Json, mark: Json | None) -> Iterator[Shown]:
        match block["type"]:
            case "text":
                if block["text"]:
                    yield TextPart(block["text"], mark)
            case "image":
                yield self._image(as_object(block.get("source")), mark)
            case "document":
                yield from self._document(block, as_object(block.get("source")), mark)
            case "tool_reference":
                yield TextPart(f"The tool {block.get('tool_name')} is loaded and can be called.", mark)
            case kind if kind not in _NOT_TEXT:
                yield from self._in_words(block)

    def _image(self, source: Json, mark: Json | None) -> Shown:
        url = _url(source)
        return ImagePart(url, mark) if url else self._missing("image", mark)

    def _document(self, block: Json, source: Json, mark: Json | None) -> Iterator[Shown]:
        title = str(block.get("title") or "")
        if block.get("context"):
            yield TextPart(str(block["context"]))
        if source.get("type") == "text":
            yield TextPart("\n".join(said for said in (title, str(source.get("data") or "")) if said), mark)
        elif source.get("type") == "content":
            inner = source.get("content") or ""
            blocks = [{"type": "text", "text": inner}] if isinstance(inner, str) else inner
            for one in blocks:
                yield from self._shown(one, mark)
        else:
            url = _url(source)
            yield FilePart(url, title, mark) if url else self._missing("document", mark)

    def _missing(self, kind: str, mark: Json | None) -> TextPart:
        """A file of Anthropic's store, which Poe cannot read."""
        self.changes.append(f"dropped {kind} without data or url")
        return TextPart(f"[The {kind} could not be passed on.]", mark)

    def _in_words(self, block: Json) -> Iterator[TextPart]:
        """What tools on Anthropic's servers did in an earlier turn, and blocks that came after this was written."""
        if block["type"].endswith("tool_use"):
            arguments = orjson.dumps(block.get("input") or {}).decode()
            yield TextPart(f"[{block.get('name')} was run with {arguments}]")
        elif words := "\n".join(_words(block)):
            yield TextPart(words)
        else:
            self.changes.append(f"dropped {block['type']}")


def _words(value: Any) -> Iterator[str]:
    match value:
        case str():
            if value.strip():
                yield value
        case list():
            for item in value:
                yield from _words(item)
        case dict():
            for name in _TOLD:
                yield from _words(value.get(name))


def _url(source: Json) -> str:
    if source.get("type") == "url":
        return str(source.get("url") or "")
    if isinstance(source.get("data"), str) and source["data"]:
        return f"data:{source.get('media_type') or 'application/octet-stream'};base64,{source['data']}"
    return ""


def write(part: Part, changes: list[str]) -> Json | None:
    """The block of a part, or None where Claude may not be shown it; what is left out is added to ``changes``."""
    match part:
        case ThinkingPart():
            return None if is_foreign(part.signature) else _thinking(part)
        case CallPart():
            return _marked({"type": "tool_use", "id": part.id, "name": part.name, "input": _input(part)}, part.mark)
        case ResultPart():
            return _marked(_tool_result(part, changes), part.mark)
        case TextPart():
            return _marked({"type": "text", "text": part.text}, part.mark) if part.text.strip() else None
        case ImagePart():
            return _marked(_image_block(part.url, changes), part.mark)
        case FilePart():
            return _marked(_file_block(part, changes), part.mark)


def _thinking(part: ThinkingPart) -> Json:
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _input(call: CallPart) -> Json:
    """The arguments as the object that Anthropic insists on; text that is none is kept as it is."""
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        arguments = call.arguments
    return arguments if isinstance(arguments, dict) else {"arguments": arguments}


def _tool_result(result: ResultPart, changes: list[str]) -> Json:
    blocks = [block for part in result.parts if (block := write(part, changes)) is not None]
    said: Json = {"type": "tool_result", "tool_use_id": result.id}
    if blocks:
        only_text = len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
        said["content"] = blocks[0]["text"] if only_text else blocks
    return {**said, "is_error": True} if result.is_error else said


def _image_block(url: str, changes: list[str]) -> Json:
    kind, data = _taken_apart(url)
    kind = "image/jpeg" if kind == "image/jpg" else kind
    if kind in _IMAGES:
        return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}
    if _is_web(url):
        return {"type": "image", "source": {"type": "url", "url": url}}
    return _left_out(kind or "image", changes)


def _file_block(part: FilePart, changes: list[str]) -> Json:
    kind, data = _taken_apart(part.url)
    source: Json
    if kind == _PDF:
        source = {"type": "base64", "media_type": kind, "data": data}
    elif kind in _IMAGES:
        return _image_block(part.url, changes)
    elif kind.startswith("text/") and (text := _text(part.url)) is not None:
        source = {"type": "text", "media_type": "text/plain", "data": text}
    elif _is_web(part.url):
        source = {"type": "url", "url": part.url}
    else:
        return _left_out(kind or "file", changes)
    return {"type": "document", "source": source, **({"title": part.name} if part.name else {})}


def _left_out(kind: str, changes: list[str]) -> Json:
    changes.append(f"dropped {kind}")
    return {"type": "text", "text": f"[A file of type {kind} was left out: Claude cannot read it.]"}


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _taken_apart(url: str) -> tuple[str, str]:
    """The media type and the base64 of a data URL; empty for any other."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:"):
        return "", ""
    kind, *options = head.removeprefix("data:").split(";")
    if "base64" not in options:
        data = b64encode(unquote_to_bytes(data)).decode()
    return kind.lower(), data


def _text(url: str) -> str | None:
    try:
        text = b64decode(_taken_apart(url)[1]).decode()
    except ValueError:
        return None
    return text if text.strip() else None


def _marked(block: Json, mark: Json | None) -> Json:
    return block if mark is None else {**block, "cache_control": mark}
