"""From a decision to bytes: whole answers, refusals and false answers as steps, sent while the client listens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from starlette.types import Receive, Scope, Send

from poe_sim import faults
from poe_sim.dialects.dialect import Frame
from poe_sim.directives import Directive
from poe_sim.records import Record, unless_gone
from poe_sim.refusals import Refusal
from poe_sim.state import Poe
from poe_sim.steps import Progress, Start, Step, play
from poe_sim.wire import Wire

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


def one_piece(body: bytes, headers: Mapping[str, str], *, status: int = 200, whole: bool = True) -> Iterator[Step]:
    """An answer that is no stream; unless it goes out `whole` it has two halves, with room for a fault between them."""
    if whole:
        yield Start(status, {**JSON, **headers, "content-length": str(len(body))})
        yield Frame("tail", body)
        return
    yield Start(status, {**JSON, **headers})
    yield Frame("open", body[: len(body) // 2])
    yield Frame("tail", body[len(body) // 2 :])


def false_answer(active: tuple[Directive, ...]) -> Refusal | faults.Steps | None:
    """What goes out if a fault keeps the request from ever being considered."""
    for fault in active:
        if fault.name in faults.REFUSALS:
            return faults.REFUSALS[fault.name](fault)
        if fault.name in faults.FALSE_ANSWERS:
            false = faults.FALSE_ANSWERS[fault.name]
            return [Start(false.status, {"content-type": false.content_type}), Frame("tail", false.body)]
        if fault.name in faults.UNANSWERED and "charged" not in fault.args:
            return []
    return None


async def send_out(
    steps: faults.Steps, poe: Poe, record: Record, *, scope: Scope, receive: Receive, send: Send
) -> tuple[Progress, bool]:
    """Play the steps; how far they got, and whether to the end. The record learns how it went."""
    progress, wire = Progress(), Wire(scope, send)
    with poe.log.flight():
        whole = await unless_gone(play(steps, wire, progress), receive)
    record.status, record.finished_at = progress.status, poe.now()
    if not (whole or wire.broken or progress.said_all):
        record.left(poe.now())
    poe.notify()
    return progress, whole
