"""One call to Poe as events: an error, a whole answer or a stream, whatever was asked for. It never repeats a call."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from poe_proxy.canonical.errors import Garbled, Misdirected, ProxyError, TimedOut
from poe_proxy.canonical.events import Event
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.report import Report, Sent
from poe_proxy.poe.client import Answered, PoeClient
from poe_proxy.policy.attempts import Attempt
from poe_proxy.wire.lenient import decoded
from poe_proxy.wire.openai_chat import answer as chat_answer
from poe_proxy.wire.openai_chat import errors as chat_errors
from poe_proxy.wire.openai_chat import request as chat_request
from poe_proxy.wire.openai_chat import stream as chat_stream

TOO_SLOW = "Poe did not give a whole answer in time; raise ANSWER_TIMEOUT_S for slow models."
_DRAIN_S = 0.25
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds: for the next bytes of a stream, and for a whole answer."""

    stream_idle_s: float
    answer_s: float

    @property
    def unheard_s(self) -> float:
        """How long a stream may go on with signs of life that say nothing: comments, empty deltas."""
        return max(self.stream_idle_s, self.answer_s)


class Reader(Protocol):
    """Reads one stream; ``done`` once nothing after it counts, ``garbled`` frames were no JSON."""

    done: bool
    garbled: int

    def feed(self, data: bytes) -> list[Event]: ...

    def close(self) -> list[Event]: ...


@dataclass(frozen=True, slots=True)
class Way:
    """One of Poe's endpoints, and how it speaks: a body to bytes and headers, answers and errors to ours.

    ``read_error`` is given status, headers (lower case) and body.
    """

    name: str
    path: str
    encode: Callable[[Json], tuple[bytes, Mapping[str, str]]]
    reader: Callable[[], Reader]
    read: Callable[[object], list[Event]]
    read_error: Callable[[int, Mapping[str, str], bytes], ProxyError]


CHAT = Way(
    name="chat",
    path="/v1/chat/completions",
    encode=lambda body: (chat_request.encode(body), {}),
    reader=chat_stream.Reader,
    read=chat_answer.read,
    read_error=chat_errors.read,
)


async def call(
    poe: PoeClient,
    way: Way,
    attempt: Attempt,
    report: Report,
    patience: Patience,
    clock: Callable[[], float],
    heard: Callable[[int, Mapping[str, str]], None],
    wall: Callable[[], float] = time.time,
) -> AsyncGenerator[list[Event]]:
    """Yield the answer's events as they come over ``way``; ``heard`` is told status and headers once they are there.

    ``clock`` counts seconds, ``wall`` tells Unix seconds: when the call was sent is noted in ``report``.
    Raises ProxyError where Poe answers with an error, or not properly.
    """
    idle_s = patience.stream_idle_s if attempt.body["stream"] else patience.answer_s
    data, headers = way.encode(attempt.body)
    sent = Sent(str(attempt.body["model"]), wall())
    report.sent.append(sent)
    async with poe.post(way.path, data, headers, idle_s=idle_s, fresh=attempt.fresh) as answered:
        heard(answered.status, answered.headers)
        sent.answered_at, sent.status = wall(), answered.status
        sent.date, sent.poe_id = answered.headers.get("date", ""), answered.headers.get("x-request-id", "")
        if not 200 <= answered.status < 300:
            raise await _error(poe, way, answered)
        if not await _in_time(answered.is_stream(), patience):
            yield way.read(_json(await _in_time(answered.whole(), patience)))
            return
        reader, last = way.reader(), clock()
        pieces = answered.pieces()
        async for piece in pieces:
            if events := reader.feed(piece):
                last = clock()
                yield events
            elif clock() - last > patience.unheard_s:
                raise TimedOut("Poe kept the stream open and said nothing; it is not going to.")
            if reader.done:
                await _drain(pieces)
                break
        yield reader.close()
        if reader.garbled:
            report.notes.append(f"{reader.garbled} frames of Poe's were no JSON")


async def _error(poe: PoeClient, way: Way, answered: Answered) -> ProxyError:
    if not 400 <= answered.status < 600:
        return Misdirected(f"Poe answered {answered.status}, which is no answer to a chat; check POE_BASE_URL.")
    headers = {name.lower(): value for name, value in answered.headers.items()}
    return way.read_error(answered.status, headers, poe.masked(await answered.whole()))


async def _in_time(answer: Awaitable[T], patience: Patience) -> T:
    """A trickle keeps the connection from falling silent, and would go on for ever."""
    try:
        async with asyncio.timeout(patience.answer_s):
            return await answer
    except TimeoutError:
        raise TimedOut(TOO_SLOW) from None


def _json(body: bytes) -> object:
    try:
        return decoded(body)
    except ValueError as error:
        raise Garbled("Poe answered 200 with something that is not JSON.") from error


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    """Read on to the end that follows ``[DONE]``, so that the connection can be used again; not if it lets us wait."""
    with suppress(TimeoutError, ProxyError):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in pieces:
                pass
