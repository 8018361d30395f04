"""The order of content blocks: one open at a time, whatever order their pieces come in. It knows no message around.

Blocks stand in a line in the order in which they were begun; the first of it may be open, the others wait with what is
said for them. Anthropic's own order is thinking, text, calls; what comes later opens a block of its own, as its
interleaved thinking does, once the call before it is whole: a call that was left half would be lost to the client.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import orjson

from poe_proxy.canonical.events import ToolArguments, ToolCall
from poe_proxy.canonical.json import Json
from poe_proxy.wire.anthropic_messages.arguments import as_input, may_be_object
from poe_proxy.wire.anthropic_messages.frames import DELTA_AFTER, block_start, block_stop, delta_before
from poe_proxy.wire.anthropic_messages.marks import THINKING_SIGNATURE, with_signature
from poe_proxy.wire.lenient import as_json

Kind = Literal["thinking", "text", "tool_use"]
_DELTAS: dict[Kind, tuple[str, str]] = {
    "thinking": ("thinking_delta", "thinking"),
    "text": ("text_delta", "text"),
    "tool_use": ("input_json_delta", "partial_json"),
}


@dataclass(slots=True)
class _Block:
    """A block in the line: ``unsaid`` is what it has yet to say, ``before`` the bytes before a delta's text once it is
    open; ``call`` is a call's beginning, ``arguments`` all of them that came, ``is_odd`` whether they are no object."""

    kind: Kind
    call: ToolCall | None = None
    name: str = ""
    signature: str = ""
    unsaid: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    before: bytes = b""
    is_odd: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing but white space in it so far, which Anthropic refuses as a text."""
        return not any(piece and not piece.isspace() for piece in self.unsaid)

    @property
    def is_whole(self) -> bool:
        """Whether it may end for another to begin."""
        if self.call is None:
            return True
        return bool(self.arguments) and self.arguments[-1].rstrip().endswith("}") and _is_json("".join(self.arguments))

    @property
    def content(self) -> Json:
        """What stands at its beginning."""
        match self.kind:
            case "thinking":
                return {"type": "thinking", "thinking": "", "signature": ""}
            case "text":
                return {"type": "text", "text": ""}
        id_ = with_signature(self.call.id if self.call is not None else "", self.signature)
        return {"type": "tool_use", "id": id_, "name": self.name, "input": {}}


class Blocks:
    """Writes the blocks of one answer."""

    __slots__ = ("_calls", "_line", "_next")

    def __init__(self) -> None:
        self._line: deque[_Block] = deque()
        self._calls: dict[int, _Block] = {}
        self._next = 0

    def say(self, kind: Kind, text: str) -> bytes:
        """More text or thinking."""
        line = self._line
        if len(line) == 1 and (block := line[0]).kind == kind and block.before:  # nearly always
            return block.before + as_json(text) + DELTA_AFTER if text else b""
        if not text:
            return b""
        if not line or line[-1].kind != kind:
            self._drop_blank()
        if not line or line[-1].kind != kind:
            line.append(_Block(kind))
        line[-1].unsaid.append(text)
        return self._advance()

    def call(self, event: ToolCall) -> bytes:
        """A call begins; it is written once its name is known to be whole."""
        self._drop_blank()
        block = _Block("tool_use", event, event.name, event.signature)
        self._calls[event.index] = block
        self._line.append(block)
        return self._add(block, event.arguments)

    def go_on(self, event: ToolArguments) -> bytes:
        """More of a call."""
        block = self._calls.get(event.index)
        if block is None:
            return b""
        block.name += event.name
        block.signature = block.signature or event.signature
        return self._add(block, event.arguments)

    def end(self) -> bytes:
        """All that still waits, and the end of the last block."""
        self._drop_blank()
        return self._advance(is_last=True)

    def _add(self, block: _Block, arguments: str) -> bytes:
        if arguments:
            block.arguments.append(arguments)
            block.unsaid.append(arguments)
        return self._advance()

    def _drop_blank(self) -> None:
        """White space between two blocks is no block of its own."""
        if self._line and (last := self._line[-1]).call is None and not last.before and last.is_blank:
            self._line.pop()

    def _advance(self, *, is_last: bool = False) -> bytes:
        """The one place that opens and closes blocks: say what the first has to say, and go on to the next where the
        first is whole and the next has begun to speak."""
        told: list[bytes] = []
        while self._line:
            block = self._line[0]
            if not block.before:
                if block.is_blank and not is_last:
                    break
                told.append(self._open(block))
            told.append(_say(block))
            if not is_last and not self._may_go_on():
                break
            told.append(self._close(block))
        return b"".join(told)

    def _may_go_on(self) -> bool:
        return len(self._line) > 1 and not self._line[1].is_blank and self._line[0].is_whole

    def _open(self, block: _Block) -> bytes:
        start = block_start(self._next, block.content)
        block.before = delta_before(self._next, *_DELTAS[block.kind])
        block.is_odd = block.call is not None and not may_be_object("".join(block.arguments))
        self._next += 1
        return start

    def _close(self, block: _Block) -> bytes:
        self._line.popleft()
        rest = b""
        if block.is_odd and block.unsaid:
            rest = block.before + as_json(as_json(as_input("".join(block.unsaid))).decode()) + DELTA_AFTER
        elif block.kind == "thinking":
            signature = delta_before(self._next - 1, "signature_delta", "signature")
            rest = signature + as_json(THINKING_SIGNATURE) + DELTA_AFTER
        return rest + block_stop(self._next - 1)


def _say(block: _Block) -> bytes:
    """What waits to be said, as one delta. Arguments that are no object wait to be put into one at the end."""
    text = "" if block.is_odd else "".join(block.unsaid)
    if not text:
        return b""
    block.unsaid = []
    return block.before + as_json(text) + DELTA_AFTER


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
