"""What one process takes over from others: what nobody will end."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from poe_proxy.ledger.lease import Lease
from poe_proxy.ledger.store import Store
from poe_proxy.ledger.writer import NOTED_EVERY_S, Writer
from tests.ledger.rows import NOW, row

_BEGAN = NOW + 100


def _is_taken_over(file: Path, noted: float, now: float, *, alone: bool) -> bool:
    """Whether a request is that was last noted at ``noted``, by a process that began at ``_BEGAN``."""

    async def others() -> bool:
        wall = [_BEGAN]
        writer = Writer(file, 0, lambda: wall[0], asyncio.sleep, lambda *_: None)
        lease = Lease(writer, "a-", lambda: wall[0], lambda: 0.0, alone=alone)
        writer.store = Store(file)
        await writer.store.open()
        writer.opened.set()
        await writer.store.write([replace(row(), outcome="open", duration_s=noted - NOW)], [])
        wall[0] = now
        found = await lease.others(NOW - 1)
        await writer.store.close()
        return bool(found)

    return asyncio.run(others())


@pytest.mark.parametrize("alone", [True, False])
def test_a_request_that_another_process_noted_lately_is_left_to_it(tmp_path: Path, *, alone: bool) -> None:
    """One that thinks it is alone too: somebody may start a second one on the same file."""
    noted = _BEGAN + 10
    assert not _is_taken_over(tmp_path / "one", noted, noted + NOTED_EVERY_S + 5, alone=alone)
    assert _is_taken_over(tmp_path / "other", noted, noted + 2 * NOTED_EVERY_S + 1, alone=alone)


def test_one_that_is_alone_takes_over_at_once_what_an_earlier_start_left(tmp_path: Path) -> None:
    assert _is_taken_over(tmp_path / "one", _BEGAN - 1, _BEGAN, alone=True)
    assert not _is_taken_over(tmp_path / "other", _BEGAN - 1, _BEGAN, alone=False)
