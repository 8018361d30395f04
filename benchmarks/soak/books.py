"""The ledger's rows beside what the stand-in charged: whose points are right, wrong, still open, and why."""

import contextlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

Json = dict[str, Any]
MOST_EXAMPLES = 10
_DOUBT = "answered, and more than one row may be its own"


@dataclass(slots=True)
class Comparison:
    """What came out. Points are sums; ``examples`` name wrong rows by their tags.

    ``unexplained`` of the rows not settled have an answer that came to its end and told its tokens, and a charge.
    """

    rows: int = 0
    charges: int = 0
    settled: int = 0
    free: int = 0
    wrong: int = 0
    open: Counter[str] = field(default_factory=Counter)
    points_of_rows: int = 0
    points_of_charges: int = 0
    points_open: int = 0
    unexplained: int = 0
    rows_without_charge: int = 0
    charges_without_row: int = 0
    used_twice: int = 0
    examples: list[str] = field(default_factory=list)


def rows_of(database: Path) -> list[Json]:
    """The ledger's rows; none before there are tables."""
    with contextlib.closing(sqlite3.connect(database, timeout=5)) as ledger:
        ledger.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in ledger.execute("SELECT * FROM requests")]
        except sqlite3.OperationalError:
            return []


def compared(rows: Iterable[Json], charges: Iterable[Json]) -> Comparison:
    """``charges`` bear the tag that is their row's request id."""
    found, truth, seen = Comparison(), _by_tag(charges), Counter[str]()
    for row in rows:
        found.rows += 1
        seen.update(orjson.loads(row["history"]))
        _compare(found, row, truth.pop(row["request_id"], []))
    lost = [charge for own in truth.values() for charge in own]
    found.charges += len(lost)
    found.charges_without_row = len(lost)
    found.points_of_charges += _sum(lost)
    found.used_twice = sum(count > 1 for count in seen.values())
    return found


def _by_tag(charges: Iterable[Json]) -> dict[str | None, list[Json]]:
    found: dict[str | None, list[Json]] = defaultdict(list)
    for charge in charges:
        found[charge["tag"]].append(charge)
    return found


def _sum(charges: Iterable[Mapping[str, Any]]) -> int:
    return sum(int(charge["points"]) for charge in charges)


def _compare(found: Comparison, row: Json, own: list[Json]) -> None:
    points = _sum(own)
    found.charges += len(own)
    found.points_of_charges += points
    found.points_of_rows += row["points"] if row["points"] is not None else row["estimate"] or 0
    found.rows_without_charge += not own
    if row["source"] != "settled":
        found.open[_why(row)] += 1
        found.points_open += points
        found.unexplained += bool(own) and _why(row) == _DOUBT
    elif row["points"] != points:
        found.wrong += 1
        found.examples.append(f"{row['request_id']}: {row['points']} points, charged were {points}; {_facts(row)}")
    else:
        found.settled += 1
        found.free += not own


def _facts(row: Json) -> str:
    attempts = orjson.loads(row["attempts"])
    how = ", ".join(f"{sent['status'] or 'no answer'} {sent['failure']}".rstrip() for sent in attempts)
    return f"{row['served_model']}, {row['outcome']} {row['status']}, calls: {how}"


def _why(row: Json) -> str:
    if row["outcome"] == "client_left":
        return "the client left before the end"
    if row["first_token_s"] is None:
        return "no answer came, and a charge is not excluded"
    if row["outcome"] == "cut":
        return "the answer was cut"
    return "answered without usage" if row["tokens_in"] is None else _DOUBT
