"""The ledger's database failing in every way: no answer is lost, rows wait, and what cannot be kept is told."""

import asyncio
import contextlib
import io
import os
import shutil
import sqlite3
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

import poe_sim
from poe_proxy.ledger import store, writer
from poe_proxy.ledger.cases import Cases
from poe_proxy.ledger.row import Points, Row, StoreError
from poe_proxy.ledger.store import Store
from poe_proxy.ledger.writer import Writer
from poe_proxy.observe import log
from tests.commands import PROXY, in_front_of, started
from tests.ledger.rows import report, row, rows_in
from tests.running import Proxy, eventually
from tests.services import free_port
from tests.serving import Serving
from tests.talk import chat, post

StartProxy = Callable[..., Proxy]


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once, so that no test has to wait for it."""
    monkeypatch.setattr(writer, "_LONGEST_RETRY_S", 0.05)
    monkeypatch.setattr(writer, "_RETRY_S", 0.05)
    monkeypatch.setattr(store, "_LOCK_TIMEOUT_S", 0.05)


@pytest.fixture
def told() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def words(proxy: Proxy) -> str:
    return proxy.house.ledger.readiness()["ledger"]


def answers(proxy: Proxy) -> None:
    assert post(proxy, chat("hi")).status_code == 200
    assert '"finish_reason":"stop"' in post(proxy, chat("hi", stream=True)).text


def page(proxy: Proxy) -> str:
    return proxy.house.metrics.page().decode()


def count(file: Path) -> int:
    return len(rows_in(file))


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(start_proxy: StartProxy) -> Proxy:
    """One with two rows in its database."""
    started = start_proxy()
    answers(started)
    eventually(lambda: count(file_of(started)) == 2)
    return started


def file_of(proxy: Proxy) -> Path:
    return Path(proxy.house.settings.database)


def test_a_file_that_another_process_locks_keeps_rows_waiting_and_the_metrics_say_how_many(
    proxy: Proxy,
) -> None:
    with contextlib.closing(sqlite3.connect(file_of(proxy), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        answers(proxy)
        eventually(lambda: "locked" in words(proxy))
        assert "2 rows wait in memory" in words(proxy)
        assert "poe_proxy_ledger_rows_waiting 2.0" in page(proxy)
        other.execute("ROLLBACK")
    eventually(lambda: count(file_of(proxy)) == 4)
    eventually(lambda: "poe_proxy_ledger_rows_waiting 0.0" in page(proxy))
    eventually(lambda: words(proxy) == "requests are kept")


def test_a_full_disk_is_told_with_its_cure_and_rows_are_written_when_there_is_room(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has the same error where it is given no more pages than it has."""
    full = [False]
    transaction = Store._transaction

    @contextlib.asynccontextmanager
    async def limited(self: Store) -> AsyncIterator[AsyncConnection]:
        async with transaction(self) as connection:
            await connection.exec_driver_sql(f"PRAGMA max_page_count = {1 if full[0] else 2**30}")
            yield connection

    monkeypatch.setattr(Store, "_transaction", limited)
    proxy = start_proxy()
    full[0] = True
    for _ in range(30):  # more than fits into the pages that are there
        post(proxy, chat("hi", user="x" * 100))
    eventually(lambda: "disk is full (make room)" in words(proxy))
    answers(proxy)
    full[0] = False
    eventually(lambda: count(file_of(proxy)) == 32)
    eventually(lambda: words(proxy) == "requests are kept")


def test_a_folder_that_is_taken_away_is_made_anew_and_told(proxy: Proxy, told: list[Any]) -> None:
    shutil.rmtree(file_of(proxy).parent)
    answers(proxy)
    eventually(lambda: file_of(proxy).exists() and count(file_of(proxy)) == 2)
    assert any("taken away or replaced" in line["event"] for line in told)


def test_a_file_that_takes_the_others_place_is_written_to_without_the_others_changes(
    proxy: Proxy, tmp_path: Path, told: list[Any]
) -> None:
    """As when somebody brings back yesterday's: the one that is gone must not be written to, nor into the new one."""
    backup = tmp_path / "backup"
    with contextlib.closing(sqlite3.connect(backup)) as other:
        other.execute("CREATE TABLE ours (word TEXT)")
        other.execute("INSERT INTO ours VALUES ('kept')")
        other.commit()
    os.replace(backup, file_of(proxy))
    answers(proxy)
    eventually(lambda: any("taken away or replaced" in line["event"] for line in told))
    assert (
        httpx.get(f"{proxy.url}/v1/usage", trust_env=False).json()["requests"] == 2
    )  # not looked at before it is open
    with contextlib.closing(sqlite3.connect(file_of(proxy))) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT word FROM ours").fetchall() == [("kept",)]


def test_two_processes_follow_a_file_that_is_taken_away(start_proxy: StartProxy) -> None:
    first, second = start_proxy(), start_proxy()
    for proxy in (first, second):
        answers(proxy)
    eventually(lambda: count(file_of(first)) == 4)
    file_of(first).unlink()
    answers(first)
    eventually(lambda: file_of(first).exists() and count(file_of(first)) == 2)
    answers(second)
    eventually(lambda: count(file_of(first)) == 4)


def test_a_broken_file_is_told_with_its_cure_and_a_new_one_made_when_it_is_gone(
    start_proxy: StartProxy, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.sqlite3"
    file.write_bytes(b"no database" * 1000)
    proxy = start_proxy()
    answers(proxy)
    eventually(lambda: "move the file away, and a new one is made" in words(proxy))
    refused = httpx.get(f"{proxy.url}/v1/usage", trust_env=False)
    assert refused.status_code == 503
    assert "Requests are served all the same" in refused.json()["error"]["message"]
    file.unlink()
    eventually(lambda: count(file) == 2)
    eventually(lambda: words(proxy) == "requests are kept")


def test_a_database_that_cannot_be_opened_leaves_nothing_behind_each_time_it_is_tried(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(b"no database" * 1000)

    async def tries() -> int:
        database = Store(tmp_path / "ledger.sqlite3")
        for _ in range(5):
            with pytest.raises(StoreError):
                await database.open()
        left = len(os.listdir("/proc/self/fd"))
        await database.close()
        return left

    before = len(os.listdir("/proc/self/fd"))
    assert asyncio.run(tries()) <= before + 6  # the loop's own and one connection


def test_a_disk_that_does_not_even_say_what_is_there_is_a_fault_of_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a network's disk that went away: it must not end the one task that writes."""

    async def written() -> None:
        database = Store(tmp_path / "ledger.sqlite3")
        await database.open()

        def stale(_path: Path) -> None:
            raise OSError(116, "Stale file handle")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "stat", stale)
            with pytest.raises(StoreError, match="Stale file handle"):
                await database.write([row()], [])
        await database.write([row()], [])
        await database.close()

    asyncio.run(written())
    assert count(tmp_path / "ledger.sqlite3") == 1


# --- rows that cannot be kept -----------------------------------------------------------------------------------------


def test_beyond_what_memory_is_given_rows_are_lost_and_that_is_told(
    proxy: Proxy, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_WAITING", 3)
    with contextlib.closing(sqlite3.connect(file_of(proxy), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(3):
            answers(proxy)
        eventually(lambda: "poe_proxy_ledger_rows_lost_total 3.0" in page(proxy))
    eventually(lambda: count(file_of(proxy)) == 5)
    eventually(lambda: words(proxy) == "requests are kept, 3 rows are lost")
    assert [line["rows"] for line in told if line["event"] == "rows of the ledger are lost"] == [1]


class _Flaky:
    """A database that objects to rows until it is there."""

    def __init__(self, faults: list[StoreError]) -> None:
        self.faults = faults
        self.rows: list[str] = []
        self.whole = asyncio.Event()

    async def open(self) -> None:
        """At once."""

    async def close(self) -> None:
        """At once."""

    async def write(self, rows: list[Row], settled: list[Points]) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.rows += [row.id for row in rows if row.id not in self.rows]
        if len(self.rows) == 3:
            self.whole.set()


def test_a_database_that_comes_back_while_rows_are_tried_one_by_one_loses_none() -> None:
    """It objected to the batch as if to its data, and then to single rows as one that is only just starting."""

    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    async def written() -> list[str]:
        starting = StoreError("it is starting up")
        database = _Flaky([StoreError("?", passing=False), starting, starting])
        keeper = Writer("", 0, lambda: 0.0, sleep, lambda *_: None)
        keeper.store = database  # type: ignore[assignment]
        cases = Cases("a-")
        for _ in range(3):
            keeper.add(cases.finish(report(), 0.0))
        task = asyncio.create_task(keeper.run())
        await database.whole.wait()
        task.cancel()
        return database.rows

    assert len(asyncio.run(written())) == 3


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def test_a_postgresql_that_is_still_starting_is_no_objection_to_what_is_written() -> None:
    async def starting(reader: asyncio.StreamReader, peer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        said = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
        peer.write(b"E" + struct.pack("!I", len(said) + 4) + said)
        peer.close()

    async def opened() -> None:
        server = await asyncio.start_server(starting, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        database = Store(f"postgresql+asyncpg://poe@127.0.0.1:{port}/poe?ssl=disable")
        with pytest.raises(StoreError, match="starting up") as caught:
            await database.open()
        assert caught.value.passing
        server.close()

    asyncio.run(opened())


# --- the log on the same full disk ------------------------------------------------------------------------------------


def test_a_log_that_cannot_be_written_costs_neither_an_answer_nor_a_row_nor_the_start(
    poe: poe_sim.SimServer, tmp_path: Path
) -> None:
    file, port = tmp_path / "data" / "ledger.sqlite3", free_port()
    file.parent.mkdir()
    file.write_bytes(b"no database" * 1000)  # so that the ledger has something to say
    words = ("/bin/sh", "-c", 'exec "$@" 2> /dev/full', "sh", *PROXY, "--port", str(port))
    with started(words, tmp_path, in_front_of(poe.base_url)) as command:
        proxy = Serving(command, f"http://127.0.0.1:{port}", tmp_path)
        eventually(proxy.is_there)
        assert proxy.ask().status_code == 200
        eventually(lambda: "not a database" in proxy.get("/ready").json()["ledger"])
        file.unlink()
        eventually(lambda: file.exists() and len(proxy.rows()) == 1)


def test_a_log_that_can_be_written_again_tells_how_much_is_missing() -> None:
    class Disk(io.StringIO):
        full = True

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    disk = Disk()
    before = structlog.get_config()
    try:
        log.configure("info", "text", disk)
        for number in range(3):
            disk.full = number < 2
            log.log.info("an event", number=number)
    finally:
        structlog.configure(**before)
    assert "2 lines of this log could not be written" in disk.getvalue()
    assert "number=2" in disk.getvalue()
