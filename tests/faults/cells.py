"""The cells of the matrix: requests that meet one fault each, with the stand-in's words and what must come of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.faults.tables import (
    BREAKS,
    CHAT,
    ERRORS,
    FALSE_ANSWERS,
    NO_ANSWERS,
    NOISE,
    ODD,
    ODD_STREAMS,
    OF_HALVES,
    PLACES,
    REFUSALS,
    SILENCES,
    WHOLE,
    Moment,
    Outcome,
    Route,
    in_halves,
    in_stream,
    plain,
)


@dataclass(frozen=True)
class Cell:
    """One request that meets one fault. ``once``: only its first call does."""

    route: Route
    stream: bool
    fault: str
    moment: Moment | None = None
    once: bool = False

    def __str__(self) -> str:
        when = f" at {self.moment}" if self.moment else ""
        return f"{'streamed' if self.stream else 'whole'}: {self.fault}{when}{', once' if self.once else ''}"

    @property
    def waits(self) -> bool:
        """Whether it ends by a limit of time."""
        return self.fault in SILENCES

    @property
    def has_call(self) -> bool:
        return self.moment is Moment.MID_CALL

    @property
    def words(self) -> str:
        """The directives for the stand-in."""
        places = PLACES if self.stream else OF_HALVES
        place = f" {places[self.moment]}" if self.moment else ""
        first, *others = [f"[[sim:fault {one}{{}}]]" for one in self.fault.split("+")]
        times = " times=1" if self.once else ""
        return "".join([first.format(place + times), *(one.format(times) for one in others)])

    @property
    def expected(self) -> Outcome:
        """What must come of it."""
        found = self._persistent()
        return replace(WHOLE, calls=2) if self.once else found

    def _persistent(self) -> Outcome:
        if self.moment is None:
            return plain(self.fault, self.route, stream=self.stream)
        if self.stream:
            return in_stream(self.fault, self.moment, self.route)
        return in_halves(self.fault, self.moment)


# What is read of Poe is the same for callers of either dialect: translated, a few moments show that it is told as well.
_FEW_MOMENTS = (Moment.HEADERS, Moment.START, Moment.AFTER_TOKEN, Moment.BEFORE_DONE)
_AT_FEW = {"pings", *(fault for fault in ERRORS if " " in fault)}
"""Variations of faults that are there at every moment."""


def cells(route: Route) -> list[Cell]:
    """All cells of ``route``; what is tried again is there once more, with a fault that passes: in one form, since
    trying again comes before there is one."""
    persistent = [*_plain_cells(route), *_cells_in_stream(route), *_cells_in_halves(route)]
    passing = [
        replace(cell, once=True) for cell in persistent if cell.expected.calls > 1 and _is_first(cell) and cell.stream
    ]
    return [*persistent, *passing]


def _is_first(cell: Cell) -> bool:
    return cell.moment in (None, Moment.HEADERS, Moment.START)


def _plain_cells(route: Route) -> Iterator[Cell]:
    for fault in (*ODD_STREAMS, "no_finish"):
        yield Cell(route, True, fault)
    for stream in (True, False):
        for fault in (*REFUSALS, *FALSE_ANSWERS, *NO_ANSWERS, *ODD, "length more=10"):
            yield Cell(route, stream, fault)


def _cells_in_stream(route: Route) -> Iterator[Cell]:
    for fault in (*BREAKS, *SILENCES, NOISE, *ERRORS):
        for moment in _FEW_MOMENTS if fault in _AT_FEW or route.is_translated else Moment:
            if moment is not Moment.BEFORE_USAGE or route.poe == CHAT:  # in messages it comes with the finish
                yield Cell(route, True, fault, moment)


def _cells_in_halves(route: Route) -> Iterator[Cell]:
    for fault in (*BREAKS, SILENCES[0], NOISE):
        for moment in OF_HALVES:
            yield Cell(route, False, fault, moment)


def breaking_cells(route: Route) -> list[Cell]:
    """One of each kind that goes wrong: before the answer, at its beginning, in mid-answer and in mid-call."""
    faults = ("reset_mid", "torn", "error_mid", "event_error", "closed", "500", "second")
    moments = (None, Moment.HEADERS, Moment.AFTER_TOKEN, Moment.MID_CALL)
    return [cell for cell in cells(route) if cell.fault in faults and cell.moment in moments and not cell.once]


def stalling_cells(route: Route) -> list[Cell]:
    """Those that fall silent, streamed and whole."""
    return [cell for cell in cells(route) if cell.fault == "stall" and cell.moment in (Moment.AFTER_TOKEN, None)]
