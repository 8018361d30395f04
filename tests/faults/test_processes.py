"""Processes that end under load: killed, they lose no more than what was under way; asked to end, nothing at all."""

import itertools
import signal
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

import poe_sim
from benchmarks.soak.books import compared
from tests.faults.serving import charges, serving
from tests.running import eventually
from tests.serving import TWO_WORKERS, Serving
from tests.talk import Json, chat

_numbers = itertools.count()


@pytest.fixture
def poe(quick_poe: poe_sim.SimServer) -> poe_sim.SimServer:
    return quick_poe


def ask_tagged(proxy: Serving, number: int, *, stream: bool = False) -> httpx.Response:
    """A request whose row and whose charge bear the same tag, and that costs what no other does, or few."""
    body = chat(f"[[sim:tag request-{number}]] {'word ' * (number % 50 * 100)}", stream=stream)
    with proxy.client() as client:
        return client.post("/v1/chat/completions", json=body, headers={"x-request-id": f"request-{number}"})


@contextmanager
def under_load(proxy: Serving, answered: list[Json], refused: list[int]) -> Iterator[None]:
    """Some clients that ask again and again, streamed and whole; what came of it, as far as an answer came."""
    over = threading.Event()

    def ask(number: int) -> None:
        while not over.is_set():
            try:
                answer = ask_tagged(proxy, next(_numbers), stream=number % 2 == 0)
            except httpx.TransportError:
                continue  # nobody is there
            if answer.status_code == 200 and "finish_reason" in answer.text:
                answered.append({"id": answer.headers["x-request-id"]})
            else:
                refused.append(answer.status_code)

    with ThreadPoolExecutor(4) as clients:
        for number in range(4):
            clients.submit(ask, number)
        try:
            yield
        finally:
            over.set()


def sound(proxy: Serving) -> bool:
    with closing(sqlite3.connect(proxy.database)) as database:
        return bool(database.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


def settled(proxy: Serving, least: int) -> list[Json]:
    """The rows, once there are so many and none is open."""
    rows = proxy.rows()
    return rows if len(rows) >= least and all(row["source"] for row in rows) else []


def test_killed_under_load_it_starts_again_with_its_rows_and_counts_nothing_twice(
    poe: poe_sim.SimServer, tmp_path: Path
) -> None:
    answered: list[Json] = []
    with serving(poe, tmp_path) as first, under_load(first, answered, []):
        eventually(lambda: len(first.rows()) > 20)
        kept = {row["id"] for row in first.rows()}
        first.command.kill()
    with serving(poe, tmp_path) as second:
        assert ask_tagged(second, next(_numbers)).status_code == 200
        rows: list[Json] = eventually(lambda: settled(second, len(kept) + 1), 20)
    assert sound(second)
    assert kept < {row["id"] for row in rows}
    used = [row["history"] for row in rows if row["history"] != "[]"]
    assert len(used) == len(set(used))
    found = compared(rows, charges(poe))
    assert not found.wrong, found.examples
    assert found.settled - found.free > len(kept) / 2


def test_what_was_under_way_when_it_was_killed_is_a_row_that_says_so_and_is_settled(
    poe: poe_sim.SimServer, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as client, serving(poe, tmp_path) as first:
        client.submit(first.ask, "[[sim:long tokens=2000 rate=20]]", stream=True)
        (row,) = eventually(first.rows)
        assert (row["outcome"], row["source"]) == ("open", "")
        first.command.kill()
    poe.wait_for(lambda poe: poe.charges)  # Poe notices, and charges for what it has said
    with serving(poe, tmp_path) as second:
        (row,) = eventually(lambda: [row for row in second.rows() if row["source"]], 20)
    (charge,) = charges(poe)
    assert (row["outcome"], row["source"], row["points"]) == ("open", "settled", charge["points"])


def test_workers_that_are_asked_to_end_under_load_finish_every_answer_and_write_every_row(
    poe: poe_sim.SimServer, tmp_path: Path
) -> None:
    answered: list[Json] = []
    refused: list[int] = []
    with serving(poe, tmp_path, *TWO_WORKERS, SHUTDOWN_GRACE_S=5) as proxy, under_load(proxy, answered, refused):
        eventually(lambda: len(answered) > 40)
        proxy.command.send(signal.SIGTERM)
        ended = proxy.command.end()
    assert ended.code == 0
    assert "Traceback" not in ended.said
    assert set(refused) <= {503}
    assert {answer["id"] for answer in answered} <= {row["request_id"] for row in proxy.rows()}
    assert sound(proxy)


def test_of_two_workers_each_settles_its_rows_with_what_poe_charged(poe: poe_sim.SimServer, tmp_path: Path) -> None:
    with serving(poe, tmp_path, *TWO_WORKERS) as proxy, ThreadPoolExecutor(4) as clients:
        asked: list[int] = []

        def both_have_answered() -> bool:
            numbers = list(itertools.islice(_numbers, 4))
            asked.extend(numbers)
            assert {answer.status_code for answer in clients.map(lambda one: ask_tagged(proxy, one), numbers)} == {200}
            return len({row["id"].rpartition("-")[0] for row in proxy.rows()}) == 2

        eventually(both_have_answered)
        found = compared(eventually(lambda: settled(proxy, len(asked)), 20), charges(poe))
    assert (found.settled, found.free, found.charges) == (len(asked), 0, len(asked)), found.examples
    assert found.points_of_rows == found.points_of_charges
