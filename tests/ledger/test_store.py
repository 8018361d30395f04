"""The database, on SQLite and on a real PostgreSQL: what is written is read, at once and by several."""

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from poe_proxy.ledger import migrations
from poe_proxy.ledger.reports import usage
from poe_proxy.ledger.row import Points, StoreError
from poe_proxy.ledger.store import Store
from tests.ledger.rows import NOW, row

T = TypeVar("T")


def on(database: str | Path, work: Callable[[Store], Awaitable[T]]) -> T:
    """What ``work`` brings, with a store that is open."""

    async def run() -> T:
        store = Store(database)
        try:
            await store.open()
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def test_a_row_comes_back_as_it_was(database: str | Path) -> None:
    one = row(session="ſession 🦊", first_event_s=None)

    async def work(store: Store) -> None:
        await store.write([one], [])
        assert await store.open_rows(NOW - 1) == [one]
        assert await store.open_rows(NOW + 1) == []

    on(database, work)


def test_points_close_a_row_once_and_for_all(database: str | Path) -> None:
    one = row()

    async def work(store: Store) -> None:
        await store.write([one], [Points(one.id, 24, "settled", ("q1", "q2"))])
        await store.write([], [Points(one.id, 99, "estimated")])
        assert await store.open_rows(0) == []
        assert await store.results([one.id, "other"]) == [Points(one.id, 24, "settled", ("q1", "q2"))]
        assert await store.used(0) == {"q1", "q2"}

    on(database, work)


def test_who_finishes_a_request_has_the_last_word_on_its_row(database: str | Path) -> None:
    """Another process may have taken it for abandoned, and settled it with what it knew."""
    one, other = row(), row()
    guess = Points(one.id, 99, "settled", ("q1",), was_running=True)

    async def work(store: Store) -> None:
        await store.write([replace(one, outcome="open"), other], [guess, replace(guess, id=other.id)])
        assert await store.results([one.id, other.id]) == []
        assert await store.used(0) == {"q1"}
        assert await store.used(0, but=one.id) == set()
        await store.write([one], [])
        await store.write([], [guess])
        assert {found.id for found in await store.open_rows(0)} == {one.id, other.id}

    on(database, work)


def test_a_row_that_is_written_twice_is_there_once(database: str | Path) -> None:
    one, other = row(), row()

    async def work(store: Store) -> None:
        await store.write([one], [])
        await store.write([replace(one, points=1, source="settled"), other], [])
        assert {found.id for found in await store.open_rows(0)} == {one.id, other.id}

    on(database, work)


def test_odd_words_and_numbers_are_taken(database: str | Path) -> None:
    odd = row(model="\0" * 9 + "x" * 10_000, error="'; DROP TABLE requests; --", estimate=2**80)

    async def work(store: Store) -> None:
        await store.write([odd], [])
        (found,) = await store.open_rows(0)
        assert (len(found.asked_model), found.error) == (200, "'; DROP TABLE requests; --")

    on(database, work)


def test_old_rows_go_and_stale_ones_keep_their_estimate(database: str | Path) -> None:
    old, stale, fresh = row(time=NOW - 9000), row(time=NOW - 5000), row()

    async def work(store: Store) -> None:
        await store.write([old, stale, fresh], [])
        assert await store.prune(NOW - 8000) == 1
        await store.give_up(NOW - 3600)
        assert await store.results([stale.id]) == [Points(stale.id, 30, "estimated")]
        assert [found.id for found in await store.open_rows(0)] == [fresh.id]

    on(database, work)


def test_sums_are_by_model_key_source_and_day(database: str | Path) -> None:
    rows = [
        replace(row(), points=10, source="settled"),
        replace(row(), points=5, source="settled", key="key 2"),
        replace(row(time=NOW - 90_000), points=3, source="estimated"),
        row(),
        replace(row(), points=999, source="settled", time=NOW - 10**7),
    ]

    async def work(store: Store) -> None:
        await store.write(rows, [])
        said = usage(await store.sums(NOW - 10**6, NOW - 1000), 500)
        assert said["balance"] == 500
        assert said["points"] == {"today": 45, "month": 48, "settled": 15, "estimated": 3, "unsettled": 30}
        assert said["requests"] == 4
        assert [(part["key"], part["points"]) for part in said["by_key"]] == [("key 1", 43), ("key 2", 5)]
        assert said["by_model"][0] | {"points": 0} == {
            "model": "gpt-5.4-mini",
            "requests": 4,
            "points": 0,
            "tokens_in": 400,
            "tokens_out": 80,
        }

    on(database, work)


def test_a_session_is_added_up_settled_or_open(database: str | Path) -> None:
    rows = [row(session="ours"), row(session="ours", estimate=None), row(session="ours"), row(session="theirs")]
    old = row(session="ours", time=NOW - 1000)

    async def work(store: Store) -> None:
        await store.write([*rows, old], [Points(rows[0].id, 12, "settled")])
        assert await store.session("ours", NOW - 500) == {"requests": 3, "points": 42}
        assert (await store.session("nobody's", 0))["requests"] == 0

    on(database, work)


def test_only_one_holds_the_lease_until_it_ends_or_is_released(database: str | Path) -> None:
    async def work(store: Store) -> None:
        assert await store.lease("a", NOW, NOW + 10)
        assert not await store.lease("b", NOW + 5, NOW + 15)
        assert await store.lease("a", NOW + 6, NOW + 16)
        assert await store.lease("b", NOW + 17, NOW + 27)
        await store.release("a")
        assert not await store.lease("a", NOW + 18, NOW + 28)
        await store.release("b")
        assert await store.lease("a", NOW + 19, NOW + 29)

    on(database, work)


def test_several_processes_may_start_at_once(database: str | Path) -> None:
    async def run() -> None:
        stores = [Store(database) for _ in range(6)]
        await asyncio.gather(*(store.open() for store in stores))
        await asyncio.gather(*(store.write([row() for _ in range(20)], []) for store in stores))
        assert len(await stores[0].open_rows(0)) == 120
        for store in stores:
            await store.close()

    asyncio.run(run())


def test_a_step_that_is_new_is_taken_once(database: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: Store) -> None:
        return

    async def count(store: Store) -> int:
        return len(await store._read(_count()))

    on(database, nothing)
    monkeypatch.setattr(
        "poe_proxy.ledger.store.STEPS",
        (*migrations.STEPS, ("CREATE TABLE more (x INTEGER)", "INSERT INTO more VALUES (1)")),
    )
    assert (on(database, count), on(database, count)) == (1, 1)


def _count() -> object:
    from sqlalchemy import text

    return text("SELECT x FROM more")


def test_a_newer_databases_tables_are_left_alone(database: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: Store) -> None:
        return

    on(database, nothing)
    monkeypatch.setattr("poe_proxy.ledger.store.STEPS", ())
    with pytest.raises(StoreError, match="newer"):
        on(database, nothing)


# --- SQLite's own ---------------------------------------------------------------------------------------------------


def test_a_file_in_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b %20?#.sqlite3"
    on(file, lambda store: store.write([row()], []))
    assert sqlite3.connect(file).execute("SELECT COUNT(*) FROM requests").fetchone() == (1,)
    assert file.stat().st_mode & 0o077 == 0, "it is nobody else's business"


def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    on(file, lambda store: store.write([row()], []))
    assert sqlite3.connect(file).execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_something_else_than_a_database_is_an_error_in_words(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    file.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="not a database"):
        on(file, lambda store: store.write([row()], []))


def test_a_file_that_was_taken_away_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"

    async def work(store: Store) -> None:
        await store.write([row()], [])
        shutil.rmtree(tmp_path)
        await store.write([row()], [])

    on(file, work)
    assert sqlite3.connect(file).execute("SELECT COUNT(*) FROM requests").fetchone() == (1,)


def test_a_server_that_is_not_there_is_a_passing_error() -> None:
    with pytest.raises(StoreError) as caught:
        on("postgresql+asyncpg://poe@127.0.0.1:1/none", lambda store: store.write([], []))
    assert caught.value.passing
