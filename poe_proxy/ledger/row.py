"""The ledger's row: one request, as it is kept. It is made from a Report and knows no database."""

from dataclasses import dataclass, replace
from typing import Literal

from poe_proxy.canonical.report import Report, Sent
from poe_proxy.canonical.usage import Usage

_LONGEST = 200
_MOST = 2**53

Source = Literal["", "settled", "estimated"]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a request cost: points as Poe's history has them, or as the prices say."""

    points: int
    source: Literal["settled", "estimated"]


@dataclass(frozen=True, slots=True)
class Points:
    """What became of an open row: its points, where they come from, and the ids of its history rows.

    ``was_running``: it was judged as the row of a request that nobody would end. Should somebody end it, it is wrong.
    """

    id: str
    points: int | None
    source: str
    history: tuple[str, ...] = ()
    was_running: bool = False


class StoreError(Exception):
    """The database cannot do it now; ``passing`` where trying again later may help, with the same data."""

    def __init__(self, words: str, *, passing: bool = True) -> None:
        self.passing = passing
        super().__init__(words)


@dataclass(frozen=True, slots=True)
class Row:
    """One request. ``time`` is its arrival in Unix seconds; ``points`` are None as long as ``source`` is empty.

    ``id`` is the ledger's own, since callers may choose ``request_id`` and use it twice. ``poe_request_id`` is what
    Poe calls the answered call, ``history`` the ids of the history rows that the points were settled with.
    """

    id: str
    time: float
    request_id: str
    poe_request_id: str
    key: str
    address: str
    session: str
    agent: str
    dialect: str
    asked_model: str
    served_model: str
    stream: bool
    tokens_in: int | None
    tokens_out: int | None
    tokens_cached: int | None
    tokens_reasoning: int | None
    estimate: int | None
    points: int | None
    source: Source
    status: int
    outcome: str
    error: str
    attempts: tuple[Sent, ...]
    duration_s: float
    first_token_s: float | None
    history: tuple[str, ...] = ()

    def settled(self, points: int | None, source: Source, history: tuple[str, ...] = ()) -> "Row":
        """The same row with its points."""
        return replace(self, points=points, source=source, history=history)


def row_of(
    report: Report, row_id: str, points: int | None = None, source: Source = "", history: tuple[str, ...] = ()
) -> Row:
    """The row of a finished request."""
    usage = report.usage
    return Row(
        id=row_id,
        time=report.time,
        request_id=report.request_id,
        poe_request_id=kept(report.sent[-1].poe_id) if report.sent else "",
        key=report.caller,
        address=report.address,
        session=kept(report.session),
        agent=kept(report.agent),
        dialect=report.dialect,
        asked_model=kept(report.model),
        served_model=kept(report.poe_model),
        stream=report.stream,
        tokens_in=_count(usage.prompt) if usage else None,
        tokens_out=_count(usage.completion) if usage else None,
        tokens_cached=_count(usage.cached) if usage else None,
        tokens_reasoning=_count(usage.reasoning) if usage else None,
        estimate=_count(report.estimate) if report.estimate is not None else None,
        points=points,
        source=source,
        status=report.status,
        outcome=report.outcome,
        error=kept(report.error),
        attempts=tuple(report.sent),
        duration_s=report.ended - report.started,
        first_token_s=report.first_event_s,
        history=history,
    )


def kept(said: str) -> str:
    """What others said, in a form and length that every database takes."""
    return said.replace("\0", "")[:_LONGEST]


def _count(number: int) -> int:
    return min(max(number, 0), _MOST)


def report_of(row: Row) -> Report:
    """As much of the Report as settling needs, for rows that another process or an earlier start left open."""
    usage = None
    if row.tokens_in is not None:
        usage = Usage(row.tokens_in, row.tokens_out or 0, row.tokens_cached or 0, row.tokens_reasoning or 0)
    return Report(
        request_id=row.request_id,
        route="",
        started=0.0,
        time=row.time,
        dialect=row.dialect,
        sent=list(row.attempts),
        usage=usage,
        estimate=row.estimate,
        first_event_s=row.first_token_s,
        ended=row.duration_s,
    )
