"""`python -m benchmarks.soak`: the proxy under random load and random faults, and a report; exit code 1 if it fails."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.soak.outcome import Plan, verdicts
from benchmarks.soak.report import as_json, as_text
from benchmarks.soak.run import soak


def main() -> None:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same requests")
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report, samples too, into FILE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the proxy's log and ledger there")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    with tempfile.TemporaryDirectory() as folder:
        if chosen.keep:
            chosen.keep.mkdir(parents=True)
        plan = Plan(chosen.seed, chosen.clients, chosen.minutes * 60)
        outcome = soak(plan, (chosen.keep or Path(folder)).resolve())
    print(as_text(outcome))
    if chosen.json:
        chosen.json.write_bytes(as_json(outcome))
    sys.exit(not all(verdict.holds for verdict in verdicts(outcome)))


if __name__ == "__main__":
    main()
