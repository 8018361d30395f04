"""What clipping costs: time, how long the event loop is held up meanwhile, and memory. One process, no network.

The conversation has 500 messages and 200,000 tokens, the model a context of 128,000. Figures are medians, and the worst
hold-up of a task that wakes up each millisecond; that includes whatever else the machine does.
"""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.report import Report
from poe_proxy.clipper import Clipper
from poe_proxy.policy.factors import Factors
from poe_proxy.tokens import Tokens

Json = dict[str, Any]
CARD = ModelCard("bench", "bench", context=128_000)
ROUNDS = 50
_BEAT_S = 0.001


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@asynccontextmanager
async def watched() -> AsyncIterator[list[float]]:
    """Seconds by which a task that sleeps a millisecond came too late, the worst last, once the block has ended."""
    late = [0.0]
    stop = asyncio.Event()

    async def beat() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            await asyncio.sleep(_BEAT_S)
            late[-1] = max(late[-1], time.perf_counter() - began - _BEAT_S)

    beating = asyncio.create_task(beat())
    await asyncio.sleep(5 * _BEAT_S)
    late[-1] = 0.0
    yield late
    stop.set()
    await beating


class Talk:
    """Conversations of random English words, each 400 tokens to a message."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._words = Path(__file__).parents[1].joinpath("README.md").read_text().split()

    def message(self, role: str, words: int = 235) -> Json:
        return {"role": role, "content": " ".join(self._random.choices(self._words, k=words))}

    def conversation(self, messages: int) -> list[Json]:
        return [self.message("user" if number % 2 == 0 else "assistant") for number in range(messages)]


async def clipped(clipper: Clipper, messages: list[Json]) -> tuple[float, Report]:
    """Seconds, and what was reported. Texts are new objects, as they are in each request that comes in."""
    body = {"model": "bench", "messages": [{**m, "content": m["content"][:1] + m["content"][1:]} for m in messages]}
    report = Report("bench", "bench", 0.0)
    await asyncio.sleep(2 * _BEAT_S)  # so that what was done here does not look like a hold-up of clipping's
    began = time.perf_counter()
    await clipper.of(CARD, report).fit(body)
    seconds = time.perf_counter() - began
    await asyncio.sleep(2 * _BEAT_S)
    return seconds, report


async def load(tokens: Tokens) -> None:
    before = resident_mb()
    async with watched() as late:
        began = time.perf_counter()
        await tokens.loaded()
        seconds = time.perf_counter() - began
    print(f"loading the tokenizer          {seconds * 1e3:8.1f} ms   (loop held up {late[-1] * 1e3:.1f} ms)")
    print(f"memory before and after        {before:8.0f} MB   -> {resident_mb():.0f} MB")


async def turns(clipper: Clipper, talk: Talk) -> None:
    messages = talk.conversation(499)
    async with watched() as late:
        seconds, report = await clipped(clipper, messages)
    assert report.clipped is not None
    print(f"first clip of 500 messages     {seconds * 1e3:8.1f} ms   (loop held up {late[-1] * 1e3:.1f} ms)")
    print("tokens before and after        {:8d}      -> {}".format(*report.clipped))
    later = []
    for _ in range(ROUNDS):
        messages += [talk.message("assistant"), talk.message("user")]
        later.append((await clipped(clipper, messages))[0])
    print(
        f"each further turn              {statistics.median(later) * 1e3:8.1f} ms   "
        f"(slowest {max(later) * 1e3:.1f}; all of it holds the loop up)"
    )


async def together(clipper: Clipper, clients: int) -> None:
    conversations = [Talk(100 + number).conversation(499) for number in range(clients)]
    async with watched() as late:
        await asyncio.gather(*(clipped(clipper, messages) for messages in conversations))
    print(f"{clients} first clips at once         loop held up {late[-1] * 1e3:.1f} ms")


async def oddities(clipper: Clipper) -> None:
    odd = {
        "a million spaces": " " * 1_000_000,
        "three million letters": "x" * 3_000_000,
        "a million ideographs": "".join(chr(0x4E00 + number % 20_000) for number in range(1_000_000)),
        "markup": "<|endoftext|>" * 100_000,
    }
    for name, text in odd.items():
        async with watched() as late:
            seconds, _ = await clipped(clipper, [{"role": "user", "content": text}])
        print(f"{name:30} {seconds * 1e3:8.1f} ms   (loop held up {late[-1] * 1e3:.1f} ms)")


async def main() -> None:
    clipper = Clipper(Tokens(), Factors(), on=True)
    await load(clipper.tokens)
    await turns(clipper, Talk(1))
    await together(clipper, 8)
    await oddities(clipper)
    clipper.tokens.close()


if __name__ == "__main__":
    asyncio.run(main())
