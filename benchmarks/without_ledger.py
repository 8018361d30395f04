"""``proxy.py`` with a ledger that keeps nothing: what the real one costs is the difference. For ``bench.py`` only."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from poe_proxy.canonical.report import Report
from poe_proxy.cli.main import main
from poe_proxy.ledger.ledger import Ledger


def _forget(_: Ledger, report: Report) -> None:
    """Nothing, whatever became of ``report``."""


if __name__ == "__main__":
    for method in ("begin", "take"):
        setattr(Ledger, method, _forget)
    main()
