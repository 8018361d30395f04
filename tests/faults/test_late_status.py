"""Faults after the proxy's own status line has left, because Poe let it wait: an error can only be an event then."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

import poe_sim
from tests.faults.cells import Cell
from tests.faults.matrix import PATIENT, House, house_of, judge
from tests.faults.tables import ROUTES, Route

_LATE = "slow_headers seconds=0.2 times=1"
_FAULTS = ("402", "500", "529", "429 retry_after=999999999", "html_200", "error_200", "empty", "redirect", "bad_http")


@pytest.fixture(scope="module")
def hasty(
    faulty_poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory, _without_waiting: None
) -> Iterator[House]:
    """A proxy whose status line leaves at once."""
    with house_of(faulty_poe, tmp_path_factory.mktemp("hasty"), {**PATIENT, "FIRST_EVENT_S": 0.001}) as house:
        yield house


@pytest.mark.parametrize("fault", _FAULTS)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_an_error_that_comes_late_ends_the_stream(hasty: House, route: Route, fault: str) -> None:
    late = Cell(route, True, f"{fault}+{_LATE}")
    judge(late, hasty.meet(late), replace(Cell(route, True, fault).expected, ends="cut"))
