"""What a second worker process brings. On a machine of two cores the load and the upstream share them with the servers,
so that two workers cannot answer twice as much; on a larger one leave those a core each.
"""

import argparse
import os
import tempfile
from pathlib import Path
from statistics import median

from benchmarks import peers, wrk
from benchmarks.servers import serving

_CLIENTS = 64
_COUNTS = (1, 2)


def rates(count: int, mode: wrk.Mode, chosen: argparse.Namespace, cores: str) -> tuple[float, int, float]:
    """Answers a second of so many workers, those that failed, and the memory of all processes in MB."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(peers.upstream(), cores) as direct,
        serving(peers.proxy(direct.port, Path(folder), "--workers", str(count)), cores) as proxy,
    ):
        wrk.check(proxy, mode)
        figures = wrk.load(proxy, mode, _CLIENTS, chosen.seconds, cores)
        return figures.per_second, figures.failed, proxy.resident_mb()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    chosen = parser.parse_args()
    wrk.needed()
    cores = f"0-{(os.cpu_count() or 1) - 1}"
    print(f"{os.cpu_count()} cores, which workers, upstream and wrk share; {_CLIENTS} clients, medians")
    for mode in wrk.MODES[:2]:
        runs = [[rates(count, mode, chosen, cores) for count in _COUNTS] for _ in range(chosen.rounds)]
        gained = median(two[0] / one[0] for one, two in runs)
        for count, found in zip(_COUNTS, zip(*runs, strict=True), strict=True):
            per_second, failed, memory = (median(figures) for figures in zip(*found, strict=True))
            print(f"{mode.name}, {count} workers: {per_second:,.0f}/s, {failed:.0f} failed, {memory:.0f} MB")
        print(f"{mode.name}: two workers do {gained:.2f} times as much as one")


if __name__ == "__main__":
    main()
