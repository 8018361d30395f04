"""What faults leave behind, which is nothing: no connection, no task, no object of a request."""

import asyncio
import gc
from collections import Counter
from functools import partial

import httpx
import pytest

from tests.faults.cells import breaking_cells, stalling_cells
from tests.faults.matrix import House, Together
from tests.faults.tables import ROUTES, Route
from tests.running import eventually
from tests.talk import chat, hanging_up

_OF_REQUESTS = (
    "web.",
    "wire.",
    "policy.",
    "sse.",
    "clipper.",
    "canonical.events.",
    "canonical.errors.",
    "canonical.answer.",
    "poe.client.",
    "poe.transport._Body",
    "aiohttp.client_reqrep.ClientResponse",
)
"""Where everything is made for one request; what the ledger keeps until points are settled has a limit of its own."""

_OWN = Counter(
    {
        "poe.client.Calling": 2,
        "poe.client.Answered": 2,
        "poe.transport._Body": 2,
        "aiohttp.client_reqrep.ClientResponse": 2,
    }
)
"""What each of two houses may have of a call of its own: it asks for points and balances all the time."""


def objects() -> Counter[str]:
    """How many objects of requests there are, by class."""
    gc.collect()
    counted = Counter(map(type, gc.get_objects()))
    named = {f"{kind.__module__}.{kind.__name__}".removeprefix("poe_proxy."): n for kind, n in counted.items()}
    return Counter({name: count for name, count in named.items() if name.startswith(_OF_REQUESTS)})


def tasks(house: House) -> int:
    return int(house.in_loop(lambda: len(asyncio.all_tasks())))


def has_at_most(house: House, number: int) -> bool:
    return tasks(house) <= number


def requests_running(house: House) -> str:
    page = httpx.get(f"{house.proxy.url}/metrics", trust_env=False).text
    return next(line for line in page.splitlines() if line.startswith("poe_proxy_requests_running "))


def is_quiet(house: House) -> bool:
    """Whether nothing is under way but that which asks."""
    return (
        house.connections_in_use() == 0
        and not house.poe.poe.log.in_flight
        and not house.proxy.house.closing._running
        and requests_running(house) == "poe_proxy_requests_running 1.0"
    )


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_faults_leave_nothing_behind(patient: House, impatient: House, route: Route) -> None:
    houses = (patient, impatient)
    _all_kinds(*houses, route)
    before, tasks_before = objects(), [tasks(house) for house in houses]
    _all_kinds(*houses, route)
    for house, tasks_then in zip(houses, tasks_before, strict=True):
        eventually(partial(has_at_most, house, tasks_then))
    eventually(lambda: not (objects() - before - _OWN))


def _all_kinds(patient: House, impatient: House, route: Route) -> None:
    """Requests that meet each kind of fault, and clients that leave; then all of it is over."""
    silent = Together(impatient, stalling_cells(route))
    for cell in stalling_cells(route):
        silent.meet(cell)
    for cell in breaking_cells(route):
        patient.meet(cell)
    for stream in (True, False):
        _leave(patient, route, stream=stream)
    for house in (patient, impatient):
        eventually(partial(is_quiet, house))


def _leave(house: House, route: Route, *, stream: bool) -> None:
    """Ask for a long answer, and hang up in the middle of it."""
    body = chat("[[sim:long tokens=500 rate=50]]", model=route.model, max_tokens=500, stream=stream)
    with hanging_up(house.proxy, body, route.caller) as connection:
        if stream:
            connection.recv(4096)
        else:
            house.poe.wait_for(lambda poe: poe.log.in_flight)
