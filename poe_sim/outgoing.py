"""From a decision to bytes: whole answers, refusals and false answers as steps, sent while the client listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from starlette.types import Receive, Scope, Send

from poe_sim import faults
from poe_sim.detours import Steps
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


def false_answer(active: tuple[Directive, ...]) -> Refusal | Steps | None:
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
    steps: Steps,
    poe: Poe,
    record: Record,
    *,
    asgi: tuple[Scope, Receive, Send],
    book: Callable[[Progress], None] = lambda _progress: None,
) -> None:
    """Play the steps for as long as the client listens; the record and the books learn how it went."""
    scope, receive, send = asgi
    log = poe.log

    def closing(progress: Progress) -> None:
        record.status, record.finished_at = progress.status, poe.now()
        book(progress)
        log.in_flight -= 1
        poe.notify()

    progress, wire = Progress(closing), Wire(scope, send)
    log.in_flight += 1
    poe.notify()
    try:
        heard = await unless_gone(play(steps, wire, progress), receive)
    finally:
        progress.close(whole=False)
    if not (heard or wire.broken or progress.whole):
        record.left(poe.now())
        poe.notify()
