"""The specification: routes, moments, faults, and what must come of each fault at each moment.

``plain``, ``in_stream`` and ``in_halves`` are pure functions of what goes wrong, when and between which dialects.
Nothing in them was measured.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
GPT, CLAUDE = "gpt-5.4-mini", "claude-haiku-4.5"


@dataclass(frozen=True)
class Route:
    """What the caller speaks, the model that is asked, and so the endpoint of Poe's."""

    name: str
    caller: str
    model: str
    poe: str

    @property
    def is_translated(self) -> bool:
        return self.caller != self.poe

    @property
    def is_native(self) -> bool:
        return (self.caller, self.poe) == (MESSAGES, MESSAGES)


CHAT_ON_GPT = Route("chat on GPT", CHAT, GPT, CHAT)
CHAT_ON_CLAUDE = Route("chat on Claude", CHAT, CLAUDE, MESSAGES)
MESSAGES_ON_CLAUDE = Route("messages on Claude", MESSAGES, CLAUDE, MESSAGES)
MESSAGES_ON_GPT = Route("messages on GPT", MESSAGES, GPT, CHAT)
ROUTES = (CHAT_ON_GPT, CHAT_ON_CLAUDE, MESSAGES_ON_CLAUDE, MESSAGES_ON_GPT)

# --- moments --------------------------------------------------------------------------------------------------------


class Moment(IntEnum):
    """How far Poe's answer has come, in order."""

    HEADERS = 1
    START = 2
    BEFORE_TOKEN = 3
    AFTER_TOKEN = 4
    MID_CALL = 5
    BEFORE_FINISH = 6
    BEFORE_USAGE = 7
    BEFORE_DONE = 8
    AFTER_DONE = 9

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


PLACES = {
    Moment.HEADERS: "before=open",
    Moment.START: "after=1",
    Moment.BEFORE_TOKEN: "before=delta",
    Moment.AFTER_TOKEN: "deltas=1",
    Moment.MID_CALL: "deltas=3",
    Moment.BEFORE_FINISH: "before=finish",
    Moment.BEFORE_USAGE: "before=usage",
    Moment.BEFORE_DONE: "before=done",
    Moment.AFTER_DONE: "before=end",
}
OF_HALVES = {Moment.HEADERS: "before=open", Moment.AFTER_TOKEN: "before=tail", Moment.AFTER_DONE: "before=end"}
"""An answer in one piece has two halves, and its end."""
Phase = Literal["nothing", "content", "finished", "over"]


def phase(moment: Moment, route: Route) -> Phase:
    """What the caller has of the answer, which is all that decides."""
    if moment <= Moment.START or (moment is Moment.BEFORE_TOKEN and not route.is_native):
        return "nothing"
    if moment <= Moment.BEFORE_FINISH:
        return "content"  # relayed as it is, the beginning of a block is content
    return "over" if moment is Moment.AFTER_DONE else "finished"


# --- what is said when nothing goes wrong -----------------------------------------------------------------------------

CALL = '{"a":"some words that take several pieces"}'
_PIECES_OF_CALL = 24
SCRIPT = f"[[sim:call look='{CALL}']]"
FIRST_WORD = "You "


@dataclass(frozen=True)
class Outcome:
    """What must come of a request: how its answer ends, and how often Poe was called.

    ``status`` and ``code`` are the error's own, whether or not the status line could still say so; ``type`` is
    Anthropic's word for it. ``told``: how much of the answer came before the end.
    """

    ends: Literal["whole", "cut", "error"] = "whole"
    calls: int = 1
    status: int = 200
    code: str | None = None
    type: str = "api_error"
    told: Literal["nothing", "a word", "part of a call", "all"] = "all"
    usage: bool = True

    @property
    def part_of_call(self) -> str:
        return CALL[:_PIECES_OF_CALL] if self.told == "part of a call" else ""


WHOLE = Outcome()
TRIES = 4
"""Calls within the budget of the matrix' proxies, with the shortest waits."""


def error(status: int, code: str | None = None, calls: int = 1, type: str = "api_error") -> Outcome:  # noqa: A002
    """An answer that is an error and nothing else."""
    return Outcome("error", calls, status, code, type, told="nothing", usage=False)


_BROKEN = error(502, "stream_broken", calls=2)
_SILENT = error(504, "poe_timed_out", type="timeout_error")
_GARBLED = error(502, "poe_garbled", calls=2)
_UNANSWERED = error(502, "poe_did_not_answer", calls=2)
_INVALID = error(400, type="invalid_request_error")
_TOO_LONG = replace(_INVALID, code="context_length_exceeded")
_LIMITED = error(429, "rate_limit_exceeded", TRIES, "rate_limit_error")
_OVERLOADED = error(529, calls=TRIES, type="overloaded_error")

# --- faults without a moment: the answer as a whole -----------------------------------------------------------------

REFUSALS = {
    "400plain": _INVALID,
    "400param name=foo": _INVALID,
    "400value": _INVALID,
    "400limit": _INVALID,
    "400moderation": _INVALID,
    "nested": _INVALID,
    "400tools": replace(_INVALID, code="unsupported_feature_for_model"),
    "400context": _TOO_LONG,
    "413": _TOO_LONG,
    "401": error(502, "poe_key_refused"),
    "402": error(402, "insufficient_quota", type="billing_error"),
    "403": error(403, "content_policy_violation", type="permission_error"),
    "404": error(404, "model_not_found", type="invalid_request_error"),  # Poe's own word
    "408": error(408, calls=TRIES, type="timeout_error"),
    "429": _LIMITED,
    "429 retry_after=1": replace(_LIMITED, calls=2),
    "429 retry_after=999999999": replace(_LIMITED, calls=1),
    "500": error(500, calls=TRIES),
    "502": error(502, calls=TRIES),
    "502html": error(502, calls=TRIES),
    "503": error(503, calls=TRIES),
    "503 retry_after=1": error(503, calls=2),
    "529": _OVERLOADED,
}
FALSE_ANSWERS = {
    "html_200": _GARBLED,
    "empty": _GARBLED,
    "empty status=204": _GARBLED,
    "error_200": error(500, calls=TRIES),
    "redirect": error(502, "poe_misdirected"),
    "redirect status=308": error(502, "poe_misdirected"),
}
NO_ANSWERS = {
    "closed": _UNANSWERED,
    "closed charged=1": _UNANSWERED,
    "reset": _UNANSWERED,
    "bad_http": _GARBLED,
    "big_headers": _GARBLED,
    "many_headers": _GARBLED,
    "length more=-10": _GARBLED,
}
ODD_STREAMS = (
    "crlf",
    "cr",
    "comments",
    "no_done",
    "nul after=1",
    "nul deltas=2",
    "twice kind=finish",
    "twice kind=usage",
    "twice kind=done",
)
ODD = (
    "slow_headers seconds=0.01",
    "slow_first seconds=0.01",
    "json_for_stream",
    "stream_for_json",
    "split bytes=1",
    "split bytes=7",
    "joined",
    "bom",
    "label type=text/plain",
    "label type=text/html",
    "gzip",
    "interim status=100",
    "interim status=103",
    "second",
    "until_close",
)
"""What is only odd: the answer is whole, and the caller sees nothing of it."""


_NAMING_NOTHING = frozenset(
    {"400plain", "400param name=foo", "400value", "400limit", "nested", "error_mid type=invalid_request_error"}
)
"""400s that name nothing which was sent, or the limit of tokens."""


def _is_asked_otherwise(fault: str, route: Route) -> bool:
    """A 400 is answered with another body where there is one: without the limit of tokens, or by the other endpoint."""
    if fault == "404":
        return route.poe == MESSAGES
    if route == CHAT_ON_CLAUDE:
        return fault == "400limit"
    return route == MESSAGES_ON_GPT and fault in _NAMING_NOTHING


def plain(fault: str, route: Route, *, stream: bool) -> Outcome:
    known = REFUSALS | FALSE_ANSWERS | NO_ANSWERS
    if fault in known:
        return replace(known[fault], calls=2) if _is_asked_otherwise(fault, route) else known[fault]
    if fault == "no_finish" and stream:
        return Outcome("cut", 1, 502, "stream_broken", told="all", usage=False)
    if fault == "length more=10" and not stream:
        return _BROKEN
    no_usage = fault == "stream_for_json" and route.poe == CHAT and not stream  # nobody asked a stream for it
    return replace(WHOLE, usage=not no_usage)


# --- faults at a moment of the answer ---------------------------------------------------------------------------------

BREAKS = ("cut", "reset_mid", "ended", "torn", "bad_chunk", "cut+until_close")
SILENCES = ("stall", "pings")
NOISE = "garbage"
ERRORS = {
    "error_mid": error(500, calls=TRIES),
    "error_mid type=rate_limit_error": _LIMITED,
    "error_mid type=insufficient_credits": error(402, "insufficient_quota", type="billing_error"),
    "error_mid type=invalid_request_error": _INVALID,
    "event_error": _OVERLOADED,
}


def in_stream(fault: str, moment: Moment, route: Route) -> Outcome:
    """Before anything was said the answer can be asked for again, or be an error. What said that it is finished is
    whole, whatever becomes of the rest. In between, it is cut, and nothing is asked for twice."""
    now = phase(moment, route)
    if fault == NOISE or now == "over":
        return WHOLE
    failure = ERRORS.get(fault) or (_SILENT if fault in SILENCES else _BROKEN)
    if now == "nothing":
        return replace(failure, calls=2) if _is_asked_otherwise(fault, route) else failure
    if now == "finished" and fault not in ERRORS:
        return replace(WHOLE, usage=moment is not Moment.BEFORE_USAGE)
    has_usage = moment is Moment.BEFORE_DONE
    return replace(failure, ends="cut", calls=1, told=_told(moment), usage=has_usage)


def _told(moment: Moment) -> Literal["nothing", "a word", "part of a call", "all"]:
    match moment:
        case Moment.BEFORE_TOKEN:
            return "nothing"
        case Moment.AFTER_TOKEN:
            return "a word"
        case Moment.MID_CALL:
            return "part of a call"
    return "all"


def in_halves(fault: str, moment: Moment) -> Outcome:
    """Half a body is none. A body that has no end is waited for as long as any answer, and no longer."""
    if fault in SILENCES:
        return _SILENT
    if fault in ("ended", "cut+until_close"):
        return WHOLE if moment is Moment.AFTER_DONE else _GARBLED
    if fault == "garbage" and moment is Moment.HEADERS:
        return _BROKEN  # what begins like a stream is read as one
    return _GARBLED if fault in ("garbage", "torn") else _BROKEN
