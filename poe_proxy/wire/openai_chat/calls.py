"""Tool calls as they come in pieces. It decides which call a piece belongs to and nothing else.

Poe leaves ``index`` out for some models, sends the same index for parallel calls, several calls in one piece, arguments
as an object, or all arguments so far instead of the new ones; ids may be missing, late, new with every piece, the same
for two calls, or thousands of characters long; the name may come late or in pieces. Calls of another type than
``function`` are not read: they pass as they are, beside the others.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

from poe_proxy.canonical.events import ToolArguments, ToolCall
from poe_proxy.canonical.json import Json, as_object, as_string
from poe_proxy.wire.lenient import as_text, call_id

_SAID_ONCE = frozenset({"id", "type", "name"})
"""What belongs to a call's beginning alone; the SDK adds up what is said again."""
Told = tuple[ToolCall | ToolArguments | None, Json]
"""An event without a frame (None for a call of another type), and the piece as it should have been written."""


@dataclass(slots=True)
class _Open:
    """A call as far as it is known. ``held`` is its beginning as long as its name has not come."""

    index: int
    place: int
    id: str
    upstream: int | None
    ids: set[str]
    name: str
    size: int = 0
    pieces: list[str] = field(default_factory=list)
    held: Json | None = None

    @property
    def arguments(self) -> str:
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""

    @property
    def is_whole(self) -> bool:
        return self.size > 0 and _is_json(self.arguments)

    def add(self, arguments: str) -> str:
        """Keep ``arguments`` and return what of them is new."""
        if self.size and len(arguments) >= self.size and (so_far := self.arguments).startswith("{"):
            # cumulative: no JSON goes on with its own beginning
            arguments = arguments[self.size :] if arguments.startswith(so_far) else arguments
        self.pieces.append(arguments)
        self.size += len(arguments)
        return arguments

    def add_name(self, name: str) -> str:
        """Keep ``name`` and return what of it is new: it may be the rest, all so far, or the same once more."""
        if name == self.name or (self.name and self.size):
            return ""
        more = name.removeprefix(self.name)
        self.name += more
        return more


class CallAssembler:
    """Sorts pieces into calls with indexes that rise by one from 0."""

    __slots__ = ("_calls", "_others")

    def __init__(self) -> None:
        self._calls: list[_Open] = []
        self._others: list[tuple[str, int | None, int]] = []

    def __len__(self) -> int:
        return len(self._calls) + len(self._others)

    def add(self, piece: Json, answer_id: str) -> list[Told]:
        """What ``piece`` says; nothing yet where it begins a call without its name."""
        if is_other(piece):
            return [*self.nameless(), (None, {**piece, "index": self._place_of_other(piece)})]
        function = as_object(piece.get("function"))
        name, arguments = str(function.get("name") or ""), as_text(function.get("arguments"))
        call = self._find(piece, name, arguments)
        if call is None:
            return [*self.nameless(), *self._begin(piece, function, name, arguments, answer_id)]
        return _go_on(call, piece, function, name, arguments)

    def nameless(self) -> list[Told]:
        """The beginnings that were held for a name which never came."""
        return [_begun(call, call.held) for call in self._calls if call.held is not None]

    @property
    def all_whole(self) -> bool:
        """Whether there are calls, and the arguments of each are complete JSON or never came."""
        return bool(self._calls) and all(call.is_whole or not call.size for call in self._calls)

    def without_arguments(self) -> list[tuple[int, int]]:
        """Index and place of calls whose arguments never came: a function that takes none is called so by some."""
        return [(call.index, call.place) for call in self._calls if not call.size]

    def _begin(self, piece: Json, function: Json, name: str, arguments: str, answer_id: str) -> list[Told]:
        index = len(self._calls)
        own = str(piece.get("id") or "")
        id_ = call_id(own, answer_id, index)
        while any(call.id == id_ for call in self._calls):
            id_ = f"{id_}_{index}"
        call = _Open(index, len(self), id_, _number(piece.get("index")), {own} if own else set(), name)
        call.add(arguments)
        self._calls.append(call)
        whole = as_call({**piece, "function": function}, id_, name, arguments, call.place)
        if name:
            return [_begun(call, whole)]
        call.held = whole
        return []

    def _find(self, piece: Json, name: str, arguments: str) -> _Open | None:
        """The call that the piece goes on with, or None where it begins a new one."""
        own, upstream = str(piece.get("id") or ""), _number(piece.get("index"))
        if own:
            return self._find_id(own, upstream, name, arguments)
        call = self._newest(upstream)
        if call is None or not name:
            return call
        if upstream is None and name != call.name and call.name and not call.ids:
            return None  # a second name, and nothing that holds the two together
        is_said_again = name == call.name and (not arguments or (bool(call.ids) and arguments == call.arguments))
        return None if call.is_whole and not is_said_again else call

    def _find_id(self, own: str, upstream: int | None, name: str, arguments: str) -> _Open | None:
        same = [call for call in self._calls if own in call.ids]
        for call in reversed(same):
            if upstream is None or call.upstream in (None, upstream):
                return call
        call_there = self._newest(upstream)
        if same or call_there is None:
            return None
        return call_there if _takes_new_id(call_there, upstream, name, arguments) else None

    def _newest(self, upstream: int | None) -> _Open | None:
        """The newest call with that index: where parallel calls share one, pieces follow their own beginning."""
        for call in reversed(self._calls):
            if upstream is None or call.upstream == upstream:
                return call
        return None

    def _place_of_other(self, piece: Json) -> int:
        id_, upstream = str(piece.get("id") or ""), _number(piece.get("index"))
        for known, at, place in reversed(self._others):
            if (id_ and id_ == known) or (not id_ and upstream in (None, at)):
                return place
        place = len(self)
        self._others.append((id_, upstream, place))
        return place


def _takes_new_id(call: _Open, upstream: int | None, name: str, arguments: str) -> bool:
    """Whether an id that was never seen is one more of ``call``'s: it comes late, or another with every piece."""
    if call.is_whole:
        return not name and not arguments
    if not call.ids:
        return name in ("", call.name) or not call.name
    return upstream is not None and (not name or not call.name)


def _begun(call: _Open, whole: Json) -> Told:
    call.held = None
    return ToolCall(call.index, call.id, call.name, whole["function"]["arguments"]), whole


def _go_on(call: _Open, piece: Json, function: Json, name: str, arguments: str) -> list[Told]:
    if piece.get("id"):
        call.ids.add(str(piece["id"]))
    more = call.add_name(name) if name else ""
    arguments = call.add(arguments)
    around = {key: value for key, value in piece.items() if key not in _SAID_ONCE}
    inside = {key: value for key, value in function.items() if key not in _SAID_ONCE}
    if call.held is not None:
        inside = {**call.held["function"], **inside}
        call.held = as_call({**call.held, **around, "function": inside}, call.id, call.name, call.arguments, call.place)
        return [_begun(call, call.held)] if call.name else []
    new = {**inside, **({"name": more} if more else {}), "arguments": arguments}
    return [(ToolArguments(call.index, arguments, name=more), {**around, "index": call.place, "function": new})]


def as_call(said: Json, id_: str, name: str, arguments: str, index: int) -> Json:
    """A whole call, or its beginning, as OpenAI writes it, with what else ``said`` holds."""
    function = {**as_object(said.get("function")), "name": name, "arguments": arguments}
    return {**said, "index": index, "id": id_, "type": "function", "function": function}


def signature_of(said: Json) -> str:
    """Google's ``thought_signature``: with a call, or once for the whole message."""
    google = as_object(as_object(said.get("extra_content")).get("google"))
    return as_string(google.get("thought_signature"))


def is_other(piece: Json) -> bool:
    """Whether a piece is of a call of another type than ``function``, as OpenAI's ``custom``."""
    if "function" in piece:
        return False
    return "custom" in piece or piece.get("type") not in (None, "", "function")


def added_up(others: list[Json]) -> list[Json]:
    """The whole calls that pieces of calls of other types are of; their texts add up, as ``custom.input``."""
    whole: dict[int, Json] = {}
    for piece in others:
        call = whole.setdefault(piece["index"], {})
        for key, value in piece.items():
            call[key] = {**call[key], **_longer(call[key], value)} if _both_objects(call.get(key), value) else value
    return [whole[index] for index in sorted(whole)]


def _both_objects(one: Any, other: Any) -> bool:
    return isinstance(one, dict) and isinstance(other, dict)


def _longer(so_far: Json, more: Json) -> Json:
    return {key: so_far.get(key, "") + text if _is_more(so_far, key, text) else text for key, text in more.items()}


def _is_more(so_far: Json, key: str, text: Any) -> bool:
    return key != "name" and isinstance(text, str) and isinstance(so_far.get(key, ""), str)


def pieces(tool_calls: Any) -> list[Json]:
    """The calls, or pieces of calls, that a message or a delta holds; null, an empty list and nonsense are none."""
    if isinstance(tool_calls, dict):  # one that stands without its list
        return [tool_calls] if "function" in tool_calls or "custom" in tool_calls else []
    return [piece for piece in tool_calls if isinstance(piece, dict)] if isinstance(tool_calls, list) else []


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _number(index: Any) -> int | None:
    if isinstance(index, str) and index.isdecimal() and len(index) < 10:
        return int(index)
    return index if isinstance(index, int) and not isinstance(index, bool) else None
