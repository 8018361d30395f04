"""The shape of a chunk of a stream: what is said once per chunk, around what its one choice says."""

from dataclasses import replace
from typing import Any

from poe_proxy.canonical.events import Event, Failed, Opaque, Started
from poe_proxy.canonical.json import Json

_NOT_AROUND = frozenset({"usage", "error"})  # an error that is null is still one to clients that ask for the key
_DEEPEST = 8  # objects within objects that are looked into
_MILLISECONDS_FROM = 100_000_000_000  # as seconds this is the year 5138


def bare(events: list[Event]) -> list[Event]:
    """The events for a client of another dialect: without frames, and without what only this dialect knows."""
    return [_bare(event) for event in events if not isinstance(event, Opaque)]


def _bare(event: Event) -> Event:
    if isinstance(event, Failed | Opaque) or event.frame is None:
        return event
    return replace(event, frame=None, answer=None) if isinstance(event, Started) else replace(event, frame=None)


def framed(around: Json, delta: Json, choice: Json | None = None, finish: str | None = None) -> Json:
    """A chunk of its own with ``delta``, beside what else ``around`` and ``choice`` (a chunk's or a body's) hold."""
    made = {key: value for key, value in around.items() if key not in _NOT_AROUND}
    kept = {key: value for key, value in (choice or {}).items() if key not in ("delta", "message")}
    made["choices"] = [{**kept, "index": 0, "delta": delta, "finish_reason": finish}]
    return made


class Numbered:
    """Numbers the entries of lists of objects that come piece by piece in fields that only this dialect knows.

    OpenAI's SDK adds lists up by the ``index`` of their entries, and gives up on a second one without: a provider's
    ``thinking_blocks`` come so.
    """

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[tuple[str, ...], int] = {}

    def mended(self, fields: Json, path: tuple[str, ...] = ()) -> Json:
        """``fields``, with an ``index`` for the entries that need one; at ``path`` of the delta."""
        return {name: self._value(value, (*path, name)) for name, value in fields.items()}

    def _value(self, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, dict) and len(path) < _DEEPEST:
            return self.mended(value, path)
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            return value
        begun = self._counts.get(path, 0)
        self._counts[path] = begun + len(value)
        if not begun:
            return value
        return [{**entry, "index": _own(entry, place)} for place, entry in enumerate(value, begun)]


def _own(entry: Json, place: int) -> Any:
    return entry["index"] if isinstance(entry.get("index"), int) else place


def the_choice(choices: Any, also: int | None = None) -> Json:
    """The one choice that counts: that with index 0, or none, or ``also``; ``n`` is always 1 at Poe."""
    if not isinstance(choices, list):
        return {}
    return next((choice for choice in choices if isinstance(choice, dict) and index_of(choice) in (0, also)), {})


def index_of(choice: Json) -> int:
    """The index of a choice; 0 where it has none."""
    index = choice.get("index")
    return index if isinstance(index, int) and not isinstance(index, bool) else 0


def seconds(created: Any) -> int:
    """``created`` as whole Unix seconds: some backends send fractions or milliseconds, and nonsense counts as 0."""
    if isinstance(created, bool) or not isinstance(created, int | float) or not 0 < created < 1e18:
        return 0
    return int(created / 1000 if created >= _MILLISECONDS_FROM else created)
