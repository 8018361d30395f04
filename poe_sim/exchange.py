"""The order of things for one model call: arrive, demand, refuse or answer, book."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from poe_sim import faults, prices, refusals, script, tokens, validation
from poe_sim.access import MESSAGES, admit, answer_headers
from poe_sim.answer import Answer, Json, Prompt, Turn, Usage
from poe_sim.books import Row
from poe_sim.catalogue import Card
from poe_sim.dialects.dialect import Dialect, Frame
from poe_sim.directives import Directive
from poe_sim.records import Record, unless_gone
from poe_sim.refusals import Refusal
from poe_sim.state import Booked, Poe
from poe_sim.steps import Pause, Progress, Start, Step, play
from poe_sim.wire import Wire

_JSON = {"content-type": "application/json"}
_EVENTS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


class ModelCall:
    """The ASGI endpoint of one dialect."""

    def __init__(self, poe: Poe, dialect: Dialect) -> None:
        self._poe = poe
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        record = self._poe.log.arrived(request, self._poe.now())
        try:
            raw = await request.body()
        except ClientDisconnect:
            self._gone(record)
            return
        exchange = Exchange(self._poe, self._dialect, record, request.headers)
        with self._poe.log.flight():
            await self._answer(exchange, raw, Wire(scope, send), receive)

    async def _answer(self, exchange: Exchange, raw: bytes, wire: Wire, receive: Receive) -> None:
        progress = Progress()
        steps = exchange.steps(raw)
        whole = await unless_gone(play(steps, wire, progress), receive)
        exchange.book(progress, whole=whole)
        exchange.record.status = progress.status
        exchange.record.finished_at = self._poe.now()
        if whole or wire.broken:
            exchange.record.outcome = exchange.outcome
        else:
            self._gone(exchange.record)

    def _gone(self, record: Record) -> None:
        record.outcome = "disconnected"
        record.disconnected_at = self._poe.now()


class Exchange:
    """One request on its way to an answer."""

    def __init__(self, poe: Poe, dialect: Dialect, record: Record, headers: Any) -> None:
        self.record = record
        self.outcome = "answered"
        self._poe = poe
        self._dialect = dialect
        self._headers = headers
        self._booking: tuple[Row, Card, Usage] | None = None

    def steps(self, raw: bytes) -> faults.Steps:
        """Everything that will go out, decided now and produced while it is sent."""
        body = self.record.body = _parsed(raw)
        malformed = validation.check_shape(body)
        prompt = Prompt("", "") if malformed else self._dialect.read(body)
        self.record.model = prompt.model or None
        demand = self._poe.demands.take(self.record.model, self.record.path, self._headers, prompt.last_user)
        wanted, active = demand
        self.record.faults = [fault.name for fault in active]
        refusal = admit(self._poe, self._headers, self.record)
        false_steps = self._false_steps(active)
        if false_steps is not None:
            return faults.detoured(false_steps, active)
        refusal = refusal or malformed or self._wrong(body, prompt)
        return self._refused(refusal) if refusal else self._answered(body, prompt, wanted, active)

    def _false_steps(self, active: tuple[Directive, ...]) -> faults.Steps | None:
        """What goes out if a fault keeps the request from ever being considered."""
        self.outcome = "fault" if active else self.outcome
        for fault in active:
            if fault.name in faults.REFUSALS:
                return [*self._error_steps(faults.REFUSALS[fault.name](fault))]
            if fault.name in faults.FALSE_ANSWERS:
                false = faults.FALSE_ANSWERS[fault.name]
                return [Start(false.status, {"content-type": false.content_type}), Frame("tail", false.body)]
            if fault.name in faults.UNANSWERED and "charged" not in fault.args:
                return []
        return None

    def _refused(self, refusal: Refusal) -> faults.Steps:
        self.outcome = "refused"
        return self._error_steps(refusal)

    def _error_steps(self, refusal: Refusal) -> Iterator[Step]:
        body = orjson.dumps(self._dialect.error(refusal))
        headers = _JSON | answer_headers(self._poe, self.record) | dict(refusal.headers)
        yield Start(refusal.status, headers | {"content-length": str(len(body))})
        yield Frame("tail", body)

    def _wrong(self, body: Json, prompt: Prompt) -> Refusal | None:
        card = self._dialect.find(prompt.model)
        if card is None:
            return self._dialect.missing(prompt.model)
        settings = self._poe.settings
        style = self._headers.get("x-sim-style", settings.refusal_style)
        return self._dialect.check(body, card, settings, style) or self._too_long(card, prompt)

    def _too_long(self, card: Card, prompt: Prompt) -> Refusal | None:
        size = tokens.of_prompt(prompt)
        if card.context is None or size <= card.context:
            return None
        return refusals.too_long(self._poe.settings.context_status, card.context, size)

    def _answered(
        self, body: Json, prompt: Prompt, wanted: Directive | None, active: tuple[Directive, ...]
    ) -> faults.Steps:
        card = self._dialect.find(prompt.model)
        assert card is not None
        if any(fault.name == faults.AS_JSON for fault in active):
            prompt = replace(prompt, stream=False)
        turn = self._turn(card, body, prompt, wanted)
        if prompt.stream:
            return faults.detoured(self._streamed(turn), active)
        fitting = [fault for fault in active if fault.name not in faults.STREAM_ONLY]
        return faults.detoured(self._in_one_piece(turn, whole=not fitting), fitting)

    def _turn(self, card: Card, body: Json, prompt: Prompt, wanted: Directive | None) -> Turn:
        said = script.answer(prompt, wanted, card)
        real = self._real_usage(card, prompt, said)
        key_name = self.record.key_name or ""
        self._booking = self._poe.books.open(card, key_name, self.record.arrived_at), card, real
        direct = self._poe.settings.direct.get(card.id, card.direct) or self.record.path != "/v1/chat/completions"
        return Turn(
            id=self.record.id,
            card=card,
            backend="direct" if direct else "bot",
            prompt=prompt,
            answer=said,
            usage=real if direct else _estimated(card, prompt, said),
            body=body,
            now=int(self._poe.now()),
        )

    def _real_usage(self, card: Card, prompt: Prompt, said: Answer) -> Usage:
        if self.record.path == MESSAGES:
            cached, written = self._poe.caches.marked(card, prompt)
        else:
            cached, written = self._poe.caches.automatic(card, prompt), 0
        return Usage(
            prompt=tokens.of_prompt(prompt),
            completion=tokens.of_answer(said),
            cached=cached,
            written=written,
            reasoning=tokens.count(said.reasoning),
        )

    def _streamed(self, turn: Turn) -> Iterator[Step]:
        yield Start(200, _EVENTS | answer_headers(self._poe, self.record))
        rate = turn.answer.rate
        for frame in self._dialect.stream(turn):
            yield frame
            if rate and frame.kind == "delta":
                yield Pause(1 / rate)

    def _in_one_piece(self, turn: Turn, *, whole: bool) -> Iterator[Step]:
        body = orjson.dumps(self._dialect.write(turn))
        headers = _JSON | answer_headers(self._poe, self.record)
        if turn.answer.rate:
            yield Pause(turn.usage.completion / turn.answer.rate)
        if whole:
            yield Start(200, headers | {"content-length": str(len(body))})
            yield Frame("tail", body)
            return
        yield Start(200, headers)
        yield Frame("open", body[: len(body) // 2])
        yield Frame("tail", body[len(body) // 2 :])

    def book(self, progress: Progress, *, whole: bool) -> None:
        """Write down what the request cost: a stream that ended early pays for what had left."""
        if self._booking is None:
            return
        row, card, used = self._booking
        if not whole and progress.deltas:
            used = replace(used, completion=min(used.completion, progress.deltas))
        bill = prices.charge(card, used, off_catalogue=self._poe.settings.off_catalogue)
        delay = random.uniform(*self._dialect.settles) * self._poe.settings.settle_scale
        self._poe.books.close(row, bill, self._poe.now() + delay)
        self._poe.charges.append(
            Booked(
                request_id=f"req_poe_{self.record.id}",
                tag=self.record.tag,
                model=card.id,
                path=self.record.path,
                key_name=self.record.key_name or "",
                prompt_tokens=used.prompt,
                completion_tokens=used.completion,
                cached_tokens=used.cached,
                written_tokens=used.written,
                charge=bill,
                row=row,
            )
        )


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _estimated(card: Card, prompt: Prompt, said: Answer) -> Usage:
    """Poe fact: the bot backend guesses from the words alone, and two tool answers in three count none."""
    silent = said.calls and not said.text and zlib.crc32(card.id.encode()) % 3
    guess = said.tokens if said.tokens is not None else tokens.count(said.text)
    return Usage(prompt=max(1, tokens.count(prompt.text)), completion=0 if silent else guess)
