"""Reports and rows for tests."""

import contextlib
import itertools
import sqlite3
from pathlib import Path
from typing import Any

from poe_proxy.canonical.json import Json
from poe_proxy.canonical.report import Report, Sent
from poe_proxy.canonical.usage import Usage
from poe_proxy.ledger.row import Row, row_of

_numbers = itertools.count()
NOW = 1_776_123_189.0


def rows_in(database: str | Path, where: str = "", *values: Any) -> list[Json]:
    """The ledger's rows, oldest first; none where there is no database yet."""
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM requests {where} ORDER BY time", values)]
    return []


def report(**changes: Any) -> Report:
    """A finished request that was answered on the direct path."""
    sent = Sent("gpt-5.4-mini", NOW, NOW + 0.5, 200, poe_id="req_poe_1", answer_id="chatcmpl-" + "0" * 8 + "-uuid")
    usual: dict[str, Any] = {
        "request_id": f"req_{next(_numbers)}",
        "route": "/v1/chat/completions",
        "started": 100.0,
        "ended": 102.5,
        "time": NOW,
        "caller": "key 1",
        "address": "127.0.0.1",
        "session": "s1",
        "dialect": "openai_chat",
        "model": "GPT-5.4-mini",
        "poe_model": "gpt-5.4-mini",
        "status": 200,
        "attempts": 1,
        "sent": [sent],
        "usage": Usage(100, 20, 8, 4),
        "estimate": 30,
        "first_event_s": 0.5,
    }
    return Report(**{**usual, **changes})


def row(**changes: Any) -> Row:
    """Its row."""
    return row_of(report(**changes), f"test-{next(_numbers)}")
