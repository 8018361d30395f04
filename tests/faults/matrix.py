"""One cell of the matrix at a time: a request meets its fault, and caller, Poe and ledger are asked what they saw."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anthropic
import openai
import orjson

import poe_sim
from poe_proxy.poe.transport import SharedTransport
from poe_proxy.policy import ways
from poe_proxy.policy.refusals import Memory
from tests.faults.callers import Callers, Seen
from tests.faults.cells import Cell
from tests.faults.tables import CALL, CHAT, FIRST_WORD, SCRIPT, Outcome
from tests.ledger.rows import rows_in
from tests.running import Proxy, eventually, running_proxy
from tests.talk import Json

_BUDGET_S = 1.8
"""The shortest waits before a next call are 0.125, 0.25, 0.5 and 1 s: three of them fit in, with time to spare."""
PATIENT: dict[str, object] = {"RETRY_BUDGET_S": _BUDGET_S}
IMPATIENT: dict[str, object] = {**PATIENT, "STREAM_IDLE_S": 1, "ANSWER_TIMEOUT_S": 2}
"""Longer than a busy machine holds up one of a few requests."""
_AT_ONCE = 8
_numbers = itertools.count(1)


class _Waits:
    """Waiting between calls takes no time, and is counted as if it had."""

    def __init__(self) -> None:
        self._slept = 0.0

    def clock(self) -> float:
        return time.monotonic() + self._slept

    async def sleep(self, seconds: float) -> None:
        self._slept += seconds


@dataclass(frozen=True)
class Told:
    """What became of one request: for its caller, at Poe, and in the ledger."""

    words: str
    seen: Seen
    calls: int
    row: Json


@dataclass
class House:
    """A proxy in front of a stand-in, with its callers and a look into its ledger."""

    poe: poe_sim.SimServer
    proxy: Proxy
    callers: Callers

    def meet(self, cell: Cell) -> Told:
        """Let one request meet the fault of ``cell``, and nothing of it is left at Poe's end."""
        told = self.meet_among_others(cell)
        eventually(lambda: self.connections_in_use() == 0)
        return told

    def meet_among_others(self, cell: Cell) -> Told:
        """Let one request meet the fault of ``cell`` while others meet theirs."""
        self._forget()
        request_id = f"cell-{next(_numbers)}"
        words = f"what is said in {request_id}."
        script = SCRIPT if cell.has_call else ""
        begun = self.poe.poe.now()
        seen = self.callers.ask(cell, f"{cell.words}{script} {words}", request_id)
        return Told(words, seen, self._calls(words, begun), self._row(request_id))

    def _forget(self) -> None:
        """What one cell taught the proxy is nothing to the next."""
        exchange, waits = self.proxy.house.exchange, _Waits()
        means = replace(exchange.means, clock=waits.clock, random=lambda: 0.0, memory=Memory(waits.clock))
        self.proxy.house.exchange = replace(exchange, sleep=waits.sleep, means=means, missing=ways.Memory(waits.clock))

    def _calls(self, words: str, begun: float) -> int:
        """How many calls with these words Poe saw since then."""
        newest_first = reversed(list(self.poe.poe.log.records))
        since = itertools.takewhile(lambda record: record.arrived_at >= begun, newest_first)
        return sum(words in str(record.body) for record in since)

    def _row(self, request_id: str) -> Json:
        """The one row of a request that is over; one that takes a second is written as open before."""
        database, over = self.proxy.house.settings.database, "WHERE request_id = ? AND outcome <> 'open'"
        (row,) = eventually(lambda: rows_in(Path(database), over, request_id))
        return dict(row)

    def connections_in_use(self) -> int:
        """Connections to Poe that a call holds."""
        transport = self.proxy.house.exchange.poe._transport
        assert isinstance(transport, SharedTransport)
        return int(self.in_loop(lambda: len(transport._pool._acquired)))

    def in_loop(self, look: Callable[[], Any]) -> Any:
        """What ``look`` returns in the proxy's own loop."""

        async def looking() -> Any:
            return look()

        assert self.proxy.server.loop is not None
        return asyncio.run_coroutine_threadsafe(looking(), self.proxy.server.loop).result(10)


@contextmanager
def house_of(poe: poe_sim.SimServer, folder: Path, settings: dict[str, object]) -> Iterator[House]:
    """A house for as long as the block lasts."""
    with running_proxy(poe.base_url, folder, **settings) as proxy:
        callers = Callers(proxy)
        try:
            yield House(poe, proxy, callers)
        finally:
            callers.close()


class Together:
    """Meets cells that wait for a limit of time: some at once, as soon as the first is asked for."""

    def __init__(self, house: House, cells: list[Cell]) -> None:
        self._house = house
        self._cells = cells
        self._told: dict[Cell, Future[Told]] = {}

    def meet(self, cell: Cell) -> Told:
        if not self._told:
            pool = ThreadPoolExecutor(_AT_ONCE)
            self._told = {one: pool.submit(self._house.meet_among_others, one) for one in self._cells}
            pool.shutdown(wait=False)
        return self._told[cell].result(30)


# --- the judges -------------------------------------------------------------------------------------------------------


def judge(cell: Cell, told: Told, expected: Outcome | None = None, tries: int | None = None) -> None:
    """Whether caller, Poe and ledger saw what they must. ``tries``: calls, where none of them reached Poe."""
    expected = expected or cell.expected
    _judge_end(cell, told.seen, expected)
    _judge_words(cell, told, expected)
    assert told.calls == expected.calls
    _judge_row(told, expected, expected.calls if tries is None else tries)


def _judge_end(cell: Cell, seen: Seen, expected: Outcome) -> None:
    if expected.ends == "whole":
        assert seen.error is None
        assert seen.finish == (_finish_of_call(cell) if cell.has_call else _finish(cell))
        return
    if cell.route.caller == CHAT:
        _judge_openai(seen.error, expected)
    else:
        _judge_anthropic(seen.error, expected)


def _finish(cell: Cell) -> str:
    return "stop" if cell.route.caller == CHAT else "end_turn"


def _finish_of_call(cell: Cell) -> str:
    return "tool_calls" if cell.route.caller == CHAT else "tool_use"


def _judge_openai(error: Exception | None, expected: Outcome) -> None:
    """A stream that breaks off is an APIError; before the status line an error has its status."""
    assert isinstance(error, openai.APIError)
    assert error.code == expected.code
    if expected.ends == "error":
        assert isinstance(error, openai.APIStatusError)
        assert error.status_code == expected.status
    else:
        assert type(error) is openai.APIError


def _judge_anthropic(error: Exception | None, expected: Outcome) -> None:
    """An error event, or an error with its status."""
    assert isinstance(error, anthropic.APIStatusError)
    assert error.status_code == (expected.status if expected.ends == "error" else 200)
    assert isinstance(error.body, dict)
    assert error.body["error"]["type"] == expected.type


def _judge_words(cell: Cell, told: Told, expected: Outcome) -> None:
    """What came is complete and unchanged, however the answer ended."""
    seen = told.seen
    if cell.has_call:
        assert seen.text == ""
        assert seen.call == ("" if expected.told == "nothing" else expected.part_of_call or CALL)
    else:
        assert seen.text == {"nothing": "", "a word": FIRST_WORD, "all": f"You said: {told.words}"}[expected.told]
    if expected.ends == "whole" and cell.route.caller == CHAT:  # Anthropic's clients are told an estimate at least
        assert seen.has_usage == expected.usage


_ROW_OUTCOME = {"whole": "ok", "cut": "cut", "error": "error"}


def _judge_row(told: Told, expected: Outcome, tries: int) -> None:
    row = told.row
    status = expected.status if expected.ends == "error" else 200
    assert (row["outcome"], row["status"]) == (_ROW_OUTCOME[expected.ends], status)
    assert len(orjson.loads(row["attempts"])) == tries
    assert row["error"].partition(" ")[2] == (
        "" if expected.ends == "whole" else f"{expected.status} {expected.code or ''}".rstrip()
    )
    assert (row["tokens_in"] is not None) == (row["estimate"] is not None) == expected.usage
