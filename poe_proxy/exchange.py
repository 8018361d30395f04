"""The order of things, and nothing else: from a request to events, through as many attempts as it takes.

Errors are raised before the first content and are events after it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from poe_proxy.call import TOO_SLOW, Patience, call
from poe_proxy.canonical.answer import Answer, fold
from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.errors import PoeError, ProxyError, TimedOut, Unanswered
from poe_proxy.canonical.events import CONTENT, Event, Failed, Started, Used
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.report import Report
from poe_proxy.canonical.request import Request
from poe_proxy.poe.client import PoeClient
from poe_proxy.policy import attempts, parameters, structured
from poe_proxy.policy.attempts import Attempt, Means
from poe_proxy.policy.media import MediaOnce
from poe_proxy.policy.thinking import ThinkingOut
from poe_proxy.wire.openai_chat.request import build

_ID_KEPT = 64  # enough to tell the form of an answer's id


class Stage(Protocol):
    """A step that events pass through on their way to the client."""

    def push(self, events: list[Event]) -> list[Event]: ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """One way to Poe for all requests; ``sleep`` waits seconds between attempts."""

    poe: PoeClient
    means: Means
    patience: Patience
    sleep: Callable[[float], Awaitable[None]]

    async def events(
        self, request: Request, card: ModelCard, report: Report, *, stream: bool
    ) -> AsyncGenerator[list[Event]]:
        """Yield the answer's events as they come; ``stream`` is what the client wants, ``report`` is filled in.

        Raises ProxyError while no content has been yielded; after that the last event is a ``Failed``.
        """
        stages = _stages(request, card)
        ask_stream = stream and not card.is_media
        body, changes = self._fitted(request, card, stream=ask_stream)
        plan = attempts.plan(body, self.means)
        attempt, begun = next(plan), False
        while True:
            report.attempts, report.changes = attempt.number, [*changes, *attempt.changes]
            try:
                if attempt.wait_s:
                    await self.sleep(attempt.wait_s)
                async with aclosing(call(self.poe, attempt, report, self.patience, self.means.clock)) as batches:
                    async for batch in batches:
                        events = _through(stages, batch)
                        begun = begun or any(isinstance(event, CONTENT) for event in events)
                        if events and isinstance(failed := events[-1], Failed) and not begun:
                            raise failed.error
                        _note(events, report, self.means.clock)
                        yield events
                return
            except ProxyError as error:
                if begun:
                    yield _through(stages, [Failed(error)])
                    return
                _note_error(error, attempt, report)
                attempt = plan.send(error)

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

    def _fitted(self, request: Request, card: ModelCard, *, stream: bool) -> tuple[Json, list[str]]:
        body, changes = parameters.fit(
            build(request, card, stream=stream), card, self.means.memory.recall(card.poe_name)
        )
        if structured.wants_json(body):
            body["messages"] = structured.say_it_in_words(body["messages"], body)
        return body, changes


def _stages(request: Request, card: ModelCard) -> list[Stage]:
    stages: list[Stage] = [ThinkingOut(), MediaOnce(is_media=card.is_media)]
    if structured.wants_json(request.body):
        stages.append(structured.Unwrapper())
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
