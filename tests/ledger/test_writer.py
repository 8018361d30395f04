"""The one task that writes: what waits to be written stays until it is, and nothing is said that did not happen."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from poe_proxy.ledger import writer as ledger_writer
from poe_proxy.ledger.cases import Cases
from poe_proxy.ledger.row import Points, Row, StoreError
from poe_proxy.ledger.writer import NOTED_EVERY_S, Writer
from tests import virtual_time
from tests.ledger.rows import report


class Database:
    """One that fails ``faults`` times, takes ``seconds`` for each write, and remembers what was written when."""

    def __init__(self, faults: int = 0, seconds: float = 0.0) -> None:
        self.faults = faults
        self.seconds = seconds
        self.is_open = False
        self.written: list[tuple[float, str, str]] = []

    async def open(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        """At once."""

    async def give_up(self, before: float) -> None:
        """Nothing is open."""

    async def write(self, rows: list[Row], _settled: list[Points]) -> None:
        await asyncio.sleep(self.seconds)
        if self.faults:
            self.faults -= 1
            raise StoreError("locked")
        now = asyncio.get_running_loop().time()
        self.written += [(now, row.id, row.outcome) for row in rows]

    def noted(self) -> list[float]:
        """When a request under way was written."""
        return [at for at, _, outcome in self.written if outcome == "open"]


def _written(database: Database, seconds: float, *, busy: bool = False) -> Database:
    """What is written of a request that runs for so long; ``busy``: while something else is being written."""

    async def run() -> None:
        clock = asyncio.get_running_loop().time
        writer, cases = Writer("", 0, clock, asyncio.sleep, lambda *_: None), Cases("a-")
        writer.store = database  # type: ignore[assignment]
        task = asyncio.create_task(writer.run())
        if busy:
            writer.add(cases.finish(report(), clock()))
        cases.begin(report(started=clock()))
        while clock() < seconds:
            writer.note(cases.running(), clock())
            await asyncio.sleep(1)
        task.cancel()

    virtual_time.run(run())
    return database


def test_a_request_under_way_is_noted_soon_and_then_as_often_as_others_look_for_it() -> None:
    first, second, third = _written(Database(), 2.5 * NOTED_EVERY_S).noted()
    assert first < 2
    assert max(second - first, third - second) < NOTED_EVERY_S + 2


def test_a_request_under_way_whose_note_could_not_be_written_is_noted_once_it_can() -> None:
    assert len(_written(Database(faults=1), 10).noted()) == 1


def test_a_request_under_way_is_noted_though_another_write_takes_long() -> None:
    assert len(_written(Database(seconds=3.5), 15, busy=True).noted()) == 1


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What is logged, also where an earlier test had the writer's own logger made for good."""
    monkeypatch.setattr(ledger_writer, "log", structlog.get_logger())
    with structlog.testing.capture_logs() as lines:
        yield lines


def test_a_start_at_which_nothing_failed_says_nothing(said: list[Any]) -> None:
    _written(Database(), 5)
    assert said == []


def test_a_database_that_failed_and_works_again_is_told(said: list[Any]) -> None:
    _written(Database(faults=1), 5)
    assert said[-1]["event"] == "the ledger's database works again"


def _ended(database: Database) -> Database:
    """What is written of a request that ends as the proxy does, before the database could be opened."""

    async def run() -> None:
        writer = Writer("", 0, lambda: 0.0, asyncio.sleep, lambda *_: None)
        writer.store = database  # type: ignore[assignment]
        writer.add(Cases("a-").finish(report(), 0.0))
        await writer.close()
        assert asyncio.get_running_loop().time() < 5

    virtual_time.run(run())
    return database


def test_a_row_that_is_there_before_the_database_is_open_is_written_at_the_end() -> None:
    database = _ended(Database())
    assert database.is_open
    assert len(database.written) == 1


def test_a_database_that_is_locked_at_the_end_is_asked_again() -> None:
    """Another process may be writing its own last rows."""
    assert len(_ended(Database(faults=3)).written) == 1


@pytest.mark.parametrize(
    ("database", "reason"),
    [
        pytest.param(Database(faults=1000), "locked", id="fails"),
        pytest.param(Database(seconds=1000), "it does not answer", id="does not answer"),
    ],
)
def test_what_cannot_be_written_at_the_end_is_told_as_lost(said: list[Any], database: Database, reason: str) -> None:
    assert _ended(database).written == []
    (line,) = [line for line in said if line["event"] == "rows of the ledger are lost"]
    assert (line["rows"], line["reason"]) == (1, f"the proxy ends, and {reason}")
