"""The requests whose points are still open, in memory: who is running, who waits, what came out. No I/O, no clock."""

import asyncio
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace

from poe_proxy.canonical.report import Report
from poe_proxy.ledger.row import Row, Settlement, Source, report_of, row_of

MOST_OPEN = 2_500
"""What Poe lets one key send within the five minutes that a row may take; further ones keep their estimate."""


@dataclass(slots=True, eq=False)
class Case:
    """One request on its way to its points. Times are seconds of a clock that is never set.

    ``answered_at``: since when nothing more is sent to Poe for it. ``finished``: its Report is complete.
    ``queued``: its row is on the way to the database, or there.
    """

    id: str
    report: Report
    answered_at: float | None = None
    finished: bool = False
    queued: bool = False
    row: Row | None = None
    points: int | None = None
    source: Source = ""
    history: tuple[str, ...] = ()
    waiters: list[asyncio.Future[None]] = field(default_factory=list)

    def calls_no_more(self) -> bool:
        """Whether all its calls are known: its last one was answered, or nobody waits for another."""
        if self.answered_at is not None:
            return True
        last = self.report.sent[-1] if self.report.sent else None
        return last is not None and last.ended_at is not None and not last.failure

    @property
    def is_abandoned(self) -> bool:
        """Whether it is another process' and was under way when last heard of, so that nobody is there to end it."""
        return self.row is not None and self.row.outcome == "open"

    def settlement(self) -> Settlement | None:
        """The points, where there are some."""
        return Settlement(self.points, self.source) if self.source and self.points is not None else None

    def as_row(self) -> Row:
        """The row as of now; only for finished cases."""
        if self.row is not None:
            return self.row.settled(self.points, self.source, self.history)
        return row_of(self.report, self.id, self.points, self.source, self.history)

    def as_running_row(self, now: float) -> Row:
        """The row while it runs: all that is left of it, should this process be killed."""
        return row_of(replace(self.report, outcome="open", ended=now), self.id)


class Cases:
    """All open cases. Ids are the ledger's own; a caller's request id may be that of several."""

    def __init__(self, prefix: str) -> None:
        """Ids begin with ``prefix``, which no other process and no earlier start has."""
        self._prefix = prefix
        self._count = 0
        self._running: dict[int, Case] = {}
        self._open: dict[str, Case] = {}
        self._named: dict[str, list[Case]] = {}
        self._adopted: dict[str, Case] = {}

    def begin(self, report: Report) -> Case:
        """A request that is about to call Poe."""
        self._count += 1
        case = Case(f"{self._prefix}{self._count:x}", report)
        self._running[id(report)] = self._open[case.id] = case
        self._named.setdefault(report.request_id, []).append(case)
        return case

    def finish(self, report: Report, now: float) -> Case:
        """The request is over, whatever became of it."""
        case = self._running.get(id(report)) or self.begin(report)
        del self._running[id(report)]
        case.finished = True
        case.answered_at = case.answered_at or now
        if case.source:
            self._forget(case)
        elif not report.sent:
            self.close(case, 0, "settled")
        elif len(self._open) - len(self._running) > MOST_OPEN:
            self.close(case, report.estimate, "estimated")
        return case

    def adopt(self, row: Row, answered_at: float) -> Case | None:
        """A row that another process, or an earlier start, left open; what it was taken for before it was finished.

        One that we closed stays closed, though the database may not have heard of it yet.
        """
        known = self._adopted.get(row.id)
        if known is not None and (row.outcome == "open" or not known.is_abandoned):
            return None
        case = Case(row.id, report_of(row), answered_at, finished=True, queued=True, row=row)
        self._adopted[row.id] = self._open[row.id] = case
        return known

    def return_others(self, left: Container[str], since: float) -> None:
        """Give back what is under way after all: adopted, and not among those that are still ``left``.

        Rows from before ``since`` are not asked for again, and stay as they are.
        """
        for case in list(self._adopted.values()):
            if case.report.time <= since:
                del self._adopted[case.id]
            elif case.is_abandoned and case.id not in left and case.id in self._open:
                del self._adopted[case.id], self._open[case.id]

    def close(self, case: Case, points: int | None, source: Source, history: tuple[str, ...] = ()) -> None:
        """Nothing more will be known of its points."""
        case.points, case.source, case.history = points, source, history
        del self._open[case.id]
        for waiter in case.waiters:
            if not waiter.done():
                waiter.set_result(None)
        if case.finished:
            self._forget(case)

    def named(self, request_id: str) -> Case | None:
        """The case of this request id; None where there is none, or more than one."""
        cases = self._named.get(request_id, ())
        return cases[0] if len(cases) == 1 else None

    def get(self, case_id: str) -> Case | None:
        """The open case of this id."""
        return self._open.get(case_id)

    def open(self) -> list[Case]:
        """All open cases, the running ones too."""
        return list(self._open.values())

    def answered(self) -> Iterator[Case]:
        """Those that wait for nothing but their row."""
        return (case for case in self._open.values() if case.answered_at is not None)

    def running(self) -> list[Case]:
        """Those that are not finished."""
        return list(self._running.values())

    def own(self, cases: Iterable[Case]) -> list[Case]:
        """Those of ``cases`` that began in this process."""
        return [case for case in cases if case.id.startswith(self._prefix)]

    def _forget(self, case: Case) -> None:
        cases = self._named.get(case.report.request_id, [])
        if case in cases:
            cases.remove(case)
        if not cases:
            self._named.pop(case.report.request_id, None)
