"""The only one who knows the database: SQLite or PostgreSQL through SQLAlchemy. It decides nothing.

Imported late, since SQLAlchemy takes longer to load than the whole rest of the start.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import fields
from math import inf
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from poe_proxy.canonical.report import Sent
from poe_proxy.ledger.migrations import STEPS
from poe_proxy.ledger.row import Points, Row, StoreError
from poe_proxy.ledger.sqlite_file import SqliteFile
from poe_proxy.observe.log import log

_COLUMNS = tuple(field.name for field in fields(Row))
_INSERT = text(
    f"INSERT INTO requests ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS if name != 'id')} "
    "WHERE requests.outcome = 'open'"
)
_SETTLE = text(
    "UPDATE requests SET points = :points, source = :source, history = :history WHERE id = :id AND source = '' "
    "AND (outcome = 'open' OR NOT :was_running)"
)
_OPEN = text(
    "SELECT * FROM requests WHERE time > :since AND source = '' AND id NOT LIKE :own "
    "AND (outcome <> 'open' OR time + duration_s < :silent)"
)
_USED = text(
    "SELECT history FROM requests WHERE time > :since AND history <> '[]' "
    "AND (outcome <> 'open' OR id NOT LIKE :own)"  # ours, while it ran: taken for that of one who is gone
)
_GIVE_UP = text("UPDATE requests SET points = estimate, source = 'estimated' WHERE time < :before AND source = ''")
_PRUNE = text("DELETE FROM requests WHERE time < :before")
_LEASE = text(
    "UPDATE leases SET holder = :holder, until = :until WHERE name = 'settling' AND "
    "(holder = :holder OR until < :now OR until - 60 > :until)"  # a clock was put back: nobody asks for so long
)
_RELEASE = text("UPDATE leases SET until = 0 WHERE name = 'settling' AND holder = :holder")
_SUMS = text(
    "SELECT served_model, key, source, CASE WHEN time >= :today THEN 1 ELSE 0 END AS today, COUNT(*) AS requests, "
    "SUM(points) AS points, SUM(estimate) AS estimate, SUM(tokens_in) AS tokens_in, SUM(tokens_out) AS tokens_out "
    "FROM requests WHERE time >= :month GROUP BY 1, 2, 3, 4"
)
_SESSION = text(
    "SELECT COUNT(*) AS requests, SUM(CASE WHEN source = '' THEN estimate ELSE points END) AS points "
    "FROM requests WHERE time >= :since AND session = :session"
)
_SENT = frozenset(field.name for field in fields(Sent))
_SQLITE = "sqlite+aiosqlite"
_LOCK_TIMEOUT_S = 5.0
_CLOSE_S = 3.0
_PATIENCE = {"timeout": 10, "command_timeout": 10}  # of asyncpg, which has none of its own
_OBJECTIONS = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
_OBJECTIONS_STATES = ("22", "23", "42", "54")
_UNFIT = (ValueError, TypeError, ArithmeticError, StatementError)
"""Errors, and classes of PostgreSQL's states, that are about what was to be written; all others about the database."""
_CURES = {
    "not a database": "move the file away, and a new one is made",
    "malformed": "move the file away, and a new one is made; sqlite3's .recover may save its rows",
    "disk is full": "make room",
    "readonly": "let the proxy write to the file and its folder",
}
_MIGRATION_LOCK = 730_521_001  # any number, as long as nobody else uses it for an advisory lock
T = TypeVar("T")


class Store:
    """The ledger's tables. Every method raises StoreError and nothing else.

    What was begun is brought to its end, whoever stops waiting for it: a driver's thread must not come back to an event
    loop that is gone.
    """

    def __init__(self, database: str | Path) -> None:
        """``database`` is SQLAlchemy's URL with an async driver, or the file of an SQLite database."""
        self._url = make_url(database) if isinstance(database, str) else URL.create(_SQLITE, database=str(database))
        is_file = self._url.get_backend_name() == "sqlite" and self._url.database
        self._file = SqliteFile(Path(self._url.database)) if is_file and self._url.database else None
        self._engine: AsyncEngine | None = None
        self._under_way: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Connect, and bring the tables up to date; safe when several processes do so at once."""
        await self._to_its_end(self._open())

    async def close(self) -> None:
        """Let go of all connections, once nothing is under way."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_CLOSE_S)
        await self._let_go()

    async def _open(self) -> None:
        await self._let_go()
        async with _told():
            if self._file is not None:
                await asyncio.to_thread(self._file.make)
            self._engine = self._made()
            async with self._transaction() as connection:
                await _migrate(connection, is_sqlite=self._file is not None)
            if self._file is not None:
                await asyncio.to_thread(self._file.remember)

    async def _let_go(self) -> None:
        if self._engine is not None:
            with suppress(Exception):
                await self._engine.dispose()

    async def write(self, rows: Sequence[Row], settled: Sequence[Points]) -> None:
        """Add rows and points in one transaction; what is already there stays as it is, but for requests under way."""
        await self._to_its_end(self._write(rows, settled))

    async def _write(self, rows: Sequence[Row], settled: Sequence[Points]) -> None:
        if self._file is not None:
            await self._follow(self._file)
        async with _told(), self._transaction() as connection:
            if rows:
                await connection.execute(_INSERT, [_values(row) for row in rows])
            if settled:
                await connection.execute(_SETTLE, [_points(one) for one in settled])

    async def _follow(self, file: SqliteFile) -> None:
        """A file that was taken away, or replaced, would be written to for ever, by nobody's leave."""
        async with _told():
            if await asyncio.to_thread(file.is_another):
                log.warning("the ledger's file was taken away or replaced, and is opened anew")
                await self._let_go()
                await asyncio.to_thread(file.drop_changes)
                await self._open()

    async def open_rows(self, since: float, *, but: str = "-", silent: float = inf) -> list[Row]:
        """Rows that are not settled, younger than ``since`` (Unix seconds), whose ids do not begin with ``but``.

        Of requests under way, only those of which nothing was heard after ``silent``: nobody is there to end them.
        """
        return [_row(values) for values in await self._read(_OPEN, since=since, silent=silent, own=f"{but}%")]

    async def used(self, since: float, *, but: str = "-") -> set[str]:
        """Ids of the history rows that requests younger than ``since`` were settled with.

        Not of those under way whose ids begin with ``but``.
        """
        found = await self._read(_USED, since=since, own=f"{but}%")
        return {used for values in found for used in orjson.loads(values["history"])}

    async def results(self, ids: Sequence[str]) -> list[Points]:
        """What others made of the rows with these ids, as far as they are finished and settled."""
        names = [f"id{number}" for number in range(len(ids))]
        found = await self._read(
            text(
                "SELECT id, points, source, history FROM requests WHERE source <> '' AND outcome <> 'open' "
                f"AND id IN ({', '.join(f':{name}' for name in names)})"
            ),
            **dict(zip(names, ids, strict=True)),
        )
        return [
            Points(values["id"], values["points"], values["source"], tuple(orjson.loads(values["history"])))
            for values in found
        ]

    async def give_up(self, before: float) -> None:
        """Open rows older than ``before`` keep their estimate for good."""
        await self._change(_GIVE_UP, before=before)

    async def prune(self, before: float) -> int:
        """Delete rows older than ``before``; how many they were."""
        return await self._change(_PRUNE, before=before)

    async def lease(self, holder: str, now: float, until: float) -> bool:
        """Whether ``holder`` is the one who settles, until then; true for nobody else in that time."""
        return await self._change(_LEASE, holder=holder, now=now, until=until) == 1

    async def release(self, holder: str) -> None:
        """Let others settle at once."""
        await self._change(_RELEASE, holder=holder)

    async def sums(self, month: float, today: float) -> list[dict[str, Any]]:
        """Requests, points and tokens since ``month``, by model, key, source and whether since ``today``."""
        return await self._read(_SUMS, month=month, today=today)

    async def session(self, session: str, since: float) -> dict[str, Any]:
        """Requests and points of one session since then (Unix seconds); open requests with their estimates."""
        (found,) = await self._read(_SESSION, session=session, since=since)
        return found

    def _made(self) -> AsyncEngine:
        if self._file is None:
            return create_async_engine(self._url, pool_size=4, pool_pre_ping=True, connect_args=_PATIENCE)
        engine = create_async_engine(
            self._url, isolation_level="AUTOCOMMIT", connect_args={"timeout": _LOCK_TIMEOUT_S}, pool_size=4
        )
        event.listen(engine.sync_engine, "connect", _pragmas)
        return engine

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        assert self._engine is not None
        if self._file is None:
            async with self._engine.begin() as connection:
                yield connection
            return
        async with self._engine.connect() as connection:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")  # a lock taken later could fail halfway
            try:
                yield connection
                await connection.exec_driver_sql("COMMIT")
            except BaseException:
                with suppress(Exception):
                    await asyncio.shield(connection.exec_driver_sql("ROLLBACK"))
                raise

    async def _read(self, query: Any, **values: Any) -> list[dict[str, Any]]:
        async def read() -> list[dict[str, Any]]:
            assert self._engine is not None
            async with _told(), self._engine.connect() as connection:
                return [dict(row) for row in (await connection.execute(query, values)).mappings()]

        return await self._to_its_end(read())

    async def _change(self, query: Any, **values: Any) -> int:
        async def change() -> int:
            async with _told(), self._transaction() as connection:
                return int((await connection.execute(query, values)).rowcount)

        return await self._to_its_end(change())

    async def _to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever still waits


async def _migrate(connection: AsyncConnection, *, is_sqlite: bool) -> None:
    if not is_sqlite:
        await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    await connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    version = (await connection.exec_driver_sql("SELECT MAX(version) FROM schema_version")).scalar() or 0
    if version > len(STEPS):
        raise StoreError(
            f"its tables are of version {version}, which a newer poe-proxy made; this one knows {len(STEPS)}",
            passing=False,
        )
    for number, step in enumerate(STEPS[version:], version + 1):
        for statement in step:
            await connection.exec_driver_sql(statement)
        await connection.exec_driver_sql(f"INSERT INTO schema_version (version) VALUES ({number})")


def _pragmas(connection: Any, _: Any) -> None:
    try:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(_LOCK_TIMEOUT_S * 1000)}")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA cache_size = -512")  # kB for each connection; four times as much by itself
        cursor.close()
    except Exception:
        connection.close()  # the pool forgets it as it is, with its thread
        raise


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """The database's errors in few words: those of a statement would quote all its values."""
    try:
        yield
    except DBAPIError as error:
        raise StoreError(_words(error), passing=not _is_objection(error)) from None
    except StoreError:
        raise
    except (OSError, TimeoutError) as error:
        raise StoreError(f"{type(error).__name__}: {error}") from None
    except Exception as error:  # drivers have their own trees of errors, and a statement's words would quote its values
        raise StoreError(type(error).__name__, passing=not isinstance(error, _UNFIT)) from None


def _is_objection(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or ""
    return isinstance(error, _OBJECTIONS) or state.startswith(_OBJECTIONS_STATES)


def _words(error: DBAPIError) -> str:
    said = str(error.orig).partition("\n")[0][:200]
    cure = next((cure for fault, cure in _CURES.items() if fault in said), "")
    return f"{said} ({cure})" if cure else said


def _values(row: Row) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(row, name) for name in _COLUMNS}
    values["attempts"] = orjson.dumps(row.attempts).decode()
    values["history"] = orjson.dumps(row.history).decode()
    return values


def _points(one: Points) -> dict[str, Any]:
    history = orjson.dumps(one.history).decode()
    return {
        "id": one.id,
        "points": one.points,
        "source": one.source,
        "history": history,
        "was_running": one.was_running,
    }


def _row(values: dict[str, Any]) -> Row:
    attempts = tuple(
        Sent(**{name: value for name, value in sent.items() if name in _SENT})
        for sent in orjson.loads(values["attempts"])
    )
    return Row(
        **{
            **values,
            "attempts": attempts,
            "history": tuple(orjson.loads(values["history"])),
            "stream": bool(values["stream"]),
        }
    )
