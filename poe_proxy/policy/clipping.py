"""What of a conversation is left out when it is longer than its model bears. It counts through a counter it is given.

System messages and the newest turn stay; the oldest turns go first, each as a whole. Where the newest turn alone is too
long, its first message stays and its oldest calls go, each with its results; a single message that is too long is cut
in its middle. What goes is rounded up to large steps, since Poe's prompt cache is lost with each change of the
beginning: a growing conversation keeps the same beginning until the next step is due.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from math import ceil

from poe_proxy.canonical.json import Json
from poe_proxy.policy.costs import Counter, Weight, cost, fits_for_sure, text_of, weigh, weigh_beside
from poe_proxy.policy.cutting import cut
from poe_proxy.policy.turns import Group, conversation

SHARES = (0.8, 0.6, 0.4, 0.2)
"""What to try of the limit, one after the other, when Poe says that the context is too long all the same."""
_MAX_TOKENS = ("max_completion_tokens", "max_tokens")
_PARTS_FOR_NEWEST = 8  # one in so many is kept free of system messages that would fill everything
_SMALL_STEPS = 8  # in a step


@dataclass(frozen=True, slots=True)
class Clip:
    """The messages to send (the very same list where nothing went), and tokens of everything, ``before`` and ``after``.

    ``counted`` is ``after`` in the counter's own tokens, without the model's factor.
    """

    messages: list[Json]
    before: int
    after: int
    counted: int


def room(body: Json, limit: int) -> int:
    """Tokens of ``limit`` to keep free for the answer: what is asked for, at most a quarter."""
    asked = next((body[name] for name in _MAX_TOKENS if isinstance(body.get(name), int)), 0)
    return min(asked, limit // 4)


def fits(body: Json, budget: int, factor: float) -> bool:
    """Whether ``body`` has no more than ``budget`` tokens for sure, without counting. False means: count."""
    return fits_for_sure(_weights(body), budget, factor)


def clip(body: Json, budget: float, factor: float, count: Counter) -> Clip:
    """Clip the messages of ``body`` to ``budget`` tokens of its model, of which one of ``count``'s is ``factor``.

    What must stay may be more than that: then the result is the least that can be sent.
    """
    messages: list[Json] = body["messages"]
    costs = [cost(weigh(message), count) for message in messages]
    beside = cost(weigh_beside(body), count)
    before = after = beside + sum(costs)
    if before * factor > budget:
        draft = _Draft(messages, costs, beside, int(budget / factor), count)
        kept = draft.kept()
        messages = [draft.messages[index] for index in kept]
        after = beside + sum(draft.costs[index] for index in kept)
    return Clip(messages, ceil(before * factor), ceil(after * factor), after)


def _weights(body: Json) -> Iterator[Weight]:
    yield weigh_beside(body)
    yield from map(weigh, body["messages"])


class _Draft:
    """A conversation that is too long, on its way to one that is not; ``messages`` and ``costs`` show what was cut."""

    def __init__(self, messages: list[Json], costs: list[int], beside: int, budget: int, count: Counter) -> None:
        self.messages, self.costs = list(messages), list(costs)
        self._asked, self._costs_asked = messages, costs
        self._count = count
        self._parts = conversation(messages)
        self._room = max(budget - beside, 0)
        self._step = _step(self._room)
        self._cut_system(min(self._newest(), budget // _PARTS_FOR_NEWEST))
        self._budget = max(self._room - self._sum(self._parts.system), 0)
        self._step = _step(self._budget)

    def kept(self) -> list[int]:
        """The indices of what stays."""
        parts = self._parts
        self._cut_newest()
        must = self._newest()
        self._cut_system(must)
        groups = self._without_oldest(parts.groups, self._budget - must)
        older = self._without_oldest(parts.older, self._budget - must - sum(map(self._sum, parts.groups)))
        return sorted(index for group in (parts.system, *older, parts.head, *groups, parts.tail) for index in group)

    def _without_oldest(self, groups: Sequence[Group], budget: int) -> Sequence[Group]:
        """The newest of ``groups``, as many as fit, less what rounding up to whole steps takes away.

        A group that is larger than a step never goes for the sake of rounding.
        """
        gone = list(accumulate(map(self._sum, groups), initial=0))
        excess = gone[-1] - max(budget, 0)
        if excess <= 0:
            return groups
        goal = min(-(-excess // self._step) * self._step, gone[-1])
        number = bisect_left(gone, goal)
        if gone[number] - gone[number - 1] > self._step and gone[number - 1] >= excess:
            number -= 1
        return groups[number:]

    def _cut_newest(self) -> None:
        """Cut what is too long by itself; and what must stay, where not even that fits."""
        parts = self._parts
        most = _rounded(self._budget - self._step)  # leaves something for what comes after it
        for index in chain(parts.head, *parts.groups, parts.tail):
            if self.costs[index] > self._budget:
                self._shorten(index, most)
        self._level((*parts.head, *parts.tail), self._budget)

    def _cut_system(self, free: int) -> None:
        """Cut system messages only where they do not leave ``free`` tokens for the newest turn."""
        self._level(self._parts.system, max(self._room - free, 0))

    def _newest(self) -> int:
        """Tokens of what must stay of the newest turn."""
        return self._sum(self._parts.head) + self._sum(self._parts.tail)

    def _level(self, group: Group, budget: int) -> None:
        """Cut the longest messages of ``group``, all to one length, so that the group has at most ``budget`` tokens."""
        cuttable = set(group)
        while cuttable and self._sum(group) > budget:
            level = _level([self.costs[index] for index in cuttable], budget - self._sum(set(group) - cuttable))
            level = self._in_steps(level)
            cuttable -= {index for index in cuttable if not self._shorten(index, level)}

    def _in_steps(self, tokens: int) -> int:
        """Rounded down to a step, or where that is nothing to a small one, so that the next turn is cut alike."""
        step = self._step if tokens >= self._step else max(self._step // _SMALL_STEPS, 1)
        return tokens // step * step

    def _shorten(self, index: int, tokens: int) -> bool:
        """Cut a message as it was asked to ``tokens``; whether it has no more than that now."""
        if self.costs[index] > tokens:
            over = self._costs_asked[index] - tokens
            self.messages[index] = _shortened(self._asked[index], over, self._count)
            self.costs[index] = cost(weigh(self.messages[index]), self._count)
        return self.costs[index] <= tokens

    def _sum(self, group: Iterable[int]) -> int:
        return sum(self.costs[index] for index in group)


def _step(budget: int) -> int:
    return max(_rounded(budget // 4), 1)


def _rounded(tokens: int) -> int:
    """Down to four binary digits, so that small changes of a budget change nothing."""
    zeros = max(tokens.bit_length() - 4, 0)
    return tokens >> zeros << zeros


def _level(sizes: Iterable[int], budget: int) -> int:
    """To what the largest ``sizes`` must be lowered for all to be ``budget`` together."""
    ordered = sorted(sizes)
    for place, size in enumerate(ordered):
        share = budget // (len(ordered) - place)
        if size > share:
            return share
        budget -= size
    return max(ordered)


def _shortened(message: Json, over: int, count: Counter) -> Json:
    """A copy of ``message`` that has ``over`` tokens less, if its texts can be cut so far; the longest goes first."""
    content = message.get("content")
    if isinstance(content, str):
        short = cut(content, count(content) - over, count)
        return message if short is content else {**message, "content": short}
    if not isinstance(content, list):
        return message
    parts = list(content)
    texts = {place: count(text) for place, part in enumerate(parts) if (text := text_of(part)) is not None}
    for place in sorted(texts, key=texts.__getitem__, reverse=True):
        if over > 0:
            short = cut(parts[place]["text"], texts[place] - over, count)
            over -= texts[place] - count(short)
            parts[place] = {**parts[place], "text": short}
    return {**message, "content": parts}
