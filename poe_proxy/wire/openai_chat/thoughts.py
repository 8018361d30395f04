"""Reasoning under the names that backends have for it, each thought once; and texts whose emojis were cut in two."""

from typing import Any

from poe_proxy.canonical.json import Json, as_object, as_string

_NAMES = ("reasoning_content", "reasoning")
_BLOCKS = "thinking_blocks"
_TEXTS = ("content", *_NAMES)


class ReasoningOnce:
    """Poe's bots send the same text as ``reasoning`` and as ``reasoning_content``, in one chunk or in two.

    The name that spoke first leads. What another says is skipped as long as it repeats the leader; where it does not,
    it goes on with the answer, and leads from there on.
    """

    __slots__ = ("_leader", "_repeated", "_said")

    def __init__(self) -> None:
        self._leader: str | None = None
        self._said: list[str] = []
        self._repeated = 0

    def read(self, delta: Json) -> str:
        """The reasoning that is new in ``delta``."""
        new = ""
        for name in _NAMES:
            value = delta.get(name)
            if value and isinstance(value, str):
                new += self._new(name, value)
        if self._leader in (None, _BLOCKS) and not new and (thought := thinking_blocks(delta)):
            new = self._new(_BLOCKS, thought)
        return new

    def _new(self, name: str, text: str) -> str:
        if self._leader in (None, name):
            self._leader = name
            self._said.append(text)
            return text
        said = "".join(self._said)
        self._said = [said]
        if said.startswith(text, self._repeated):
            self._repeated += len(text)
            if self._repeated == len(said):
                self._said, self._repeated = [], 0
            return ""
        ahead = said[self._repeated :]
        new = text[len(ahead) :] if ahead and text.startswith(ahead) else said[: self._repeated] + text
        self._leader, self._said, self._repeated = name, [new], 0
        return new


def thinking_blocks(message: Json) -> str:
    """The direct path shows a provider's thinking only here, and mostly as null."""
    blocks = as_object(message.get("provider_specific_fields")).get(_BLOCKS)
    blocks = message.get(_BLOCKS) if blocks is None else blocks
    return "".join(_thought(block) for block in blocks) if isinstance(blocks, list) else ""


def _thought(block: Any) -> str:
    return as_string(as_object(block).get("thinking"))


class Halves:
    """First halves of emojis, which end one chunk where the second begins the next."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def join(self, delta: Json, *, is_last: bool) -> None:
        """Put what is held before the next text of ``delta`` (changed in place), and hold a half that ends one."""
        for name in _TEXTS:
            text = delta.get(name)
            if isinstance(text, str) and (text or is_last):
                delta[name] = text = self.held.pop(name, "") + text
            elif is_last and name in self.held:
                delta[name] = text = self.held.pop(name)
            if isinstance(text, str) and "\ud800" <= text[-1:] <= "\udbff" and not is_last:
                delta[name], self.held[name] = text[:-1], text[-1]
