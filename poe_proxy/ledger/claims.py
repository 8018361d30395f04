"""From a Report to its claims on Poe's history: which calls may have been charged, and what is known of them."""

import re
from collections.abc import Sequence

from poe_proxy.canonical.report import Report, Sent
from poe_proxy.canonical.usage import Usage
from poe_proxy.ledger.evidence import Claim, Tokens
from poe_proxy.ledger.poe_clock import bounds

_BOT_PATH = re.compile(r"chatcmpl-[0-9a-f]{24}")  # Poe fact: ids of this form come with estimated usage
_FAILED = 500
_LATE_S = 10.0
"""How long after it was sent a call may reach Poe: the longest wait for a connection."""


def claims(report: Report, request: str, offset_s: float, now: float, ended: float | None) -> list[Claim]:
    """The claims of ``report``, named ``request``. Times are Unix seconds; ``ended`` is None while the answer runs.

    ``offset_s`` is what to add to our clock to get Poe's.
    """
    usage_model = report.sent[-1].model if report.sent else ""
    made = []
    for number, sent in enumerate(report.sent):
        last = number == len(report.sent) - 1
        if not _may_be_charged(sent):
            continue
        running = ended is None and last and sent.ended_at is None and not sent.failure  # failed: it waits for a retry
        offset = _offset(sent, offset_s)
        usage = None if running or sent.model != usage_model else report.usage
        made.append(
            Claim(
                request=request,
                number=number,
                model=sent.model.casefold(),
                sent=sent.sent_at + offset,
                latest=_latest(sent, now) + offset,
                tokens=_tokens(usage, whole=last),
                exact=_is_exact(report.sent),
                sure=last and not sent.failure and report.first_event_s is not None,
                running=running,
                failed=sent.status >= _FAILED,
                age=max(0.0, now - ended) if ended is not None else 0.0,
            )
        )
    return made


def _offset(sent: Sent, offset_s: float) -> float:
    """As it was at this call: our clock may have been set since, and the rows of another hour are not its."""
    least, most = bounds(sent) or (offset_s, offset_s)
    return min(max(offset_s, least), most)


def _may_be_charged(sent: Sent) -> bool:
    """Poe charges what it took on; what it refused (400s, but for 408) or never saw costs nothing."""
    refused = 400 <= sent.status < 500 and sent.status != 408
    return not refused and sent.failure != "NotReached"


def _latest(sent: Sent, now: float) -> float:
    return min(sent.sent_at + _LATE_S, sent.answered_at if sent.answered_at is not None else now)


def _tokens(usage: Usage | None, *, whole: bool) -> Tokens | None:
    """An earlier call of the same request had the same prompt; how far its answer got is not known."""
    if usage is None:
        return None
    if not whole:
        return Tokens(usage.prompt)
    return Tokens(usage.prompt, usage.completion, usage.cached, usage.reasoning)


def _is_exact(sent: Sequence[Sent]) -> bool:
    answer_id = sent[-1].answer_id
    return bool(answer_id) and not _BOT_PATH.fullmatch(answer_id)
