"""Calls and their results brought together, as every dialect wants them. It knows no dialect.

Clients give results in the order in which they came in, some time after the call, twice, or not at all.
"""

from collections.abc import Iterator
from dataclasses import replace

from poe_proxy.canonical.conversation import CallPart, Message, Part, ResultPart, TextPart

UNANSWERED = "No result was given."
_LOST = "The result of a tool call that is no longer in the conversation:"

Place = tuple[int, int]
"""A message by its index, and a part of it."""


def paired(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with each call's one result in a user's message right after it, in the order of the calls.

    Assistant messages in a row become one, which ends with its calls. A call without a result is answered, and a result
    without a call is told as text where it stood. Messages without parts are gone.
    """
    messages = tuple(_joined(messages))
    results = _results(messages)
    taken = set(results.values())
    told: list[Message] = []
    for index, message in enumerate(messages):
        parts = [
            kept
            for place, part in enumerate(message.parts)
            if (index, place) not in taken
            for kept in (_as_text(part) if isinstance(part, ResultPart) else [part])
        ]
        if not parts:
            continue
        if message.role == "user" and told and _is_answer(told[-1]):
            told[-1] = replace(told[-1], parts=(*told[-1].parts, *parts))
        else:
            told.append(replace(message, parts=tuple(parts)))
        if answers := tuple(_answers(messages, index, results)):
            told.append(Message("user", answers))
    return tuple(told)


def _joined(messages: tuple[Message, ...]) -> Iterator[Message]:
    held: Message | None = None
    for message in messages:
        if held is not None and message.role == "assistant":
            held = replace(held, parts=held.parts + message.parts)
            continue
        if held is not None:
            yield _calls_last(held)
        held = message if message.role == "assistant" else None
        if held is None:
            yield message
    if held is not None:
        yield _calls_last(held)


def _calls_last(message: Message) -> Message:
    return replace(message, parts=tuple(sorted(message.parts, key=lambda part: isinstance(part, CallPart))))


def _results(messages: tuple[Message, ...]) -> dict[Place, Place]:
    """For each answered call the place of its result; of calls that share an id the newest open one is answered."""
    found: dict[Place, Place] = {}
    open_calls: dict[str, list[Place]] = {}
    for index, message in enumerate(messages):
        fresh: dict[str, list[Place]] = {}
        for place, part in enumerate(message.parts):
            if isinstance(part, CallPart):
                fresh.setdefault(part.id, []).append((index, place))
            elif isinstance(part, ResultPart) and (waiting := open_calls.get(part.id)):
                found[waiting.pop()] = (index, place)
        for id_, places in fresh.items():
            open_calls.setdefault(id_, []).extend(reversed(places))
    return found


def _answers(messages: tuple[Message, ...], index: int, results: dict[Place, Place]) -> Iterator[Part]:
    for place, part in enumerate(messages[index].parts):
        if not isinstance(part, CallPart):
            continue
        if (at := results.get((index, place))) is not None:
            yield messages[at[0]].parts[at[1]]
        else:
            yield ResultPart(part.id, (TextPart(UNANSWERED),), is_error=True)


def _is_answer(message: Message) -> bool:
    """Whether it holds nothing but the results that were put there, so that the user's words go on with it."""
    return message.role == "user" and all(isinstance(part, ResultPart) for part in message.parts)


def _as_text(result: ResultPart) -> list[Part]:
    return [TextPart(_LOST), *result.parts]
