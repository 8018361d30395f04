"""How an answer goes out: a start, frames, pauses, and perhaps a break instead of an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from poe_sim.dialects.dialect import Frame, FrameKind
from poe_sim.wire import Wire


@dataclass(frozen=True, slots=True)
class Start:
    """Status line and headers."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence, in seconds; 0 only lets the bytes so far leave on their own."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Break:
    """The connection ends here, with or without manners; `data` goes out first, as it is."""

    how: Literal["drop", "reset"]
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes past HTTP's own order; `status` and `kind` are what they stand for, if for anything."""

    data: bytes
    status: int | None = None
    kind: FrameKind | None = None


@dataclass(frozen=True, slots=True)
class End:
    """As far as HTTP goes the answer is over; `late` is said nonetheless, after so many seconds."""

    late: bytes = b""
    seconds: float = 0.0


Step = Start | Frame | Pause | Break | Raw | End


@dataclass(slots=True)
class Progress:
    """How far an answer got, and the one moment at which it is written down."""

    closing: Callable[[Progress], None]
    """Called once, before the bytes that tell the client that it is over: who has an answer finds it in the books."""
    deltas: int = 0
    status: int | None = None
    whole: bool = False
    """Whether the last frame left (or is about to): a client may well close on it."""
    closed: bool = False

    def passed(self, kind: FrameKind | None) -> None:
        """A frame is about to leave."""
        self.deltas += kind == "delta"
        if kind in {"done", "tail"}:
            self.close(whole=True)

    def close(self, *, whole: bool) -> None:
        if not self.closed:
            self.closed, self.whole = True, whole
            self.closing(self)


async def play(steps: Iterable[Step], wire: Wire, progress: Progress) -> None:
    """Send the steps one by one; each frame leaves at once."""
    for step in steps:
        match step:
            case Start(status, headers):
                progress.status = status
                await wire.start(status, headers)
            case Frame(kind, data):
                progress.passed(kind)
                await wire.write(data)
                await asyncio.sleep(0)
            case Raw(data, status, said):
                progress.status = status or progress.status
                progress.passed(said)
                wire.raw(data)
                await asyncio.sleep(0)
            case End(late, seconds):
                progress.close(whole=False)
                wire.later(late, seconds)
                await wire.end()
                return
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Break(how, data):
                progress.close(whole=False)
                await _break(how, data, wire)
    progress.close(whole=True)
    await wire.end()


async def _break(how: str, data: bytes, wire: Wire) -> None:
    if data:
        wire.raw(data)
    if how == "reset":
        await wire.reset()
    else:
        await wire.drop()
