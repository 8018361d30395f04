"""Where a prompt is worth keeping at Anthropic: the marks on a messages body whose client sets none.

Poe fact: with marks the second turn of a prompt costs a tenth on messages; nothing is kept without them.
"""

from collections.abc import Iterator
from typing import Any

from poe_proxy.canonical.json import Json

MARK: Json = {"type": "ephemeral"}
_MOST = 4
"""More marks than these Anthropic refuses."""
_NEVER = frozenset({"thinking", "redacted_thinking"})


def marked(body: Json) -> Json:
    """A copy of ``body`` with at most 4 marks: the last tool, the system's end, the ends of the last two user turns.

    The end of the turn before the newest is where the last request left its mark, and so where the hit is looked for.
    A body with marks of its own stays as it is, but for those that are too many.
    """
    if marks := _marks(body):
        return body if len(marks) <= _MOST else _without_first(body, marks[:-_MOST])
    marked_body = dict(body)
    if isinstance(body.get("tools"), list) and body["tools"]:
        marked_body["tools"] = [*body["tools"][:-1], {**body["tools"][-1], "cache_control": MARK}]
    if body.get("system"):
        marked_body["system"] = _at_the_end(body["system"])
    messages = list(body["messages"])
    users = [index for index, message in enumerate(messages) if message["role"] == "user"]
    for index in users[-2:]:
        messages[index] = {**messages[index], "content": _at_the_end(messages[index]["content"])}
    marked_body["messages"] = messages
    return marked_body


def _marks(body: Json) -> list[Json]:
    """What has a mark, in the order in which Anthropic reads it."""
    contents = [message.get("content") for message in body["messages"]]
    blocks = [*_objects(body.get("tools")), *_objects(body.get("system")), *_blocks(contents), body]
    return [block for block in blocks if block.get("cache_control") is not None]


def _without_first(body: Json, surplus: list[Json]) -> Json:
    """A copy without the marks of ``surplus``: what a later mark keeps holds all that is before it."""
    gone = {id(block) for block in surplus}

    def bare(value: Any) -> Any:
        if isinstance(value, list):
            return [bare(item) for item in value]
        if not isinstance(value, dict):
            return value
        kept = {name: inner for name, inner in value.items() if name != "cache_control" or id(value) not in gone}
        return {**kept, "content": bare(kept["content"])} if "content" in kept else kept

    return {**body, **{name: bare(body[name]) for name in ("tools", "system", "messages") if name in body}}


def _blocks(contents: list[Any]) -> Iterator[Json]:
    for content in contents:
        for block in _objects(content):
            yield from _objects(block.get("content"))
            yield block


def _objects(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _at_the_end(content: Any) -> Any:
    """The content with a mark on its last block that may have one; a string becomes a block."""
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    place = next((place for place in reversed(range(len(blocks))) if _may_have_mark(blocks[place])), None)
    if place is None:
        return content
    blocks[place] = {**blocks[place], "cache_control": MARK}
    return blocks


def _may_have_mark(block: Json) -> bool:
    """Anthropic refuses marks on empty texts and on thinking."""
    is_empty = block.get("type") == "text" and not str(block.get("text") or "").strip()
    return not is_empty and block.get("type") not in _NEVER
