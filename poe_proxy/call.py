"""One call to Poe as events: an error, a whole answer or a stream, whatever was asked for. It never repeats a call."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from poe_proxy.canonical.errors import Garbled, LinkError, Misdirected, ProxyError, TimedOut
from poe_proxy.canonical.events import Event
from poe_proxy.canonical.report import Report, Sent
from poe_proxy.endpoints import Endpoint
from poe_proxy.poe.client import Answered, Calling, PoeClient
from poe_proxy.poe.masking import Mask
from poe_proxy.policy.attempts import Attempt
from poe_proxy.wire.lenient import decoded

TOO_SLOW = "Poe did not give a whole answer in time; raise ANSWER_TIMEOUT_S for slow models."
_DRAIN_S = 0.25


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds: for the next bytes of a stream, and for a whole answer."""

    stream_idle_s: float
    answer_s: float

    @property
    def unheard_s(self) -> float:
        """How long a stream may go on with signs of life that say nothing: comments, empty deltas."""
        return max(self.stream_idle_s, self.answer_s)


async def call(
    poe: PoeClient,
    endpoint: Endpoint,
    attempt: Attempt,
    report: Report,
    patience: Patience,
    clock: Callable[[], float],
    heard: Callable[[int, Mapping[str, str]], None],
    wall: Callable[[], float] = time.time,
) -> AsyncGenerator[list[Event]]:
    """Yield the answer's events as they come; ``heard`` is told status and headers as soon as they are there.

    ``clock`` counts seconds, ``wall`` tells Unix seconds: when the call was sent is noted in ``report``.
    Raises ProxyError where Poe answers with an error, or not properly.
    """
    sent, calling = _begun(poe, endpoint, attempt, report, patience, wall)
    async with calling as answered:
        heard(answered.status, answered.headers)
        sent.answered_at = wall()
        _note_head(sent, answered, endpoint, report, poe.mask)
        in_time = partial(_in_time, clock, clock() + patience.answer_s)
        if not 200 <= answered.status < 300:
            raise poe.mask.error(await _error(endpoint, answered, in_time))
        if not await answered.is_stream(in_time):
            whole = await answered.whole(in_time)
            sent.ended_at = wall()
            yield poe.mask.events(endpoint.read(_json(whole)))
            return
        reader, last = endpoint.reader(), clock()
        try:
            async for piece in answered:
                if events := poe.mask.events(reader.feed(piece)):
                    last = clock()
                    yield events
                elif clock() - last > patience.unheard_s:
                    raise TimedOut("Poe kept the stream open and said nothing; it is not going to.")
                if reader.done:
                    await _drain(answered)
                    break
        except LinkError as error:
            if not reader.finished:
                raise
            report.notes.append(_broken_late(error, report))
        sent.ended_at = wall()
        yield poe.mask.events(reader.close())
        if reader.garbled:
            report.notes.append(f"{reader.garbled} frames of Poe's were no JSON")


def _begun(
    poe: PoeClient,
    endpoint: Endpoint,
    attempt: Attempt,
    report: Report,
    patience: Patience,
    wall: Callable[[], float],
) -> tuple[Sent, Calling]:
    """The call, made and noted in ``report``: what could not even be made was not sent."""
    idle_s = patience.stream_idle_s if attempt.body["stream"] else patience.answer_s
    encoded = endpoint.encode(attempt.body)
    report.changes += encoded.changes
    calling = poe.post(endpoint.path, encoded.data, encoded.headers, idle_s=idle_s, fresh=attempt.fresh)
    sent = Sent(str(attempt.body["model"]), wall())
    report.sent.append(sent)
    return sent, calling


def _note_head(sent: Sent, answered: Answered, endpoint: Endpoint, report: Report, mask: Mask) -> None:
    headers = answered.headers
    sent.status, sent.date = answered.status, headers.get("date", "")
    sent.poe_id = mask.header(headers.get("x-request-id", ""))
    if endpoint.passed:
        report.passed = {
            name: mask.header(value) for name, value in headers.items() if name.startswith(endpoint.passed)
        }


def _broken_late(error: LinkError, report: Report) -> str:
    """What the answer said is whole, but in chat its usage comes after the end; without it the cost is an estimate."""
    missing = ", before Poe told its usage" if report.usage is None else ""
    return f"{type(error).__name__} after the answer was finished{missing}"


async def _error(endpoint: Endpoint, answered: Answered, in_time: Callable[[], None]) -> ProxyError:
    if not 400 <= answered.status < 600:
        return Misdirected(f"Poe answered {answered.status}, which is no answer to a chat; check POE_BASE_URL.")
    return endpoint.read_error(answered.status, answered.headers, await answered.whole(in_time))


def _in_time(clock: Callable[[], float], deadline: float) -> None:
    """A trickle keeps the connection from falling silent, and would go on for ever. Raises TimedOut."""
    if clock() > deadline:
        raise TimedOut(TOO_SLOW)


def _json(body: bytes) -> object:
    try:
        return decoded(body)
    except ValueError as error:
        raise Garbled("Poe answered 200 with something that is not JSON.") from error


async def _drain(pieces: AsyncIterable[bytes]) -> None:
    """Read on to the end that follows ``[DONE]``, so that the connection can be used again; not if it lets us wait."""
    with suppress(TimeoutError, ProxyError):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in pieces:
                pass
