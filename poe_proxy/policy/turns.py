"""Which messages of a conversation belong together. It knows no lengths and decides nothing about what goes.

A turn begins with a user's message. A tool call and its results are one whatever stands between them: results are found
by their id, may come in any order, and ids may be used again later on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from poe_proxy.canonical.json import Json, as_object

Group = tuple[int, ...]
"""Messages that stay or go together, by their index."""
_SYSTEM = frozenset({"system", "developer"})
_RESULTS = frozenset({"tool", "function"})


@dataclass(frozen=True, slots=True)
class Conversation:
    """All messages by index, each in one place.

    ``older`` are whole turns, the oldest first. The newest turn is ``head`` (the user's message it begins with),
    ``groups`` (what may go of it, the oldest first) and ``tail`` (its newest group, and the newest of the user's
    messages). It begins with the last of the user's messages that follows something else than a user's message.
    """

    system: Group
    older: tuple[Group, ...]
    head: Group
    groups: tuple[Group, ...]
    tail: Group


def conversation(messages: list[Json]) -> Conversation:
    """Take ``messages`` apart."""
    system = tuple(index for index, message in enumerate(messages) if message.get("role") in _SYSTEM)
    groups = list(_groups(messages))
    newest = _newest_turn(messages, groups)
    older, turn = groups[:newest], groups[newest:]
    head = turn.pop(0) if turn and _is_users(messages, turn[0]) else ()
    tail = turn.pop() if turn else ()
    asked = _last_user(messages)
    tail = tuple(chain(*(group for group in turn if asked in group), tail))
    rest = tuple(group for group in turn if asked not in group)
    return Conversation(system, tuple(_turns(messages, older)), head, rest, tail)


def _groups(messages: list[Json]) -> Iterator[Group]:
    """Runs of messages, without the system's, that hold a call with all its results, or one message."""
    order = [index for index, message in enumerate(messages) if message.get("role") not in _SYSTEM]
    reach = _reach(messages, order)
    group: list[int] = []
    end = -1
    for place, index in enumerate(order):
        if place > end and group:
            yield tuple(group)
            group = []
        group.append(index)
        end = max(end, reach[place])
    if group:
        yield tuple(group)


def _reach(messages: list[Json], order: list[int]) -> list[int]:
    """For each place in ``order`` the last place that must not be parted from it."""
    reach = list(range(len(order)))
    unanswered: dict[str, list[int]] = {}
    latest: dict[str, int] = {}
    for place, index in enumerate(order):
        message = messages[index]
        for call in _calls(message):
            unanswered.setdefault(call, []).append(place)
            latest[call] = place
        if (answered := _answered(message)) is not None:
            waiting = unanswered.get(answered)
            # An answer to nothing stays with what it follows: it is the client's, and nothing is known of it.
            caller = waiting.pop() if waiting else latest.get(answered, max(place - 1, 0))
            reach[caller] = max(reach[caller], place)
    return reach


def _calls(message: Json) -> Iterator[str]:
    if message.get("role") != "assistant":
        return
    for call in message.get("tool_calls") or ():
        yield f"tool {as_object(call).get('id')}"
    if name := as_object(message.get("function_call")).get("name"):
        yield f"function {name}"


def _answered(message: Json) -> str | None:
    if message.get("role") not in _RESULTS:
        return None
    if message["role"] == "function":
        return f"function {message.get('name')}"
    return f"tool {message.get('tool_call_id')}"


def _is_users(messages: list[Json], group: Group) -> bool:
    return messages[group[0]].get("role") == "user"


def _last_user(messages: list[Json]) -> int:
    return max((index for index, message in enumerate(messages) if message.get("role") == "user"), default=-1)


def _newest_turn(messages: list[Json], groups: list[Group]) -> int:
    """The place in ``groups`` where the newest turn begins; questions that follow each other are one."""
    place = max((place for place, group in enumerate(groups) if _is_users(messages, group)), default=0)
    while place > 0 and _is_users(messages, groups[place - 1]) and len(groups[place - 1]) == 1:
        place -= 1
    return place


def _turns(messages: list[Json], groups: list[Group]) -> Iterator[Group]:
    turn: list[int] = []
    for group in groups:
        if turn and _is_users(messages, group):
            yield tuple(turn)
            turn = []
        turn += group
    if turn:
        yield tuple(turn)
