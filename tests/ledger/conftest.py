"""The databases that the ledger is tried on: SQLite always, PostgreSQL where its programs are found."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from poe_proxy.settings import load_settings
from tests.postgres import Postgres, running_postgres

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, started once."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """DATABASE_URL of an empty database, as people write it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite3"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database(f"ledger{next(_numbers)}")


@pytest.fixture
def database(database_url: str) -> str | Path:
    """The same, as the settings complete it."""
    return load_settings({"DATABASE_URL": database_url}, Path("/nonexistent/.env")).database
