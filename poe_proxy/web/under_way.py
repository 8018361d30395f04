"""An answer under way to its caller, in whatever dialect: when it starts, what it ends with, who ends it early.

It knows no dialect; how a caller is spoken to is its ``Speech``.
"""

import time
from contextlib import aclosing
from typing import Any, Protocol

from starlette.responses import Response

from poe_proxy.canonical.answer import Answer
from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.errors import ProxyError, ShuttingDown
from poe_proxy.canonical.events import Event, Failed
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.report import Report
from poe_proxy.canonical.request import Request
from poe_proxy.policy.footer import FooterStage
from poe_proxy.web.house import House
from poe_proxy.web.lifeline import Lifeline, Receive
from poe_proxy.web.outlet import Outlet, Send
from poe_proxy.web.refused import our_fault
from poe_proxy.web.respond import error_response, json_response, poe_headers
from poe_proxy.wire.anthropic_messages import DIALECT as MESSAGES

_SHUTDOWN = "The proxy is shutting down and could not finish this answer; try again in a moment."


class Writer(Protocol):
    """Writes one stream."""

    def push(self, events: list[Event]) -> bytes: ...

    def close(self) -> bytes: ...


class Speech(Protocol):
    """How one caller is spoken to; ``answer_id`` is for an answer of Poe's that has none."""

    @property
    def answer_id(self) -> str: ...

    def writer(self) -> Writer:
        """For a streamed answer."""

    def body(self, answer: Answer) -> Json:
        """A whole answer."""


class UnderWay:
    """The answer under way, an ASGI app: it ends when the client leaves or the proxy shuts down, whatever it is waiting
    for."""

    def __init__(
        self, house: House, request: Request, card: ModelCard, report: Report, speech: Speech, *, has_footer: bool
    ) -> None:
        self._has_footer = has_footer
        self._house = house
        self._request = request
        self._card = card
        self._report = report
        self._speech = speech

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Run the exchange and send what it brings."""
        try:
            if self._report.stream:
                await self._stream(scope, receive, send)
            else:
                await self._whole(scope, receive, send)
            self._teach()
        finally:
            self._house.costs.abandoned(self._report, self._card)

    async def _whole(self, scope: Any, receive: Receive, send: Send) -> None:
        line = Lifeline(receive, self._house.closing)
        response = await line.run(self._answered())
        if line.why == "shutdown":
            response = self._refusal(ShuttingDown(_SHUTDOWN, retry_after=1))
        self._report.outcome = line.why or self._report.outcome
        if response is not None and line.why != "client_left":
            await response(scope, receive, send)

    async def _answered(self) -> Response:
        try:
            answer = await self._house.exchange.answer(self._request, self._card, self._report)
            answer.id, answer.created = answer.id or self._speech.answer_id, answer.created or int(time.time())
            body = self._speech.body(await self._with_cost(answer))
            return json_response(body, headers=poe_headers(self._report))
        except ProxyError as error:
            return self._refusal(error)

    async def _with_cost(self, answer: Answer) -> Answer:
        has_footer = self._has_footer and (answer.text is not None or answer.refusal is None)
        cost = await self._cost(wait=has_footer)
        answer.cost = cost
        if has_footer:
            answer.text = (answer.text or "") + self._house.costs.footer(self._report, self._card, cost)
        return answer

    async def _cost(self, *, wait: bool) -> Cost:
        """What the answer cost; at the proxy's own end nothing is waited for."""
        report, is_slow = self._report, self._report.way == "messages"  # those rows are final after 5 to 13 s
        waits = wait and not is_slow and not self._house.closing.begun
        return await self._house.costs.of(report, self._card, wait=waits)

    def _teach(self) -> None:
        """What Poe counted corrects our own counting, for whole answers to what was passed on uncounted."""
        report, is_native = self._report, self._report.way == "messages" and self._request.dialect == MESSAGES
        if is_native and report.cost is not None and report.usage is not None:
            self._house.lessons.take(self._request.body, self._card, report.usage)

    async def _stream(self, scope: Any, receive: Receive, send: Send) -> None:
        outlet = Outlet(send, self._house.settings.first_event_s, lambda: poe_headers(self._report))
        writer, line = self._speech.writer(), Lifeline(receive, self._house.closing)
        try:
            failure = await line.run(self._pour(outlet, writer))
            if line.why is not None and self._report.outcome == "ok":  # or it left because it was told of a failure
                self._report.outcome = line.why
                failure = ShuttingDown(_SHUTDOWN, retry_after=1) if line.why == "shutdown" else None
            if line.why == "client_left":
                return
            await self._end(failure, outlet, writer, scope, receive, send)
        finally:
            outlet.close()

    async def _pour(self, outlet: Outlet, writer: Writer) -> ProxyError | None:
        """Send events as they come, the last ones with the cost; return what went wrong before any content, which is
        still to be told."""
        stage = FooterStage(is_on=self._has_footer)
        events = self._house.exchange.events(self._request, self._card, self._report, stream=True)
        try:
            async with aclosing(events) as batches:
                async for batch in batches:
                    if data := writer.push(stage.push(batch)):
                        await outlet.write(data)
                    if batch and isinstance(batch[-1], Failed):
                        self._note(batch[-1].error, "cut")
            if not stage.failed:
                await self._close(stage, outlet, writer)
        except ProxyError as error:
            return error
        except Exception as error:
            if not outlet.started:
                raise
            return our_fault(error, self._report.request_id)  # which must not look like an answer's clean end
        return None

    async def _close(self, stage: FooterStage, outlet: Outlet, writer: Writer) -> None:
        cost = await self._cost(wait=stage.waits)
        text = self._house.costs.footer(self._report, self._card, cost) if stage.waits else ""
        if data := writer.push(stage.close(text, cost)):
            await outlet.write(data)

    async def _end(
        self, failure: ProxyError | None, outlet: Outlet, writer: Writer, scope: Any, receive: Receive, send: Send
    ) -> None:
        if failure is not None and not outlet.started:
            outlet.close()
            await self._refusal(failure)(scope, receive, send)
            return
        if failure is not None:
            self._note(failure, "cut")
        last = writer.push([Failed(failure)]) if failure is not None else b""
        await outlet.finish(last + writer.close())

    def _refusal(self, error: ProxyError) -> Response:
        self._note(error, "error")
        return error_response(error, poe_headers(self._report), dialect=self._request.dialect)

    def _note(self, error: ProxyError, outcome: str) -> None:
        if self._report.outcome == "ok":
            self._report.outcome = outcome
        self._report.error = error.gist
