"""The faults that a soak asks of the stand-in, each with the outcomes that are right for it."""


def refused(*statuses: int) -> frozenset[str]:
    """The outcomes of being told no with one of these statuses."""
    return frozenset(f"refused {status}" for status in statuses)


ANSWER, CUT = frozenset({"answer"}), frozenset({"cut"})
"""Whole and proper, or begun and ended with an error that says so."""
_BROKEN = CUT | refused(502)  # a whole answer that breaks is an error; so is a stream before its first content
_LATE = CUT | refused(502, 504)

FAULTS: dict[str, frozenset[str]] = {
    "400param name=foo": refused(400),
    "400value": refused(400),
    "400limit asked=9 limit=8": ANSWER | refused(400),
    "400context": refused(400),
    "400context style=anthropic": refused(400),
    "400moderation": refused(400, 403),
    "400tools": refused(400),
    "400plain": refused(400),
    "nested": refused(400),
    "401": refused(502),
    "402": refused(402),
    "403": refused(403),
    "404": ANSWER | refused(404),
    "408": refused(408),
    "413": refused(400, 413),
    "500": refused(500),
    "502": refused(502),
    "503 retry_after=1": refused(503),
    "529": refused(529),
    "429 retry_after=1": refused(429),
    "500 times=1": ANSWER,
    "503 retry_after=1 times=1": ANSWER,
    "429 retry_after=1 times=1": ANSWER,
    "529 times=1": ANSWER,
    "502html": refused(502),
    "html_200": refused(502),
    "error_200": refused(500, 502),
    "json_for_stream": ANSWER,
    "closed": refused(502),
    "closed charged=1": refused(502),
    "closed times=1": ANSWER,
    "closed charged=1 times=1": ANSWER,
    "reset": refused(502),
    "reset times=1": ANSWER,
    "bad_http": refused(502),
    "bad_http times=1": ANSWER | refused(502),
    "slow_headers seconds=0.5": ANSWER,
    "slow_headers seconds=30": _LATE,
    "slow_first seconds=0.5": ANSWER,
    "slow_first seconds=30": _LATE,
    "cut after=0": _BROKEN | ANSWER,
    "cut after=3": _BROKEN | ANSWER,
    "reset_mid after=1": _BROKEN | ANSWER,
    "reset_mid after=4": _BROKEN | ANSWER,
    "stall after=2 seconds=0.5": ANSWER,
    "stall after=2 seconds=30": _LATE,
    "garbage after=2": ANSWER | _BROKEN,
    "error_mid after=0": CUT | refused(500, 502) | ANSWER,
    "error_mid after=3": CUT | refused(500, 502) | ANSWER,
    "event_error after=3": CUT | refused(500, 502, 529) | ANSWER,
    "no_done": ANSWER,
    "no_finish": _BROKEN | ANSWER,
    "crlf": ANSWER,
    "cr": ANSWER,
    "split bytes=7": ANSWER,
    "joined": ANSWER,
    "comments": ANSWER,
}
"""Each fault of the stand-in with the outcomes that are right for it; whole answers do not know all of them."""
QUICK = tuple(fault for fault in FAULTS if not fault.endswith("seconds=30"))
"""Those that are over by themselves."""

_OF_TRANSPORT: dict[str, frozenset[str]] = {
    "bom": ANSWER,
    "nul after=1": ANSWER | _BROKEN,
    "twice kind=usage": ANSWER,
    "gzip": ANSWER,
    "second": ANSWER,
    "until_close": ANSWER,
    "interim status=103": ANSWER,
    "label type=text/plain": ANSWER,
    "stream_for_json": ANSWER,
    "big_headers": refused(502),
    "many_headers": refused(502),
    "length more=-10": ANSWER | _BROKEN,  # a stream may have told its end before its last ten bytes
    "length more=10": ANSWER | _BROKEN,  # a stream says that it is whole, a whole answer misses its end
    "bad_chunk after=0": _BROKEN | ANSWER,
    "bad_chunk after=4": _BROKEN | ANSWER,
    "ended after=0": _BROKEN | ANSWER,
    "ended after=4": _BROKEN | ANSWER,
    "torn after=1": _BROKEN | ANSWER,
    "torn after=4": _BROKEN | ANSWER,
    "pings after=2 seconds=0.5": ANSWER,
    "pings after=2 seconds=30": ANSWER | _LATE,  # a whole answer has no pings
}
"""Those of HTTP and of frames; not among the quick ones, whose sequence a short soak is known by."""
FAULTS |= _OF_TRANSPORT
