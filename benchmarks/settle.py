"""What it costs to find each open request's row in Poe's history: time, and how late the event loop is meanwhile.

Requests of one model come at 500 a minute, which is as many as Poe lets one key send; a fifth of the rows are not final
yet, and one request in fifty was not answered. "all alike" have the same tokens, so that hardly any can be told apart:
these stay open for five minutes. Figures are of the median of three looks.
"""

import asyncio
import random
import statistics
import time

from benchmarks.clip import watched
from poe_proxy.canonical.history import HistoryRow
from poe_proxy.ledger.evidence import Claim, Experience, Tokens
from poe_proxy.ledger.settle import settle

_A_SECOND = 500 / 60
_ROUNDS = 3


class World:
    """What Poe's history and our ledger hold of ``requests`` calls. ``exact``: answers told the provider's tokens."""

    def __init__(self, requests: int, *, exact: bool, alike: bool) -> None:
        self._random = random.Random(1)
        self._between = self._random.randrange
        self._exact, self._alike = exact, alike
        self.claims: list[Claim] = []
        self.rows: list[HistoryRow] = []
        for number in range(requests):
            self._call(number, 1_000_000_000 + number / _A_SECOND * self._random.uniform(0.98, 1.02))
        self._random.shuffle(self.rows)

    def _call(self, number: int, sent: float) -> None:
        prompt, completion = (1000, 50) if self._alike else (self._between(500, 20_000), self._between(1, 800))
        told = Tokens(prompt, completion) if self._exact else Tokens(int(prompt * 1.1), int(completion * 1.1))
        answered = self._random.random() > 0.02
        self.claims.append(
            Claim(f"r{number}", 0, "m", sent, sent + 0.3, told if answered else None, self._exact, answered, age=10.0)
        )
        if answered:
            self._charge(f"h{number}", sent + self._random.uniform(0.02, 0.2), prompt, completion)

    def _charge(self, row: str, created: float, prompt: int, completion: int) -> None:
        if self._random.random() < 0.8:
            points = prompt // 10 + completion
            self.rows.append(HistoryRow(row, created, "m", "API", "ours", points, prompt, completion))
        else:
            self.rows.append(HistoryRow(row, created, "m", "API", "ours"))


async def look(world: World) -> tuple[float, float, int]:
    """Seconds of processor's time, the worst by which the loop was late, and how many were settled."""
    async with watched() as late:
        seconds, settled = await asyncio.to_thread(_timed, world)
    return seconds, late[-1], settled


def _timed(world: World) -> tuple[float, int]:
    began = time.thread_time()
    verdicts = settle(world.claims, world.rows, Experience())
    return time.thread_time() - began, len(verdicts)


async def main() -> None:
    for requests in (100, 500, 2500):
        for exact in (True, False):
            for alike in (False, True):
                world = World(requests, exact=exact, alike=alike)
                looks = [await look(world) for _ in range(_ROUNDS)]
                seconds, late, settled = (statistics.median(figures) for figures in zip(*looks, strict=True))
                kind = f"{'exact' if exact else 'estimated'} tokens{', all alike' if alike else ''}"
                print(
                    f"{requests:5d} open, {kind:28} {seconds * 1e3:8.1f} ms   "
                    f"{settled:.0f} settled   (loop held up {late * 1e3:.1f} ms)"
                )


if __name__ == "__main__":
    asyncio.run(main())
