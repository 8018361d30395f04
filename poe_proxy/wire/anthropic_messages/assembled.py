"""A message from the events of its stream, for who asked for a whole answer and Poe streamed it all the same.

Everything that a client has to give back comes through: signatures, redacted thinking, calls of tools that run at
Anthropic's, citations.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from poe_proxy.canonical.json import Json, as_object, as_string
from poe_proxy.wire.anthropic_messages.arguments import as_input
from poe_proxy.wire.anthropic_messages.reasons import completed

SPOKEN = {"text": "text_delta", "thinking": "thinking_delta"}
"""The blocks whose words come piece by piece, in a field of the block's own name, and the kind of their pieces."""
_PIECES = {kind: name for name, kind in SPOKEN.items()}
_OF_THE_EVENT = ("type", "delta", "usage")


def assembled(message: Json, frames: Iterable[Json]) -> Json:
    """``message`` with what Anthropic's events say in its place."""
    state = _State(dict(message))
    for frame in frames:
        state.take(frame)
    return state.whole()


@dataclass(slots=True)
class _State:
    """The message so far: its blocks by their index, and the JSON of those that get their input in pieces."""

    message: Json
    blocks: dict[int, Json] = field(default_factory=dict)
    inputs: dict[int, str] = field(default_factory=dict)
    usage: Json = field(default_factory=dict)
    newest: int = -1

    def take(self, event: Json) -> None:
        """Go on with ``event``; one that says nothing of the message changes nothing."""
        match event.get("type"):
            case "message_start":
                self._merge(as_object(event.get("message")))
            case "content_block_start":
                self._begin(self._index(event, self.newest + 1), as_object(event.get("content_block")))
            case "content_block_delta":
                self._grow(self._index(event, self.newest), as_object(event.get("delta")))
            case "message_delta":
                told = {name: value for name, value in event.items() if name not in _OF_THE_EVENT}
                self._merge({**told, **as_object(event.get("delta")), "usage": event.get("usage")})

    def whole(self) -> Json:
        """The message with all that came."""
        for index, json in self.inputs.items():
            self.blocks[index]["input"] = as_input(json)
        content = [block for _, block in sorted(self.blocks.items())]
        return {
            **self.message,
            "content": content or self.message["content"],
            "usage": self.usage or self.message["usage"],
        }

    def _merge(self, said: Json) -> None:
        """Null says nothing: the start has it wherever the end knows more."""
        self.usage = completed(self.usage, said.get("usage"))
        kept = ("content", "usage")
        self.message |= {name: value for name, value in said.items() if name not in kept and value is not None}

    def _begin(self, index: int, block: Json) -> None:
        self.newest = index
        self.blocks[index] = dict(block)

    def _grow(self, index: int, delta: Json) -> None:
        kind = str(delta.get("type"))
        if (name := _PIECES.get(kind)) is not None:
            block = self.blocks.setdefault(index, {"type": name})
            block[name] = as_string(block.get(name)) + as_string(delta.get(name))
        elif (known := self.blocks.get(index)) is None:
            return
        elif kind == "input_json_delta":
            self.inputs[index] = self.inputs.get(index, "") + as_string(delta.get("partial_json"))
        elif kind == "citations_delta":
            cited = known.get("citations")
            known["citations"] = [*(cited if isinstance(cited, list) else ()), delta.get("citation")]
        else:  # a signature, and what is yet to come
            known |= {name: value for name, value in delta.items() if name != "type"}

    @staticmethod
    def _index(event: Json, otherwise: int) -> int:
        index = event.get("index")
        return index if isinstance(index, int) else otherwise
