"""The ledger's work in the background: a fault of its own ends nothing, and an end is told where people look."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from poe_proxy.ledger.cases import Case
from poe_proxy.ledger.ledger import Ledger
from tests.ledger.rows import report, rows_in


def _ledger(file: Path) -> Ledger:
    return Ledger(file, keep_days=0, alone=True, sleep=lambda _seconds: asyncio.sleep(0.001))


def test_a_fault_while_requests_under_way_are_noted_ends_neither_writing_nor_settling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        ledger, failed = _ledger(tmp_path / "ledger.sqlite3"), asyncio.Event()

        def fault(_running: list[Case], _now: float) -> None:
            failed.set()
            raise ValueError

        monkeypatch.setattr(ledger._writer, "note", fault)
        task = asyncio.create_task(ledger.run(None))  # type: ignore[arg-type]  # nothing is settled: nobody is asked
        await asyncio.wait((task, asyncio.create_task(failed.wait())), return_when=asyncio.FIRST_COMPLETED)
        await ledger._writer.tried.wait()
        ledger._writer.add(ledger._cases.finish(report(), 0.0))
        await ledger._writer.flush()
        task.cancel()
        await ledger.close()

    asyncio.run(asyncio.wait_for(run(), 20))
    assert len(rows_in(tmp_path / "ledger.sqlite3")) == 1


def test_a_ledger_that_has_ended_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> dict[str, str]:
        ledger = _ledger(tmp_path / "ledger.sqlite3")

        async def ends() -> Any:
            raise ValueError

        monkeypatch.setattr(ledger._writer, "run", ends)
        with pytest.raises(ExceptionGroup):
            await ledger.run(None)  # type: ignore[arg-type]
        return ledger.readiness()

    said = asyncio.run(asyncio.wait_for(run(), 20))
    assert "no longer kept" in said["ledger"]
    assert "has ended" in said["settling"]
