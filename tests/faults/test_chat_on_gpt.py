"""Chat completions on GPT models: each fault at each moment, in both forms."""

import pytest

from tests.faults.cells import Cell, cells
from tests.faults.matrix import House, Together, judge
from tests.faults.tables import CHAT_ON_GPT

CELLS = cells(CHAT_ON_GPT)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_each_fault_at_each_moment(patient: House, together: Together, cell: Cell) -> None:
    judge(cell, together.meet(cell) if cell.waits else patient.meet(cell))
