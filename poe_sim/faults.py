"""Faults on demand: refusals, false answers, and ways for an answer to go wrong on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import orjson

from poe_sim import refusals
from poe_sim.answer import Json
from poe_sim.dialects.dialect import Frame
from poe_sim.directives import Directive
from poe_sim.refusals import Refusal, invalid
from poe_sim.steps import Break, Pause, Start, Step

Steps = Iterable[Step]

# --- refusals: an error status with a body ---------------------------------------------------------------


def _param(args: Directive) -> Refusal:
    return refusals.unknown_parameter(args.text("name", "foo"), args.text("style", "openai"))


def _value(args: Directive) -> Refusal:
    allowed: list[object] = list(args.text("allowed", "medium").split(","))
    name, model = args.text("name", "reasoning_effort"), args.text("model", "gpt-5.1-chat-latest")
    return refusals.unsupported_value(name, args.text("value", "high"), model, allowed)


def _limit(args: Directive) -> Refusal:
    asked, limit = args.count("asked", 200_000), args.count("limit", 16_384)
    return invalid(
        f"max_tokens is too large: {asked}. This model supports at most {limit} completion tokens, "
        f"whereas you provided {asked}."
    )


def _context(args: Directive) -> Refusal:
    texts = {
        "openai": "This model's maximum context length is 128000 tokens. However, your messages resulted in 200000 "
        "tokens. Please reduce the length of the messages.",
        "anthropic": "prompt is too long: 210000 tokens > 200000 maximum",
        "window": "Your input exceeds the context window of this model. Please adjust your input and try again.",
    }
    return invalid(texts[args.text("style", "openai")])


def _moderation(_args: Directive) -> Refusal:
    return invalid("Your request was rejected as a result of our safety system: content moderation.")


def _plain(_args: Directive) -> Refusal:
    return invalid("Request failed... Invalid generation request. Please try again with a different prompt.")


def _nested(_args: Directive) -> Refusal:
    """Poe fact: a provider's whole error can be the text of Poe's."""
    inner = {"type": "invalid_request_error", "message": "'claude-3-5-haiku-20241022' does not support thinking."}
    return invalid(orjson.dumps({"type": "error", "error": inner}).decode())


def _documented(status: int, kind: str, message: str) -> Callable[[Directive], Refusal]:
    return lambda _args: Refusal(status, {"code": status, "type": kind, "message": message, "metadata": {}})


def _unavailable(args: Directive) -> Refusal:
    headers = {"retry-after": args.text("retry_after")} if "retry_after" in args.args else {}
    return Refusal(503, {"message": "Service temporarily unavailable.", "type": "provider_error"}, headers)


REFUSALS: Mapping[str, Callable[[Directive], Refusal]] = {
    "400param": _param,
    "400value": _value,
    "400limit": _limit,
    "400context": _context,
    "400moderation": _moderation,
    "400tools": lambda args: refusals.no_tools(args.text("model", "kimi-k2.5-fw")),
    "400plain": _plain,
    "nested": _nested,
    "401": lambda _args: refusals.unauthorized(),
    "402": _documented(402, "insufficient_credits", "You do not have enough points for this request."),
    "403": _documented(403, "moderation_error", "The request was blocked by content moderation."),
    "404": lambda args: refusals.no_such_model(args.text("model", "gpt-4-0314")),
    "408": _documented(408, "timeout_error", "The model did not start in time."),
    "413": lambda _args: refusals.too_long(413, 128_000, 200_000),
    "429": lambda args: refusals.rate_limited(args.text("retry_after")),
    "500": lambda _args: Refusal(500, {"message": "Error from provider: internal error.", "type": "provider_error"}),
    "502": _documented(502, "upstream_error", "The provider's answer made no sense."),
    "503": _unavailable,
    "529": _documented(529, "overloaded_error", "Overloaded."),
}

# --- false answers: something else than the dialect's answer ---------------------------------------------


@dataclass(frozen=True, slots=True)
class FalseAnswer:
    """A body that no dialect would send."""

    status: int
    content_type: str
    body: bytes


_GATEWAY_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
)
_WAIT_PAGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking</body></html>"
_MID_ERROR = {"error": {"message": "The provider stopped answering.", "type": "provider_error"}}

FALSE_ANSWERS: Mapping[str, FalseAnswer] = {
    "502html": FalseAnswer(502, "text/html", _GATEWAY_PAGE),
    "html_200": FalseAnswer(200, "text/html; charset=utf-8", _WAIT_PAGE),
    "error_200": FalseAnswer(200, "application/json", orjson.dumps(_MID_ERROR)),
}

# --- detours: the right answer, sent the wrong way -------------------------------------------------------


def _before_answer(step: Step) -> Callable[[Steps, Directive], Iterator[Step]]:
    def detour(_steps: Steps, _args: Directive) -> Iterator[Step]:
        yield step

    return detour


def _slow_headers(steps: Steps, args: Directive) -> Iterator[Step]:
    yield Pause(args.number("seconds", 1))
    yield from steps


def _slow_first(steps: Steps, args: Directive) -> Iterator[Step]:
    for step in steps:
        yield step
        if isinstance(step, Start):
            yield Pause(args.number("seconds", 1))


def _after(
    steps: Steps, args: Directive, extra: Iterable[Step], *, default: int = 3, ends: bool = False
) -> Iterator[Step]:
    """Put `extra` behind the first `after` frames; a shorter answer gets it before its end."""
    left = args.count("after", default)
    waiting: list[Step] = [*extra]
    for step in steps:
        last = isinstance(step, Frame) and step.kind in ("done", "tail")
        if waiting and isinstance(step, Frame) and (left == 0 or last):
            yield from waiting
            waiting = []
            if ends:
                return
        left -= isinstance(step, Frame)
        yield step
    yield from waiting


def _cut(steps: Steps, args: Directive) -> Iterator[Step]:
    return _after(steps, args, [Break("drop")], ends=True)


def _reset_mid(steps: Steps, args: Directive) -> Iterator[Step]:
    return _after(steps, args, [Break("reset")], ends=True)


def _stall(steps: Steps, args: Directive) -> Iterator[Step]:
    return _after(steps, args, [Pause(args.number("seconds", 30))])


def _garbage(steps: Steps, args: Directive) -> Iterator[Step]:
    return _after(steps, args, [Frame("delta", b'data: {"id":"chatcmpl-12", "choi\n\n')])


def _error_mid(steps: Steps, args: Directive) -> Iterator[Step]:
    error: Json = {"error": {**_MID_ERROR["error"], "message": args.text("message", "The provider stopped answering.")}}
    return _after(steps, args, [Frame("done", b"data: " + orjson.dumps(error) + b"\n\n")], ends=True)


def _event_error(steps: Steps, args: Directive) -> Iterator[Step]:
    """Documented for messages: a failure in mid-stream comes as a named event."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    return _after(steps, args, [Frame("done", b"event: error\ndata: " + orjson.dumps(error) + b"\n\n")], ends=True)


def _without(*kinds: str) -> Callable[[Steps, Directive], Iterator[Step]]:
    def detour(steps: Steps, _args: Directive) -> Iterator[Step]:
        return (step for step in steps if not (isinstance(step, Frame) and step.kind in kinds))

    return detour


def _line_ends(ending: bytes) -> Callable[[Steps, Directive], Iterator[Step]]:
    def detour(steps: Steps, _args: Directive) -> Iterator[Step]:
        for step in steps:
            yield Frame(step.kind, step.data.replace(b"\n", ending)) if isinstance(step, Frame) else step

    return detour


def _split(steps: Steps, args: Directive) -> Iterator[Step]:
    size = args.count("bytes", 7)
    for step in steps:
        if not isinstance(step, Frame):
            yield step
            continue
        for start in range(0, len(step.data), size):
            yield Frame(step.kind, step.data[start : start + size])
            yield Pause(0)


def _joined(steps: Steps, _args: Directive) -> Iterator[Step]:
    kept: list[bytes] = []
    for step in steps:
        if isinstance(step, Frame):
            kept.append(step.data)
        else:
            yield step
    yield Frame("done", b"".join(kept))


def _comments(steps: Steps, _args: Directive) -> Iterator[Step]:
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


DETOURS: Mapping[str, Callable[[Steps, Directive], Iterator[Step]]] = {
    "closed": _before_answer(Break("drop")),
    "reset": _before_answer(Break("reset")),
    "bad_http": _before_answer(Break("drop", b"NOT-HTTP 999 what\r\n\r\n")),
    "slow_headers": _slow_headers,
    "slow_first": _slow_first,
    "cut": _cut,
    "reset_mid": _reset_mid,
    "stall": _stall,
    "garbage": _garbage,
    "error_mid": _error_mid,
    "event_error": _event_error,
    "no_done": _without("done"),
    "no_finish": _without("finish", "usage", "done"),
    "crlf": _line_ends(b"\r\n"),
    "cr": _line_ends(b"\r"),
    "split": _split,
    "joined": _joined,
    "comments": _comments,
}

UNANSWERED = frozenset({"closed", "reset", "bad_http"})
"""Detours on which no answer ever sets out: nothing is booked unless `charged=1`."""
STREAM_ONLY = frozenset({"no_done", "no_finish", "crlf", "cr", "comments", "error_mid", "event_error"})
"""Detours that mean nothing to an answer in one piece."""
AS_JSON = "json_for_stream"
NAMES: frozenset[str] = frozenset(chain(REFUSALS, FALSE_ANSWERS, DETOURS, [AS_JSON]))


def detoured(steps: Steps, faults: Iterable[Directive]) -> Steps:
    """`steps` with every detour among `faults`, in the order given."""
    for fault in faults:
        if fault.name in DETOURS:
            steps = DETOURS[fault.name](steps, fault)
    return steps
