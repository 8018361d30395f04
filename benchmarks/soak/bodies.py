"""The body of a wish in its dialect, with the words that tell the stand-in what to do."""

import base64
import struct
import zlib
from typing import Any

from benchmarks.soak.wishes import Dialect, Wish

Json = dict[str, Any]

_WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "while", "seven", "wizards", "brew")
_TOOLS = ("get_weather", "read_file")
_SAID = {
    "tool": "[[sim:tool]]",
    "tools": "[[sim:tools n=3]]",
    "reasoning": "[[sim:reasoning]]",
    "long answer": "[[sim:long tokens=1500]]",
    "slow answer": "[[sim:long tokens=60 rate=50]]",
}
_QUOTED = frozenset({"words", "long prompt", "picture", "talk", "result"})


def body(wish: Wish) -> Json:
    """All of it."""
    messages = [*_earlier(wish), {"role": "user", "content": _content(wish)}, *_later(wish)]
    made: Json = {"model": wish.model, "max_tokens": 4000, "messages": messages, "stream": wish.stream}
    if wish.matter in ("tool", "tools", "result"):
        made["tools"] = [_tool(name, wish.dialect) for name in _TOOLS]
    if wish.matter == "reasoning":
        made |= _reasoning(wish.dialect)
    return made


def told(wish: Wish) -> str:
    """What the answer must quote, so that nobody is given another's; empty where it quotes nothing."""
    return wish.tag if wish.matter in _QUOTED else ""


def _text(wish: Wish) -> str:
    fault = f"[[sim:fault {wish.fault}]]" if wish.fault else ""
    many = (3000 if wish.matter == "long prompt" else 5) * (1 + wish.chance)
    start = int(wish.chance * 1000)
    words = " ".join(_WORDS[(start + number) % len(_WORDS)] for number in range(int(many)))
    return f"[[sim:tag {wish.tag}]]{fault}{_SAID.get(wish.matter, '')} {wish.tag} {words}"


def _content(wish: Wish) -> str | list[Json]:
    if wish.matter != "picture":
        return _text(wish)
    picture = base64.b64encode(_PICTURE).decode()
    if wish.dialect == "chat":
        part: Json = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    else:
        part = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": picture}}
    return [{"type": "text", "text": _text(wish)}, part]


def _earlier(wish: Wish) -> list[Json]:
    if wish.matter != "talk":
        return []
    turns = ("user", "assistant") * 4
    return [{"role": role, "content": " ".join(_WORDS) * (1 + number)} for number, role in enumerate(turns)]


def _later(wish: Wish) -> list[Json]:
    if wish.matter != "result":
        return []
    if wish.dialect == "chat":
        call = {"id": "call_1", "type": "function", "function": {"name": "read_file", "arguments": "{}"}}
        answer: Json = {"role": "tool", "tool_call_id": "call_1", "content": wish.tag}
        return [{"role": "assistant", "content": None, "tool_calls": [call]}, answer]
    use = {"type": "tool_use", "id": "toolu_1", "name": "read_file", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": wish.tag}
    return [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]


def _tool(name: str, dialect: Dialect) -> Json:
    schema = {"type": "object", "properties": {"location": {"type": "string"}, "path": {"type": "string"}}}
    if dialect == "messages":
        return {"name": name, "description": "A tool.", "input_schema": schema}
    return {"type": "function", "function": {"name": name, "description": "A tool.", "parameters": schema}}


def _reasoning(dialect: Dialect) -> Json:
    if dialect == "messages":
        return {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    return {"reasoning_effort": "low"}


def _png(side: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    pixels = zlib.compress((b"\0" + b"\x7f" * 3 * side) * side)
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


_PICTURE = _png(64)
