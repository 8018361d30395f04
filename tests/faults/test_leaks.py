"""What faults leave behind, which is nothing: no connection, no task, no object of a request."""

import asyncio
import gc
from collections import Counter

import httpx
import pytest

import poe_sim
from poe_proxy.poe.transport import SharedTransport
from tests.faults.cells import Cell, breaking_cells
from tests.faults.matrix import House
from tests.faults.tables import ROUTES, Route
from tests.running import eventually

_OF_REQUESTS = (
    "web.",
    "wire.",
    "policy.",
    "sse.",
    "clipper.",
    "canonical.events.",
    "canonical.errors.",
    "canonical.answer.",
)
"""Where everything is made for one request; what the ledger keeps until points are settled has a limit of its own."""


def objects() -> Counter[str]:
    """How many objects of requests there are, by class."""
    gc.collect()
    kinds = (type(thing) for thing in gc.get_objects())
    names = (f"{kind.__module__}.{kind.__name__}" for kind in kinds)
    return Counter(name for name in names if name.removeprefix("poe_proxy.").startswith(_OF_REQUESTS))


def tasks(house: House) -> int:
    return int(house.in_loop(lambda: len(asyncio.all_tasks())))


def in_use(house: House) -> int:
    """Connections to Poe that a call holds."""

    def look() -> int:
        transport = house.proxy.house.exchange.poe._transport
        assert isinstance(transport, SharedTransport)
        return len(transport._pool._acquired)

    return int(house.in_loop(look))


def requests_running(house: House) -> str:
    page = httpx.get(f"{house.proxy.url}/metrics", trust_env=False).text
    return next(line for line in page.splitlines() if line.startswith("poe_proxy_requests_running "))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_faults_leave_nothing_behind(patient: House, faulty_poe: poe_sim.SimServer, route: Route) -> None:
    cells = breaking_cells(route)
    _meet_all(patient, cells)
    before, tasks_before = objects(), tasks(patient)
    _meet_all(patient, cells)
    eventually(lambda: tasks(patient) <= tasks_before)
    eventually(lambda: in_use(patient) == 0)
    eventually(lambda: requests_running(patient) == "poe_proxy_requests_running 1.0")  # that which asks
    assert faulty_poe.wait_for(lambda poe: poe.log.in_flight == 0)
    assert not patient.proxy.house.closing._running
    eventually(lambda: not (objects() - before))


def _meet_all(house: House, cells: list[Cell]) -> None:
    for cell in cells:
        house.meet(cell)
