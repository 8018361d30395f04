"""The upstream of the benchmarks: answers as Poe does, as fast as one core of asyncio can, and keeps no books.

It reads of a request no more than where it ends, its path, and whether it asks for a stream. Streams go out at once, or
with ``--rate`` so many words a second. It listens on loopback only.
"""

import argparse
import asyncio
import re
from dataclasses import dataclass
from typing import cast

import uvloop

from benchmarks import said

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAMED = re.compile(rb'"stream": ?true')
_MOST = 1_048_576
_TOO_LARGE = said.whole(b'{"error":{"message":"the body is too large"}}', b"413 Content Too Large")
_SLOTS = 25
"""Places in a period between which the streams of a paced upstream are spread."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What is answered, by path: whole, and streamed in pieces of which each is sent by itself."""

    whole: dict[bytes, bytes]
    streams: dict[bytes, list[bytes]]


def answers(tokens: int, *, paced: bool, writes: int = 1) -> Answers:
    """Answers of so many tokens; a stream goes out in ``writes`` pieces or, paced, word by word."""
    streams = {said.CHAT: said.chat_stream(tokens), said.MESSAGES: said.message_stream(tokens)}
    pieces = {path: _paced(stream) if paced else _parts(stream, writes) for path, stream in streams.items()}
    models = {said.CHAT: said.chat_answer(tokens), said.MESSAGES: said.message_answer(tokens)}
    return Answers(
        said.LOOKS | {path.encode(): answer for path, answer in models.items()},
        {path.encode(): stream for path, stream in pieces.items()},
    )


def _paced(stream: said.Stream) -> list[bytes]:
    return [stream.begin, *stream.words[:-1], stream.words[-1] + stream.end]


def _parts(stream: said.Stream, writes: int) -> list[bytes]:
    size = -(-len(stream.words) // writes)
    parts = [b"".join(stream.words[begin : begin + size]) for begin in range(0, len(stream.words), size)]
    parts[0] = stream.begin + parts[0]
    parts[-1] += stream.end
    return parts


class Wheel:
    """Sends every paced stream its next piece once a period: one timer for all, streams spread over the period."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rate: float) -> None:
        self._loop = loop
        self._step = 1 / rate / _SLOTS
        self._slots: list[dict[Connection, None]] = [{} for _ in range(_SLOTS)]
        self._began = loop.time()
        self._ticks = 0
        self._tick()

    def add(self, connection: "Connection") -> None:
        """Take a stream to where there are the fewest; what was said before on its connection has ended."""
        self.drop(connection)
        min(self._slots, key=len)[connection] = None

    def drop(self, connection: "Connection") -> None:
        """Forget a stream, which has ended or whose client has left."""
        for slot in self._slots:
            slot.pop(connection, None)

    def _tick(self) -> None:
        slot = self._slots[self._ticks % _SLOTS]
        for connection in [each for each in slot if not each.send_next()]:
            del slot[connection]
        self._ticks += 1
        self._loop.call_at(self._began + self._ticks * self._step, self._tick)


class Connection(asyncio.Protocol):
    """One keep-alive connection, and the answer that is under way on it."""

    __slots__ = ("_answers", "_kept", "_left", "_loop", "_transport", "_wheel")

    def __init__(self, said_here: Answers, loop: asyncio.AbstractEventLoop, wheel: Wheel | None) -> None:
        self._answers = said_here
        self._loop = loop
        self._wheel = wheel
        self._kept = b""
        self._left = iter([b""])
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class, which only looks like one

    def connection_lost(self, _: Exception | None) -> None:
        """The client has left; nobody waits for the rest of a stream."""
        self._transport = None
        if self._wheel is not None:
            self._wheel.drop(self)

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is there as a whole."""
        data = self._kept + data if self._kept else data
        begin = data.find(b"\r\n\r\n") + 4
        length = _LENGTH.search(data, 0, begin) if begin > 3 else None
        end = begin + int(length[1]) if length else begin
        if end > _MOST + begin:
            self._refuse()
        elif begin < 4 or len(data) < end:
            self._kept = data
        else:
            self._kept = data[end:]
            self._answer(data.split(b" ", 2)[1].partition(b"?")[0], data[begin:end])

    def _refuse(self) -> None:
        assert self._transport is not None
        self._transport.write(_TOO_LARGE)
        self._transport.close()

    def _answer(self, path: bytes, body: bytes) -> None:
        assert self._transport is not None
        stream = self._answers.streams.get(path) if _STREAMED.search(body) else None
        if stream is None:
            self._transport.write(self._answers.whole.get(path, said.NOT_FOUND))
            return
        self._left = iter(stream)
        if self.send_next() and self._wheel is not None:
            self._wheel.add(self)
        elif self._wheel is None and len(stream) > 1:
            self._loop.call_soon(self._send_rest)

    def send_next(self) -> bool:
        """Send the stream's next piece; false once there is none."""
        piece = next(self._left, None)
        if piece is None or self._transport is None:
            return False
        self._transport.write(piece)
        return True

    def _send_rest(self) -> None:
        if self.send_next():
            self._loop.call_soon(self._send_rest)


async def serve(port: int, said_here: Answers, rate: float) -> None:
    """Serve until the process ends."""
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop, rate) if rate else None
    server = await loop.create_server(lambda: Connection(said_here, loop, wheel), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9998)
    parser.add_argument("--tokens", type=int, default=said.TOKENS)
    parser.add_argument("--rate", type=float, default=0, help="words of a stream a second; 0: at once")
    parser.add_argument("--writes", type=int, default=1, help="pieces in which a stream goes out that is not paced")
    chosen = parser.parse_args()
    said_here = answers(chosen.tokens, paced=chosen.rate > 0, writes=chosen.writes)
    uvloop.run(serve(chosen.port, said_here, chosen.rate))


if __name__ == "__main__":
    main()
