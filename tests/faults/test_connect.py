"""Faults before there is any answer: nobody listens, or whoever does hangs up or says nothing."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import poe_sim
from tests.faults.cells import Cell
from tests.faults.matrix import IMPATIENT, House, house_of, judge
from tests.faults.tables import ROUTES, TRIES, Outcome, Route, error

_NOT_REACHED = error(502, "poe_not_reached", TRIES)
_UNANSWERED = error(502, "poe_did_not_answer", 2)
_SILENT = error(504, "poe_timed_out", type="timeout_error")


@contextmanager
def _listening(*, hangs_up: bool) -> Iterator[str]:
    """An address at which connections are accepted, and closed at once or never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as connections:

        def accept() -> None:
            with contextlib.suppress(OSError):  # the listener was shut
                while True:
                    connection, _ = listener.accept()
                    connections.enter_context(connection)
                    if hangs_up:
                        connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def _house_at(url: str, poe: poe_sim.SimServer, folder: Path) -> Iterator[House]:
    with house_of(replace(poe, base_url=url), folder, IMPATIENT) as house:
        yield house


@pytest.fixture(scope="module")
def refused(faulty_poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with _house_at(poe_sim.refused_url(), faulty_poe, tmp_path_factory.mktemp("refused")) as house:
        yield house


@pytest.fixture(scope="module")
def hung_up(faulty_poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("hung-up")
    with _listening(hangs_up=True) as url, _house_at(url, faulty_poe, folder) as house:
        yield house


@pytest.fixture(scope="module")
def silent(faulty_poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("silent")
    with _listening(hangs_up=False) as url, _house_at(url, faulty_poe, folder) as house:
        yield house


@pytest.mark.parametrize(
    ("where", "expected"), [("refused", _NOT_REACHED), ("hung_up", _UNANSWERED), ("silent", _SILENT)]
)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_poe_that_cannot_be_asked_is_an_error_that_says_so(
    request: pytest.FixtureRequest, where: str, expected: Outcome, stream: bool, route: Route
) -> None:
    house: House = request.getfixturevalue(where)
    told = house.meet(Cell(route, stream, ""))
    judge(Cell(route, stream, ""), replace(told, calls=expected.calls), expected)
