"""A crowd of clients in one process: so many streams at once, each word stamped as it arrives.

It is its own process, so that its work is on a core of its own, and raw asyncio, so that it adds next to nothing.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import orjson
import uvloop

from benchmarks.said import CHAT, MESSAGES
from benchmarks.servers import CLAUDE, GPT, asked

_ASKED = {"chat": (CHAT, GPT), "native": (MESSAGES, CLAUDE), "translated": (MESSAGES, GPT)}
_MARKS = {CHAT: b'"content":"word', MESSAGES: b'"text":"word'}
_WELL, _DONE = b"HTTP/1.1 200", b"\r\n0\r\n\r\n"
_MARGIN_S = 60.0
"""By so much may the streams be late before they are given up."""


@dataclass(slots=True)
class Seen:
    """What all clients saw: times from request to first word, and between words, in seconds."""

    first: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Client(asyncio.Protocol):
    """One stream, from its request to its end or to the hanging up."""

    def __init__(self, request: bytes, mark: bytes, words: int, seen: Seen) -> None:
        self._request, self._mark, self._expected, self._seen = request, mark, words, seen
        self._words, self._last, self._tail = 0, 0.0, b""
        self._transport: asyncio.Transport | None = None
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast(asyncio.Transport, transport)
        self._last = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Stamp each word; a mark that is cut by the pieces is seen with the next one."""
        now, text = time.perf_counter(), self._tail + data
        if not (self._tail or data.startswith(_WELL)):
            self.end(f"{data[:500]!r}")
        for _ in range(text.count(self._mark)):
            (self._seen.gaps if self._words else self._seen.first).append(now - self._last)
            self._last = now
            self._words += 1
        self._tail = text[1 - len(self._mark) :]
        if text.endswith(_DONE):
            self.end("" if self._words == self._expected else f"{self._words} words instead of {self._expected}")

    def connection_lost(self, _: Exception | None) -> None:
        """Nobody hangs up before the end but this client."""
        self.end(f"the connection was lost after {self._words} words")

    def hang_up(self) -> None:
        """Leave, whatever is still to come."""
        self.end("" if self._words else "no word had come when it hung up")

    def end(self, error: str) -> None:
        """Leave, with an error if there is one."""
        if self.ended.done():
            return
        self.ended.set_result(None)
        if error:
            self._seen.errors.append(error)
        if self._transport is not None:
            self._transport.close()


async def crowd(chosen: argparse.Namespace) -> Seen:
    """Open all streams within the ramp, and see them to their end."""
    seen, clients = Seen(), list[Client]()
    path, model = _ASKED[chosen.ask]
    request, loop = _request(path, model), asyncio.get_running_loop()
    for _ in range(chosen.streams):
        clients.append(Client(request, _MARKS[path], chosen.words, seen))
        try:
            await loop.create_connection(partial(clients.__getitem__, -1), "127.0.0.1", chosen.port)
        except OSError as error:
            clients[-1].end(str(error))
        await asyncio.sleep(chosen.ramp / chosen.streams)
    await _ended(clients, chosen)
    return seen


async def _ended(clients: list[Client], chosen: argparse.Namespace) -> None:
    """Wait for all ends; or hang up in the middle."""
    patience = chosen.hang_up_after or chosen.words / chosen.rate + _MARGIN_S
    await asyncio.wait([client.ended for client in clients], timeout=patience)
    for client in clients:
        if chosen.hang_up_after:
            client.hang_up()
        else:
            client.end("it had not ended in time")
    await asyncio.sleep(0)  # connections close in the loop's next round


def _request(path: str, model: str) -> bytes:
    body = orjson.dumps(asked(model, stream=True))
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return f"{head}anthropic-version: 2023-06-01\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def _milliseconds(times: list[float], minus: float = 0) -> dict[str, float]:
    """The median, the 99th of a hundred, and the worst."""
    ordered = sorted(times) or [0.0]
    places = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "worst": -1}
    return {name: (ordered[place] - minus) * 1000 for name, place in places.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ask", choices=_ASKED, default="chat")
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--words", type=int, required=True, help="of a whole stream")
    parser.add_argument("--rate", type=float, required=True, help="words a second")
    parser.add_argument("--ramp", type=float, default=2, help="seconds within which all streams are begun")
    parser.add_argument("--hang-up-after", type=float, default=0, help="seconds; 0: see the streams to their end")
    chosen = parser.parse_args()
    seen = uvloop.run(crowd(chosen))
    found = {"first_ms": _milliseconds(seen.first), "late_ms": _milliseconds(seen.gaps, 1 / chosen.rate)}
    words = len(seen.first) + len(seen.gaps)
    print(json.dumps({"words": words, "errors": len(seen.errors), "examples": sorted(set(seen.errors))[:3], **found}))


if __name__ == "__main__":
    main()
