"""The one task that settles: what it judges by, and when it looks."""

import asyncio
from dataclasses import replace
from typing import Any

from poe_proxy.canonical.history import HistoryRow
from poe_proxy.canonical.report import Sent
from poe_proxy.ledger.cases import Case, Cases
from poe_proxy.ledger.poller import _LEAST_GAP_S, Means, Poller
from tests.ledger.rows import NOW, report


class AloneLease:
    """A lease of one who is alone."""

    async def held(self) -> bool:
        return True

    async def taken(self, _since: float) -> set[str]:
        return set()

    async def others(self, _since: float) -> list[Any]:
        return []


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
