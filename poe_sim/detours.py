"""Detours: the right answer, whose events are sent the wrong way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import orjson

from poe_sim.answer import Json
from poe_sim.dialects.dialect import Frame
from poe_sim.directives import Directive
from poe_sim.steps import Break, End, Pause, Start, Step

Steps = Iterable[Step]
Detour = Callable[[Steps, Directive], Iterator[Step]]

MID_ERROR: Json = {"error": {"message": "The provider stopped answering.", "type": "provider_error"}}
_PING_S = 0.02


def before_answer(step: Step) -> Detour:
    def detour(_steps: Steps, _args: Directive) -> Iterator[Step]:
        yield step

    return detour


def slow_headers(steps: Steps, args: Directive) -> Iterator[Step]:
    yield Pause(args.number("seconds", 1))
    yield from steps


def slow_first(steps: Steps, args: Directive) -> Iterator[Step]:
    for step in steps:
        yield step
        if isinstance(step, Start):
            yield Pause(args.number("seconds", 1))


# --- something at a moment of the answer -----------------------------------------------------------------


def at_moment(steps: Steps, args: Directive, extra: Iterable[Step], *, ends: bool = False) -> Iterator[Step]:
    """Put `extra` where `after=`, `deltas=` or `before=` say; a shorter answer gets it before its end."""
    is_here, at_end = _moment(args), args.text("before") == "end"
    waiting: list[Step] = [*extra]
    for step in steps:
        if waiting and isinstance(step, Frame) and (is_here(step) or (step.kind in ("done", "tail") and not at_end)):
            yield from waiting
            waiting = []
            if ends:
                return
        yield step
    yield from waiting


def _moment(args: Directive) -> Callable[[Frame], bool]:
    """Whether a frame, asked of each in turn, is the first behind the moment."""
    if "before" in args.args:
        return lambda frame: frame.kind == args.text("before")
    counts_all = "deltas" not in args.args
    left = args.count("after", 3) if counts_all else args.count("deltas", 1)

    def is_here(frame: Frame) -> bool:
        nonlocal left
        here = left == 0
        left -= counts_all or frame.kind == "delta"
        return here

    return is_here


def cut(steps: Steps, args: Directive) -> Iterator[Step]:
    return at_moment(steps, args, [Break("drop")], ends=True)


def reset_mid(steps: Steps, args: Directive) -> Iterator[Step]:
    return at_moment(steps, args, [Break("reset")], ends=True)


def ended(steps: Steps, args: Directive) -> Iterator[Step]:
    """HTTP says that the answer is whole, and it is not."""
    return at_moment(steps, args, [End()], ends=True)


def stall(steps: Steps, args: Directive) -> Iterator[Step]:
    return at_moment(steps, args, [Pause(args.number("seconds", 30))])


def pings(steps: Steps, args: Directive) -> Iterator[Step]:
    """The connection lives and nothing is said."""
    rounds = int(args.number("seconds", 30) / _PING_S)
    return at_moment(steps, args, [Frame("open", b": ping\n\n"), Pause(_PING_S)] * rounds)


def garbage(steps: Steps, args: Directive) -> Iterator[Step]:
    return at_moment(steps, args, [Frame("delta", b'data: {"id":"chatcmpl-12", "choi\n\n')])


def nul(steps: Steps, args: Directive) -> Iterator[Step]:
    """Padding, as some gateways send to keep a connection alive."""
    return at_moment(steps, args, [Frame("open", b"\0\0\0\n\n")])


def error_mid(steps: Steps, args: Directive) -> Iterator[Step]:
    said = {**MID_ERROR["error"], **{name: args.args[name] for name in ("message", "type") if name in args.args}}
    return at_moment(steps, args, [Frame("done", b"data: " + orjson.dumps({"error": said}) + b"\n\n")], ends=True)


def event_error(steps: Steps, args: Directive) -> Iterator[Step]:
    """Documented for messages: a failure in mid-stream comes as a named event."""
    error = {"type": "error", "error": {"type": args.text("type", "overloaded_error"), "message": "Overloaded"}}
    return at_moment(steps, args, [Frame("done", b"event: error\ndata: " + orjson.dumps(error) + b"\n\n")], ends=True)


def torn(steps: Steps, args: Directive) -> Iterator[Step]:
    """The body ends in the middle of a frame (of its JSON, or of a character), and HTTP says that this was all."""
    is_here = _moment(args)
    for step in steps:
        if isinstance(step, Frame) and (is_here(step) or step.kind in ("done", "tail")):
            yield Frame("open", step.data[: args.count("bytes", len(step.data) // 2)])
            return
        yield step


# --- the events themselves -------------------------------------------------------------------------------


def without(*kinds: str) -> Detour:
    def detour(steps: Steps, _args: Directive) -> Iterator[Step]:
        return (step for step in steps if not (isinstance(step, Frame) and step.kind in kinds))

    return detour


def twice(steps: Steps, args: Directive) -> Iterator[Step]:
    """Frames of one kind are said twice."""
    for step in steps:
        yield step
        if isinstance(step, Frame) and step.kind == args.text("kind", "usage"):
            yield step


def line_ends(ending: bytes) -> Detour:
    def detour(steps: Steps, _args: Directive) -> Iterator[Step]:
        for step in steps:
            yield Frame(step.kind, step.data.replace(b"\n", ending)) if isinstance(step, Frame) else step

    return detour


def split(steps: Steps, args: Directive) -> Iterator[Step]:
    size = args.count("bytes", 7)
    for step in steps:
        if not isinstance(step, Frame):
            yield step
            continue
        for start in range(0, len(step.data), size):
            yield Frame(step.kind, step.data[start : start + size])
            yield Pause(0)


def joined(steps: Steps, _args: Directive) -> Iterator[Step]:
    kept: list[bytes] = []
    for step in steps:
        if isinstance(step, Frame):
            kept.append(step.data)
        else:
            yield step
    yield Frame("done", b"".join(kept))


def comments(steps: Steps, _args: Directive) -> Iterator[Step]:
    """Everything that an event stream may contain and most never do."""
    for step in steps:
        if isinstance(step, Frame):
            yield Frame("open", b": keep-alive\n\n")
            yield Frame(step.kind, _many_lines(step.data))
        else:
            yield step


def _many_lines(frame: bytes) -> bytes:
    head, mark, text = frame.partition(b"data: ")
    if not mark or not text.startswith(b"{"):
        return frame
    lines = orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).split(b"\n")
    return head + b"retry: 3000\n" + b"".join(b"data:" + line + b"\n" for line in lines) + b"\n"


def bom(steps: Steps, _args: Directive) -> Iterator[Step]:
    """A byte order mark opens the body."""
    mark = b"\xef\xbb\xbf"
    for step in steps:
        yield Frame(step.kind, mark + step.data) if isinstance(step, Frame) else step
        mark = mark if isinstance(step, Start) else b""
