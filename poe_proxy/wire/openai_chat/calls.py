"""Tool calls as they come in pieces. It decides which call a piece belongs to and nothing else.

Poe leaves ``index`` out for some models, sends the same index for parallel calls, several calls in one piece, arguments
as an object, or all arguments so far instead of the new ones; ids may be missing, or thousands of characters long.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

from poe_proxy.canonical.events import ToolArguments, ToolCall
from poe_proxy.canonical.json import Json, as_object

_SAID_ONCE = frozenset({"id", "type", "name"})
"""What belongs to a call's beginning alone; the SDK adds up what is said again."""


@dataclass(slots=True)
class _Open:
    id: str
    upstream_index: int | None
    pieces: list[str] = field(default_factory=list)

    @property
    def arguments(self) -> str:
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""


class CallAssembler:
    """Sorts pieces into calls with indexes that rise by one from 0."""

    def __init__(self) -> None:
        self._calls: list[_Open] = []

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, piece: Json, answer_id: str) -> tuple[ToolCall | ToolArguments, Json]:
        """Return the event, without a frame, and the piece as it should have been written."""
        function = as_object(piece.get("function"))
        arguments = as_text(function.get("arguments"))
        index = self._place(piece, str(function.get("name") or ""))
        if index is None:
            return self._begin(piece, function, arguments, answer_id)
        return self._go_on(index, piece, function, arguments)

    @property
    def all_whole(self) -> bool:
        """Whether there are calls and the arguments of each are complete JSON."""
        return bool(self._calls) and all(_is_json(call.arguments) for call in self._calls)

    def without_arguments(self) -> list[int]:
        """The calls whose arguments never came: a function that takes none is called so by some models."""
        return [index for index, call in enumerate(self._calls) if not call.arguments]

    def _begin(self, piece: Json, function: Json, arguments: str, answer_id: str) -> tuple[ToolCall, Json]:
        index = len(self._calls)
        id_ = str(piece.get("id") or f"call_{answer_id}_{index}")
        upstream = piece.get("index")
        self._calls.append(_Open(id_, upstream if isinstance(upstream, int) else None, [arguments]))
        whole = {
            **piece,
            "index": index,
            "id": id_,
            "type": "function",
            "function": {**function, "name": str(function.get("name") or ""), "arguments": arguments},
        }
        return ToolCall(index, id_, whole["function"]["name"], arguments), whole

    def _go_on(self, index: int, piece: Json, function: Json, arguments: str) -> tuple[ToolArguments, Json]:
        call = self._calls[index]
        so_far = call.arguments
        if so_far.startswith("{") and arguments.startswith(so_far):
            arguments = arguments[len(so_far) :]  # cumulative: no JSON goes on with its own beginning
        call.pieces.append(arguments)
        return ToolArguments(index, arguments), {
            **{key: value for key, value in piece.items() if key not in _SAID_ONCE},
            "index": index,
            "function": {
                **{key: value for key, value in function.items() if key not in _SAID_ONCE},
                "arguments": arguments,
            },
        }

    def _place(self, piece: Json, name: str) -> int | None:
        """The call that the piece goes on with, or None where it begins a new one."""
        id_, upstream = piece.get("id"), piece.get("index")
        if id_:
            return self._find_id(str(id_))
        if isinstance(upstream, int):
            return self._find_index(upstream)
        if not self._calls or (name and _is_json(self._calls[-1].arguments)):
            return None
        return len(self._calls) - 1

    def _find_id(self, id_: str) -> int | None:
        return next((n for n, call in enumerate(self._calls) if call.id == id_), None)

    def _find_index(self, upstream: int) -> int | None:
        """The newest call with that index: where parallel calls share one, pieces follow their own beginning."""
        found = [n for n, call in enumerate(self._calls) if call.upstream_index == upstream]
        return found[-1] if found else None


def pieces(tool_calls: Any) -> list[Json]:
    """The calls, or pieces of calls, that a message or a delta holds; null, an empty list and nonsense are none."""
    return [piece for piece in tool_calls if isinstance(piece, dict)] if isinstance(tool_calls, list) else []


def as_text(arguments: Any) -> str:
    """Arguments as JSON text; some backends send the object itself, or nothing."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else orjson.dumps(arguments).decode()


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
