"""Faults on demand: refusals, false answers, and ways for an answer to go wrong on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import orjson

from poe_sim import detours, framing, refusals
from poe_sim.detours import Detour, Steps
from poe_sim.directives import Directive
from poe_sim.refusals import Refusal, invalid
from poe_sim.steps import Break

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

FALSE_ANSWERS: Mapping[str, FalseAnswer] = {
    "502html": FalseAnswer(502, "text/html", _GATEWAY_PAGE),
    "html_200": FalseAnswer(200, "text/html; charset=utf-8", _WAIT_PAGE),
    "error_200": FalseAnswer(200, "application/json", orjson.dumps(detours.MID_ERROR)),
}

# --- detours: the right answer, sent the wrong way -------------------------------------------------------

DETOURS: Mapping[str, Detour] = {
    "closed": detours.before_answer(Break("drop")),
    "reset": detours.before_answer(Break("reset")),
    "bad_http": detours.before_answer(Break("drop", b"NOT-HTTP 999 what\r\n\r\n")),
    "slow_headers": detours.slow_headers,
    "slow_first": detours.slow_first,
    "cut": detours.cut,
    "reset_mid": detours.reset_mid,
    "ended": detours.ended,
    "torn": detours.torn,
    "stall": detours.stall,
    "pings": detours.pings,
    "garbage": detours.garbage,
    "nul": detours.nul,
    "error_mid": detours.error_mid,
    "event_error": detours.event_error,
    "no_done": detours.without("done"),
    "no_finish": detours.without("finish", "usage", "done"),
    "twice": detours.twice,
    "crlf": detours.line_ends(b"\r\n"),
    "cr": detours.line_ends(b"\r"),
    "split": detours.split,
    "joined": detours.joined,
    "comments": detours.comments,
    "bom": detours.bom,
    "bad_chunk": framing.bad_chunk,
    "label": framing.label,
    "big_headers": framing.big_headers,
    "many_headers": framing.many_headers,
    "gzip": framing.gzip,
    "interim": framing.interim,
    "redirect": framing.redirect,
    "empty": framing.empty,
    "length": framing.length,
    "until_close": framing.until_close,
    "second": framing.second,
}

UNANSWERED = frozenset({"closed", "reset", "bad_http"})
"""Detours on which no answer ever sets out: nothing is booked unless `charged=1`."""
STREAM_ONLY = frozenset(
    {"no_done", "no_finish", "crlf", "cr", "comments", "error_mid", "event_error", "nul", "pings", "twice"}
)
"""Detours that mean nothing to an answer in one piece."""
OTHER_FORM: Mapping[str, bool] = {"json_for_stream": False, "stream_for_json": True}
"""Whether the answer is streamed, whatever was asked for."""
NAMES: frozenset[str] = frozenset(chain(REFUSALS, FALSE_ANSWERS, DETOURS, OTHER_FORM))


def detoured(steps: Steps, faults: Iterable[Directive]) -> Steps:
    """`steps` with every detour among `faults`, in the order given."""
    for fault in faults:
        if fault.name in DETOURS:
            steps = DETOURS[fault.name](steps, fault)
    return steps
