"""What there is to count in a prompt of Anthropic's Messages, and what the rest is charged at. It counts nothing.

Documented by Anthropic: the tokens of images, of the tools' own system prompt and of tools that it defines. Seen in
recordings of Poe's Messages: 7 tokens around a single message, 26 for thinking, and 510 around one tool of Opus 4.6.
"""

from collections.abc import Iterator
from math import ceil
from typing import Any

from poe_proxy.canonical.json import Json, as_object
from poe_proxy.policy import claude_names, image_size
from poe_proxy.policy.costs import FILE_UNSEEN, IMAGE, MESSAGE, Weight, of_encoded, spelt

PLACEHOLDER = "DeferredToolPlaceholder"
"""A tool of Claude Code's that stands for those it has not loaded; no model is shown it."""
BILLING = "x-anthropic-billing-header:"
"""Begins a system block of Claude Code's that is for Anthropic's servers alone."""

_PROMPT = 3
_THINKING = 26
_TOOL = 13
_TOOL_PROMPTS = (((4, 6), 497, 497), ((3, 7), 346, 313), ((0, 0), 264, 340))  # since, auto and none, any and tool
_OWN_TOOLS = {"bash_": 245, "text_editor_": 700, "computer_": 735}
_PIXELS_PER_TOKEN = 750
_SIGHT, _SIGHT_SINCE_4_7 = (1568, 1600), (2576, 4784)  # longest edge, and most tokens
_OPAQUE = 5  # characters a token, of what only the maker can read
_DEEPEST = 8
_UNSEEN = frozenset({"cache_control", "signature", "caller", "type", "id", "tool_use_id", "is_error"})
_ENCRYPTED = ("data", "encrypted_content", "encrypted_stdout")


def weigh(body: Json, model: str) -> Weight:
    """The weight of ``body`` for ``model`` (Poe's name): tokens as they are, and the texts still to be counted.

    A model's factor is for the texts alone. No field is trusted to be what it should.
    """
    said = claude_names.read(model)
    weighing = _Weighing((said and said.version) or (0, 0), is_claude=said is not None)
    weighing.prompt(body)
    return weighing.fixed, weighing.texts


def has_media(body: Json) -> bool:
    """Whether some of the weight is a guess: images and documents."""
    return any(block.get("type") in ("image", "document") for block in _all_blocks(body.get("messages"), 0))


class _Weighing:
    """One walk through one body."""

    def __init__(self, version: tuple[int, int], *, is_claude: bool) -> None:
        self._version = version
        self._is_claude = is_claude
        self.fixed = _PROMPT
        self.texts: list[str] = []

    def prompt(self, body: Json) -> None:
        self._content(_without_billing(body.get("system")))
        messages = [as_object(message) for message in _list(body.get("messages"))]
        for message in messages:
            self.fixed += MESSAGE
            self._content(message.get("content"))
        self._tools(body, messages)
        if (form := as_object(body.get("output_config")).get("format") or body.get("output_format")) is not None:
            self.texts.append(spelt(form))
        if self._is_claude and as_object(body.get("thinking")).get("type") in ("enabled", "adaptive"):
            self.fixed += _THINKING

    def _tools(self, body: Json, messages: list[Json]) -> None:
        """Tools, but for those of deferred loading that no answer has brought in."""
        tools = [tool for tool in map(as_object, _list(body.get("tools"))) if tool.get("name") != PLACEHOLDER]
        if not tools:
            return
        loaded = _loaded(messages) if any(tool.get("defer_loading") for tool in tools) else frozenset()
        shown = [tool for tool in tools if not tool.get("defer_loading") or str(tool.get("name")) in loaded]
        for tool in shown or tools:
            self._tool(tool)
        if self._is_claude:
            self.fixed += self._tool_prompt(as_object(body.get("tool_choice")).get("type"))

    def _tool(self, tool: Json) -> None:
        kind = str(tool.get("type") or "")
        own = next((tokens for prefix, tokens in _OWN_TOOLS.items() if kind.startswith(prefix)), None)
        if own is not None:
            self.fixed += own
            return
        self.fixed += _TOOL
        self._text(tool.get("name"))
        self._text(tool.get("description"))
        said = ("name", "description", "defer_loading", *_UNSEEN)
        self._text(spelt({name: value for name, value in tool.items() if name not in said}))

    def _tool_prompt(self, choice: object) -> int:
        _, free, forced = next(row for row in _TOOL_PROMPTS if self._version >= row[0])
        return forced if choice in ("any", "tool") else free

    def _content(self, content: Any, depth: int = 0) -> None:
        if isinstance(content, list) and depth < _DEEPEST:
            for block in content:
                self._block(block, depth + 1)
        elif isinstance(content, dict) and depth < _DEEPEST:
            self._block(content, depth + 1)
        elif content:
            self._text(content if isinstance(content, str) else spelt(content))

    def _block(self, block: Any, depth: int) -> None:
        if not isinstance(block, dict):
            self._text(spelt(block))
            return
        match block.get("type"):
            case "text":
                self._text(block.get("text"))
            case "thinking":
                self._text(block.get("thinking"))
            case "image":
                self.fixed += self._image(as_object(block.get("source")))
            case "document":
                self._document(block, depth)
            case "tool_use" | "server_tool_use" | "mcp_tool_use":
                self.fixed += MESSAGE
                self._text(block.get("name"))
                self._text(spelt(block.get("input")))
            case "container_upload":
                self.fixed += FILE_UNSEEN
            case _:
                self._other(block, depth)

    def _other(self, block: Json, depth: int) -> None:
        """Results of tools and what nobody knows yet: its content, and whatever else can be read of it."""
        self.fixed += MESSAGE
        self.fixed += sum(len(data) for name in _ENCRYPTED if isinstance(data := block.get(name), str)) // _OPAQUE
        self._content(block.get("content"), depth)
        seen = (*_UNSEEN, *_ENCRYPTED, "content")
        if rest := {name: value for name, value in block.items() if name not in seen and value is not None}:
            self._text(spelt(rest))

    def _document(self, block: Json, depth: int) -> None:
        self._text(block.get("title"))
        self._text(block.get("context"))
        source = as_object(block.get("source"))
        data = source.get("data")
        if source.get("type") == "content":
            self._content(source.get("content"), depth)
        elif isinstance(data, str) and source.get("type") == "text":
            self._text(data)
        else:
            self.fixed += of_encoded(len(data)) if isinstance(data, str) else FILE_UNSEEN

    def _image(self, source: Json) -> int:
        """Anthropic's rule: an image that is too large is made smaller, and 750 pixels are a token."""
        data = source.get("data")
        size = image_size.read(data) if isinstance(data, str) else None
        longest, most = _SIGHT_SINCE_4_7 if self._version >= (4, 7) else _SIGHT
        if size is None:
            return IMAGE
        shrunk = min(1.0, longest / max(size))
        return min(most, ceil(size[0] * size[1] * shrunk * shrunk / _PIXELS_PER_TOKEN))

    def _text(self, text: Any) -> None:
        if isinstance(text, str) and text:
            self.texts.append(text)


def _without_billing(system: Any) -> Any:
    if isinstance(system, list):
        return [block for block in system if not _is_billing(as_object(block).get("text"))]
    return system


def _is_billing(text: Any) -> bool:
    """Whether it is that line and nothing else: some clients put the whole prompt into one block behind it."""
    return isinstance(text, str) and text.startswith(BILLING) and "\n" not in text.strip()


def _loaded(messages: list[Json]) -> frozenset[str]:
    """Names of the deferred tools that a ``tool_reference`` brought into the conversation."""
    referred = (block.get("tool_name") for block in _all_blocks(messages, 0) if block.get("type") == "tool_reference")
    return frozenset(name for name in referred if isinstance(name, str))


def _all_blocks(content: Any, depth: int) -> Iterator[Json]:
    """Every block within ``content``, however it is wrapped: tool results hold blocks, and some hold them by name."""
    for block in content if isinstance(content, list) else (content,):
        if not isinstance(block, dict) or depth > _DEEPEST:
            continue
        yield block
        for name in ("content", "tool_references"):
            if name in block:
                yield from _all_blocks(block[name], depth + 1)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
