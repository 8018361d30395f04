"""The order of things for one model call: arrive, demand, refuse or answer, book."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from poe_sim import directives, faults, prices, refusals, script, tokens, validation
from poe_sim.access import MESSAGES, admit, answer_headers
from poe_sim.answer import Answer, Json, Prompt, Turn, Usage
from poe_sim.books import Row
from poe_sim.catalogue import Card
from poe_sim.detours import Steps
from poe_sim.dialects.dialect import Dialect
from poe_sim.directives import Directive
from poe_sim.outgoing import EVENTS, false_answer, one_piece, send_out
from poe_sim.records import Record
from poe_sim.refusals import Refusal
from poe_sim.state import Booked, Poe
from poe_sim.steps import Pause, Progress, Start, Step


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
            record.left(self._poe.now())
            self._poe.notify()
            return
        exchange = Exchange(self._poe, self._dialect, record, request.headers)
        steps = exchange.steps(raw)
        await send_out(steps, self._poe, record, asgi=(scope, receive, send), book=exchange.book)


class Exchange:
    """One request on its way to an answer."""

    def __init__(self, poe: Poe, dialect: Dialect, record: Record, headers: Mapping[str, str]) -> None:
        self.record = record
        self._poe = poe
        self._dialect = dialect
        self._headers = headers
        self._booking: tuple[Row, Card, Usage] | None = None
        self._streams = False

    def steps(self, raw: bytes) -> Steps:
        """Everything that will go out, decided now and produced while it is sent."""
        body = self.record.body = _parsed(raw)
        malformed = validation.check_shape(body)
        prompt = Prompt("", "") if malformed else self._dialect.read(body)
        self.record.model = prompt.model or None
        self.record.tag = self.record.tag or directives.tag_in(prompt.last_user)
        demand = self._poe.demands.take(self.record.model, self.record.path, self._headers, prompt.last_user)
        wanted, active = demand
        self.record.faults = [fault.name for fault in active]
        refusal = admit(self._poe, self._headers, self.record)
        self.record.outcome = "fault" if active else "answered"
        false = false_answer(active)
        if false is not None:
            return faults.detoured(self._refused(false) if isinstance(false, Refusal) else false, active)
        refusal = refusal or malformed or _unknown(wanted, active) or self._wrong(body, prompt)
        if refusal:
            self.record.outcome = "refused"
            return self._refused(refusal)
        return self._answered(body, prompt, wanted, active)

    def _refused(self, refusal: Refusal) -> Steps:
        headers = answer_headers(self._poe, self.record) | dict(refusal.headers)
        return one_piece(orjson.dumps(self._dialect.error(refusal)), headers, status=refusal.status)

    def _wrong(self, body: Json, prompt: Prompt) -> Refusal | None:
        card = self._dialect.find(prompt.model)
        if card is None:
            return self._dialect.missing(prompt.model)
        settings = self._poe.settings
        return self._dialect.check(body, card, settings, self._headers) or self._too_long(card, prompt)

    def _too_long(self, card: Card, prompt: Prompt) -> Refusal | None:
        size = tokens.of_prompt(prompt)
        if card.context is None or size <= card.context:
            return None
        return refusals.too_long(self._poe.settings.context_status, card.context, size)

    def _answered(self, body: Json, prompt: Prompt, wanted: Directive | None, active: tuple[Directive, ...]) -> Steps:
        card = self._dialect.find(prompt.model)
        assert card is not None
        for fault in active:
            prompt = replace(prompt, stream=faults.OTHER_FORM.get(fault.name, prompt.stream))
        turn = self._turn(card, body, prompt, wanted)
        self._streams = prompt.stream
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
        yield Start(200, EVENTS | answer_headers(self._poe, self.record))
        rate = turn.answer.rate
        for frame in self._dialect.stream(turn):
            yield frame
            if rate and frame.kind == "delta":
                yield Pause(1 / rate)

    def _in_one_piece(self, turn: Turn, *, whole: bool) -> Iterator[Step]:
        if turn.answer.rate:
            yield Pause(turn.usage.completion / turn.answer.rate)
        body = orjson.dumps(self._dialect.write(turn))
        headers = answer_headers(self._poe, self.record)
        if turn.backend == "direct" and self.record.path != MESSAGES:
            headers["content-type"] = "application/json; charset=utf-8"
        yield from one_piece(body, headers, whole=whole)

    def book(self, progress: Progress) -> None:
        """Write down what the request cost: a stream that ended early pays for what had left."""
        if self._booking is None:
            return
        row, card, used = self._booking
        if not progress.whole and self._streams and progress.status is not None:
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


def _unknown(wanted: Directive | None, active: tuple[Directive, ...]) -> Refusal | None:
    """A misspelt directive is refused aloud: a test must not pass because its fault never happened."""
    names = [fault.name for fault in active if fault.name not in faults.NAMES]
    names += [] if script.known(wanted) or wanted is None else [wanted.name]
    return refusals.invalid(f"poe_sim knows no directive {names[0]!r}.", code="sim_directive") if names else None


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
