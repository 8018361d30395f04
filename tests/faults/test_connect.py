"""Faults before there is any answer: nobody listens, or whoever does hangs up or says nothing."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import poe_sim
from tests.faults.cells import Cell
from tests.faults.matrix import PATIENT, House, house_of, judge
from tests.faults.tables import ROUTES, TRIES, Outcome, Route, error

_NOT_REACHED = error(502, "poe_not_reached", TRIES)
_UNANSWERED = error(502, "poe_did_not_answer", 2)
_SOON = {"STREAM_IDLE_S": 0.3, "ANSWER_TIMEOUT_S": 0.6}
_SILENT = error(504, "poe_timed_out", type="timeout_error")


@dataclass
class _Door:
    """An address at which somebody listens, or nobody; ``taken``: how many connections were accepted."""

    url: str
    taken: int = 0


@contextmanager
def _listening(*, hangs_up: bool) -> Iterator[_Door]:
    """An address at which connections are accepted, and closed at once or never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as connections:
        door = _Door(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def accept() -> None:
            with contextlib.suppress(OSError):  # the listener was shut
                while True:
                    connection, _ = listener.accept()
                    door.taken += 1
                    connections.enter_context(connection)
                    if hangs_up:
                        connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield door
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@dataclass(frozen=True)
class _Place:
    """A house at a door that leads nowhere."""

    door: _Door
    house: House


@contextmanager
def _house_at(door: _Door, poe: poe_sim.SimServer, folder: Path, **settings: float) -> Iterator[_Place]:
    with house_of(replace(poe, base_url=door.url), folder, {**PATIENT, **settings}) as house:
        yield _Place(door, house)


@pytest.fixture(scope="module")
def refused(faulty_poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Place]:
    with _house_at(_Door(poe_sim.refused_url()), faulty_poe, tmp_path_factory.mktemp("refused")) as place:
        yield place


@pytest.fixture(scope="module")
def hung_up(faulty_poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Place]:
    folder = tmp_path_factory.mktemp("hung-up")
    with _listening(hangs_up=True) as door, _house_at(door, faulty_poe, folder) as place:
        yield place


@pytest.fixture(scope="module")
def silent(faulty_poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Place]:
    folder = tmp_path_factory.mktemp("silent")
    with _listening(hangs_up=False) as door, _house_at(door, faulty_poe, folder, **_SOON) as place:
        yield place


@pytest.mark.parametrize(
    ("where", "expected"), [("refused", _NOT_REACHED), ("hung_up", _UNANSWERED), ("silent", _SILENT)]
)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_poe_that_cannot_be_asked_is_an_error_that_says_so(
    request: pytest.FixtureRequest, where: str, expected: Outcome, stream: bool, route: Route
) -> None:
    """No call arrives; the proxy's own may come in between those that are counted at the door."""
    place: _Place = request.getfixturevalue(where)
    before = place.door.taken
    told = place.house.meet_among_others(Cell(route, stream, ""))
    judge(Cell(route, stream, ""), told, replace(expected, calls=0), tries=expected.calls)
    if where != "refused":
        assert place.door.taken - before >= expected.calls
