"""The one task that settles: what it judges by, and when it looks."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from poe_proxy.canonical.history import HistoryRow
from poe_proxy.canonical.report import Sent
from poe_proxy.ledger.cases import Case, Cases
from poe_proxy.ledger.poller import _LEAST_GAP_S, Means, Poller
from poe_proxy.ledger.row import Row
from poe_proxy.ledger.settle import Verdict
from tests.ledger.rows import NOW, report, row


class AloneLease:
    """A lease of one who is alone."""

    def __init__(self, *others: list[Row] | None) -> None:
        """``others`` is what others left open, look after look."""
        self._others = list(others)

    async def held(self) -> bool:
        return True

    async def taken(self, _since: float) -> set[str]:
        return set()

    async def others(self, _since: float) -> list[Row] | None:
        return self._others.pop(0) if self._others else []


def test_a_row_that_appeared_while_pages_were_read_is_not_taken_for_absent() -> None:
    cases, now, closed = Cases("a-"), [NOW + 0.5], list[Case]()
    lost = Sent("glm-5", NOW + 1, None, 0, failure="Unanswered")
    case = cases.begin(replace(report(), sent=[lost], usage=None, first_event_s=None))

    async def history(_since: float, before_page: Any) -> list[HistoryRow]:
        await before_page()
        now[0] += 9  # the second page had to wait, and our call was made and lost meanwhile
        case.answered_at = NOW + 1.5
        await before_page()
        return [HistoryRow("old", NOW - 60, "GLM-5", points=7)]

    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    case.answered_at = NOW
    poller = Poller(cases, AloneLease(), Means(history, lambda: now[0], lambda: now[0], sleep, closed.append))  # type: ignore[arg-type]
    asyncio.run(poller._round())
    assert closed == []


def test_the_last_look_before_a_footer_goes_without_is_not_missed() -> None:
    assert 1.25 + _LEAST_GAP_S < 1.45


def test_a_request_that_will_call_again_is_not_settled_yet() -> None:
    cases, closed = Cases("a-"), list[Case]()
    lost = Sent("glm-5", NOW, None, 0, failure="Unanswered")
    waiting = cases.begin(replace(report(), sent=[lost], usage=None, first_event_s=None))
    over = cases.begin(replace(report(), sent=[Sent("gpt-5.4", NOW, NOW + 1, 200)]))
    over.answered_at = NOW + 1

    def row(row_id: str, model: str, points: int) -> HistoryRow:
        return HistoryRow(row_id, NOW, model, points=points, key_name="Ours")

    async def history(_since: float, before_page: Any) -> list[HistoryRow]:
        await before_page()
        return [row("one", "GLM-5", 7), row("other", "GPT-5.4", 30)]

    poller = Poller(cases, AloneLease(), Means(history, lambda: NOW + 9, lambda: NOW + 9, asyncio.sleep, closed.append))  # type: ignore[arg-type]
    asyncio.run(poller._round())
    assert closed == [over]
    waiting.answered_at = NOW + 2
    asyncio.run(poller._round())
    assert (closed, waiting.points) == ([over, waiting], 7)


def test_it_rests_four_times_as_long_as_judging_took(monkeypatch: pytest.MonkeyPatch) -> None:
    cases, now = Cases("a-"), [NOW + 9]
    cases.begin(replace(report(), sent=[Sent("gpt-5.4", NOW, NOW + 1, 200)])).answered_at = NOW + 1

    async def history(_since: float, before_page: Any) -> list[HistoryRow]:
        await before_page()
        return [HistoryRow("one", NOW, "GPT-5.4", points=30)]

    def slow(*_: Any) -> list[Verdict]:
        now[0] += 0.5
        return []

    monkeypatch.setattr("poe_proxy.ledger.poller.settle", slow)
    poller = Poller(cases, AloneLease(), Means(history, lambda: now[0], lambda: now[0], asyncio.sleep, print))  # type: ignore[arg-type]
    assert asyncio.run(poller._round()) == 2.0


# --- rows of other processes ------------------------------------------------------------------------------------------


def _looks(rows: list[HistoryRow], *others: list[Row] | None) -> tuple[list[Case], Cases]:
    """What one process closes that looks as often as others leave ``others`` open, and what it has open then."""
    cases, closed = Cases("a-"), list[Case]()

    async def history(_since: float, before_page: Any) -> list[HistoryRow]:
        await before_page()
        return rows

    async def look() -> None:
        for _ in others:
            await poller._round()

    means = Means(history, lambda: NOW + 9, lambda: NOW + 9, asyncio.sleep, closed.append)
    poller = Poller(cases, AloneLease(*others), means)  # type: ignore[arg-type]
    asyncio.run(look())
    return closed, cases


def _as_noted(finished: Row) -> Row:
    """The row as it was while the request ran."""
    return replace(finished, outcome="open", tokens_in=None, tokens_out=None, duration_s=1.0)


_OURS = HistoryRow("ours", NOW + 0.1, "gpt-5.4-mini", points=7, tokens_in=100, tokens_out=20)


def test_a_row_that_was_taken_over_and_is_finished_all_the_same_is_judged_anew() -> None:
    finished = row()
    guess, judged = _looks([_OURS], [_as_noted(finished)], [finished])[0]
    assert (guess.is_abandoned, judged.is_abandoned) == (True, False)
    assert (judged.id, judged.points, judged.history) == (finished.id, 7, ("ours",))


def test_a_row_that_was_taken_over_and_is_noted_again_is_given_back() -> None:
    _, cases = _looks([], [_as_noted(row())], None)
    assert len(cases.open()) == 1, "nothing was heard of it"
    _, cases = _looks([], [_as_noted(row())], [])
    assert cases.open() == []


def test_a_row_that_is_closed_and_not_written_yet_is_not_taken_over_again() -> None:
    finished = row()
    closed, cases = _looks([_OURS], [finished], [finished])
    assert (len(closed), cases.open()) == (1, [])
