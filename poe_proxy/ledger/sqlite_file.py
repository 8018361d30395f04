"""The file of an SQLite database, known again where somebody takes it away or puts another in its place.

Every method may have to wait for a disk, and belongs into a thread. It knows nothing of what is in the file.
"""

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

Identity = tuple[int, int] | None
_LOCKED_S, _LOOK_S = 5.0, 0.01


class SqliteFile:
    """The file at ``path``, and SQLite's log of changes beside it. ``remember`` says which they are now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changes = path.with_name(f"{path.name}-wal")
        self._index = path.with_name(f"{path.name}-shm")
        self._known: tuple[Identity, Identity] = (None, None)

    def make(self) -> None:
        """Be there, for our eyes only; what is wrong with the folder is told better by the database."""
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._path)) as database:
            _write_ahead(database)

    def remember(self) -> None:
        """The files of these names are those that are open."""
        self._known = (_identity(self._path), _identity(self._changes))

    def is_another(self) -> bool:
        """Whether what is open is no longer what has its name. Raises OSError."""
        return _identity(self._path) != self._known[0]

    def drop_changes(self) -> None:
        """SQLite would put the changes of the file that is gone into the one in its place. Raises OSError.

        Changes that came with that one, or are another process' who was first to open it, stay.
        """
        if _identity(self._changes) == self._known[1]:
            self._changes.unlink(missing_ok=True)
            self._index.unlink(missing_ok=True)


def _write_ahead(database: sqlite3.Connection) -> None:
    """Change the file to SQLite's write-ahead log, once and for all who open it later.

    It is the one statement for which SQLite waits for nobody: of several processes that start at once on a new
    file, all but one would be told that it is locked.
    """
    deadline = time.monotonic() + _LOCKED_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_S)


def _identity(path: Path) -> Identity:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
