"""The order of things, and nothing else: from a request to events, through as many attempts as it takes.

Errors are raised before the first content and are events after it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from poe_proxy import fitting
from poe_proxy.call import TOO_SLOW, Patience, call
from poe_proxy.canonical.answer import Answer, fold
from poe_proxy.canonical.card import ModelCard, Way
from poe_proxy.canonical.errors import ModelMissing, PoeError, ProxyError, TimedOut, Unanswered
from poe_proxy.canonical.events import CONTENT, Event, Failed, Started, Used
from poe_proxy.canonical.report import Report
from poe_proxy.canonical.request import Request
from poe_proxy.clipper import Clipper, Clipping
from poe_proxy.endpoints import Endpoint, endpoint
from poe_proxy.limits.turns import Turns
from poe_proxy.poe.client import PoeClient
from poe_proxy.policy import attempts, parameters, structured, ways
from poe_proxy.policy.attempts import Attempt, Means, Plan, Shorten
from poe_proxy.policy.media import MediaOnce
from poe_proxy.policy.thinking import ThinkingOut
from poe_proxy.wire.anthropic_messages import DIALECT as MESSAGES

_BUDGET_OF_MESSAGES_S = 5.0
_WORTH_A_NOTE_S = 0.1
_ID_KEPT = 64  # enough to tell the form of an answer's id


class Stage(Protocol):
    """A step that events pass through on their way to the client."""

    def push(self, events: list[Event]) -> list[Event]: ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """The order of things for all requests; ``sleep`` waits seconds between attempts, ``turns`` for one's turn to call.

    ``missing`` are the models that Poe's Messages was found not to have; ``caches`` is CACHE.
    """

    poe: PoeClient
    means: Means
    patience: Patience
    clipper: Clipper
    sleep: Callable[[float], Awaitable[None]]
    turns: Turns
    missing: ways.Memory
    caches: bool

    def events(self, request: Request, card: ModelCard, report: Report, *, stream: bool) -> AsyncGenerator[list[Event]]:
        """The answer's events as they come; ``stream`` is what the client wants, ``report`` is filled in.

        Iterating raises ProxyError while no content has been yielded; after that the last event is a ``Failed``.
        """
        way = ways.way(card, self.missing)
        if way == "messages" and request.dialect != MESSAGES and parameters.searches(request.body):
            way = "chat"  # where the model's own switch for it is
        over = self._over(way, request, card, report, stream=stream)
        return over if way == "chat" or card.via is not None else self._or_chat(over, request, card, report, stream)

    async def _or_chat(
        self, over: AsyncGenerator[list[Event]], request: Request, card: ModelCard, report: Report, stream: bool
    ) -> AsyncGenerator[list[Event]]:
        """The events ``over`` Poe's Messages, or by way of chat where Messages has no such model."""
        try:
            async with aclosing(over) as batches:
                async for batch in batches:
                    yield batch
            return
        except ModelMissing:
            self.missing.learn(card.poe_name)
            report.notes.append(f"Poe's Messages has no {card.poe_name}; asked as chat instead")
        async with aclosing(self._over("chat", request, card, report, stream=stream)) as batches:
            async for batch in batches:
                yield batch

    async def _over(
        self, way: Way, request: Request, card: ModelCard, report: Report, *, stream: bool
    ) -> AsyncGenerator[list[Event]]:
        """The events of ``request`` by one ``way``."""
        going = await self._ready(way, request, card, report, stream=stream)
        attempt, begun = await _next(going.plan, None, going.clipping), False
        while True:
            try:
                if attempt.wait_s:
                    await self.sleep(attempt.wait_s)
                sent = await self._turn(going.deadline, report)
                report.attempts, report.changes = len(report.sent) + 1, [*going.changes, *attempt.changes]
                held: list[Event] = []  # a start alone says nothing: an error after it can still have its own status
                async with aclosing(self._call(going.goal, attempt, sent, report)) as batches:
                    async for batch in batches:
                        if not begun:
                            begun = any(isinstance(event, CONTENT) for event in batch)  # a stage may hold it back
                            if not begun and batch and isinstance(failed := batch[-1], Failed):
                                raise failed.error
                            held += batch
                            if not begun and all(isinstance(event, Started) for event in batch):
                                continue
                            events, held = _through(going.stages, held), []
                        else:
                            events = _through(going.stages, batch)
                        _note(events, report, self.means.clock)
                        yield events
                return
            except ProxyError as error:
                if begun:
                    yield _through(going.stages, [Failed(error)])
                    return
                _note_error(error, attempt, report)
                attempt = await _next(going.plan, error, going.clipping)

    async def _ready(self, way: Way, request: Request, card: ModelCard, report: Report, *, stream: bool) -> "_Going":
        """What one ``way`` of ``request`` needs, before the first attempt."""
        report.way, goal = way, endpoint(way, request, card, caches=self.caches)
        is_native = fitting.is_native(request, way)
        clipping = self.clipper.of(card, report, can_clip=not is_native)
        fit = fitting.fitted(request, card, self.means.memory, way, stream=stream and not card.is_media)
        stages: list[Stage] = [clipping] if is_native else [*_stages(fit.request, card), clipping]
        means = self._means(request)
        plan = attempts.plan(await clipping.fit(fit.body), means, goal.manner)
        return _Going(goal, plan, clipping, stages, fit.changes, means.clock() + means.budget_s)

    async def answer(self, request: Request, card: ModelCard, report: Report) -> Answer:
        """The whole answer. Raises ProxyError, also where only a part of it came."""
        folded = Answer()
        try:
            async with asyncio.timeout(self.patience.answer_s):
                async with aclosing(self.events(request, card, report, stream=False)) as batches:
                    folded = fold([event async for batch in batches for event in batch])
        except TimeoutError:
            raise TimedOut(TOO_SLOW) from None
        if folded.error is not None:
            raise folded.error
        return folded

    def _means(self, request: Request) -> Means:
        """Anthropic's clients come again by themselves, and go by the status, which is not to be waited away."""
        if request.dialect != MESSAGES:
            return self.means
        return replace(self.means, budget_s=min(self.means.budget_s, _BUDGET_OF_MESSAGES_S))

    async def _turn(self, deadline: float, report: Report) -> float:
        asked = self.means.clock()
        sent = await self.turns.take(deadline - asked)
        if (waited := sent - asked) > _WORTH_A_NOTE_S:
            report.notes.append(f"waited {waited:.1f} s for a turn to call Poe")
        return sent

    def _call(self, goal: Endpoint, attempt: Attempt, sent: float, report: Report) -> AsyncGenerator[list[Event]]:
        heard = partial(self.turns.heard, sent)
        return call(self.poe, goal, attempt, report, self.patience, self.means.clock, heard)


@dataclass(frozen=True, slots=True)
class _Going:
    """A request on one way: where it goes, what is tried until when, and what its events pass through."""

    goal: Endpoint
    plan: Plan
    clipping: Clipping
    stages: list[Stage]
    changes: list[str]
    deadline: float


async def _next(plan: Plan, error: ProxyError | None, clipping: Clipping) -> Attempt:
    """The next attempt, once the plan's questions are answered. Raises the error that the caller should see."""
    step = plan.send(error)
    while isinstance(step, Shorten):
        step = plan.send(await clipping.shorter(step.body, step.share))
    return step


def _stages(request: Request, card: ModelCard) -> list[Stage]:
    stages: list[Stage] = [ThinkingOut(), MediaOnce(is_media=card.is_media)]
    if structured.wants_json(request.body):
        stages.append(structured.Unwrapper(request.body.get("response_format")))
    return stages


def _through(stages: list[Stage], events: list[Event]) -> list[Event]:
    for stage in stages:
        events = stage.push(events)
    return events


def _note(events: list[Event], report: Report, clock: Callable[[], float]) -> None:
    if report.first_event_s is None and events:
        report.first_event_s = clock() - report.started
    for event in events:
        if isinstance(event, Used):
            report.usage = event.usage
        elif isinstance(event, Started) and report.sent:
            report.sent[-1].answer_id = event.id[:_ID_KEPT]


def _note_error(error: ProxyError, attempt: Attempt, report: Report) -> None:
    if report.sent:
        report.sent[-1].failure = type(error).__name__
    status = f" {error.poe_status}" if isinstance(error, PoeError) else ""
    detail = f" ({error.detail})" if error.detail else ""
    charged = ", maybe charged" if isinstance(error, Unanswered) else ""
    report.notes.append(f"attempt {attempt.number}: {type(error).__name__}{status}{charged}{detail}")
