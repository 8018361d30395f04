"""One call to Poe whatever comes back: odd statuses and labels, answers that never end, and faults of our own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from poe_proxy.call import Patience, call
from poe_proxy.canonical.errors import LinkError, TimedOut
from poe_proxy.canonical.events import Event, Started, Text
from poe_proxy.canonical.report import Report
from poe_proxy.endpoints import CHAT, Encoded, Endpoint
from poe_proxy.exchange import Exchange
from poe_proxy.poe.client import PoeClient
from poe_proxy.policy.attempts import Attempt
from poe_sim import KEYS
from tests.golden.scripted_poe import Recorded, ScriptedPoe, scripted_poe
from tests.running import Proxy, running_proxy
from tests.talk import chat, frames, open_stream, post, text_of

ANSWER = {
    "id": "chatcmpl-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
}
JSON = {"content-type": "application/json"}


def chunk(**delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return b"data: " + orjson.dumps({"id": "chatcmpl-1", "created": 1, "choices": [choice]}) + b"\n\n"


FINISH = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
STREAM = [chunk(role="assistant"), chunk(content="hello"), FINISH]


@pytest.fixture(scope="module")
def poe() -> Iterator[ScriptedPoe]:
    with scripted_poe() as server:
        yield server


@pytest.fixture(scope="module")
def proxy(poe: ScriptedPoe, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with running_proxy(poe.url, tmp_path_factory.mktemp("data"), RETRY_BUDGET_S=1) as server:
        yield server


# --- what Poe answers decides how it is read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "label", ["", "application/json", "text/plain", "application/octet-stream", "Text/Event-Stream"]
)
def test_a_stream_is_a_stream_whatever_it_is_labelled(poe: ScriptedPoe, proxy: Proxy, label: str) -> None:
    poe.answer = Recorded(200, {"content-type": label} if label else {}, STREAM)
    with open_stream(proxy, chat("hi")) as response:
        assert text_of(frames(response)) == "hello"
    assert len(poe.asked) == 1


def test_json_labelled_as_a_stream_is_json(poe: ScriptedPoe, proxy: Proxy) -> None:
    poe.answer = Recorded(200, {"content-type": "text/event-stream"}, [orjson.dumps(ANSWER)])
    assert post(proxy, chat("hi")).json()["choices"][0]["message"]["content"] == "hello"


@pytest.mark.parametrize("status", [200, 201, 203])
def test_any_success_is_one(poe: ScriptedPoe, proxy: Proxy, status: int) -> None:
    poe.answer = Recorded(status, JSON, [orjson.dumps(ANSWER)])
    assert post(proxy, chat("hi")).status_code == 200
    assert len(poe.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304])
def test_a_redirect_is_not_followed_and_not_tried_again(poe: ScriptedPoe, proxy: Proxy, status: int) -> None:
    poe.answer = Recorded(status, {"location": "http://poe.invalid/"}, [b""])
    answer = post(proxy, chat("hi"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "poe_misdirected")
    assert "POE_BASE_URL" in answer.json()["error"]["message"]
    assert len(poe.asked) == 1


def test_retry_after_as_a_date_is_heeded(poe: ScriptedPoe, proxy: Proxy) -> None:
    dates = {"date": "Sat, 21 Nov 2026 10:00:00 GMT", "retry-after": "Sat, 21 Nov 2026 10:00:09 GMT"}
    poe.answer = Recorded(429, {**JSON, **dates}, [b"{}"])
    answer = post(proxy, chat("hi"))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "9")
    assert len(poe.asked) == 1


def test_an_error_that_quotes_our_key_is_masked(poe: ScriptedPoe, proxy: Proxy) -> None:
    poe.answer = Recorded(400, JSON, [b'{"error": {"message": "moderated: poe-sim-key-0001 may not"}}'])
    assert post(proxy, chat("hi")).json()["error"]["message"] == "moderated: *** may not"


# --- what never ends ------------------------------------------------------------------------------------------------


class Endless:
    """An answer that says the same for ever, and a clock that a second passes on at each piece."""

    def __init__(self, piece: bytes) -> None:
        self.now = 0.0
        self._piece = piece

    def clock(self) -> float:
        return self.now

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.now += 1
            yield self._piece


@pytest.mark.parametrize("piece", [b": ping\n\n", chunk(role="assistant"), b"data: what\n\n"])
def test_signs_of_life_that_say_nothing_end(piece: bytes) -> None:
    endless = Endless(piece)
    assert isinstance(asyncio.run(failure(endless, Patience(stream_idle_s=20, answer_s=30))), TimedOut)
    assert endless.now in (32, 33)


def test_an_error_that_trickles_for_ever_ends() -> None:
    endless = Endless(b" ")
    assert isinstance(asyncio.run(failure(endless, Patience(stream_idle_s=20, answer_s=30), status=500)), TimedOut)
    assert endless.now == 31


async def failure(endless: Endless, patience: Patience, status: int = 200) -> LinkError:
    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            class Body(httpx.AsyncByteStream):
                def __aiter__(self) -> AsyncIterator[bytes]:
                    return aiter(endless)

            return httpx.Response(status, headers={"content-type": "text/event-stream"}, stream=Body())

    poe, attempt = PoeClient("http://poe", "key", Transport()), Attempt(1, {"model": "m", "stream": True})

    async def hear_out() -> None:
        async for _ in call(poe, CHAT, attempt, Report("id", "route", 0.0), patience, endless.clock, lambda *_: None):
            pass

    with pytest.raises(LinkError) as caught:
        await hear_out()
    return caught.value


def test_media_that_trickles_for_ever_ends_for_a_client_who_wants_a_stream(tmp_path: Path) -> None:
    talks: list[asyncio.Task[Any]] = []

    async def trickles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())  # type: ignore[arg-type]
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b"1\r\n \r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def run() -> Any:
        async with await asyncio.start_server(trickles, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            said = await asyncio.to_thread(ask, url)
        await asyncio.gather(*talks, return_exceptions=True)
        return said

    def ask(url: str) -> Any:
        with (
            running_proxy(url, tmp_path, ANSWER_TIMEOUT_S=0.2) as proxy,
            open_stream(proxy, chat("a cat", model="imagen-4")) as response,
        ):
            response.read()
            return response.json()

    assert asyncio.run(run())["error"]["code"] == "poe_timed_out"


# --- what the report says ---------------------------------------------------------------------------------------------


async def told(answer: httpx.Response, endpoint: Endpoint, report: Report) -> None:
    """Hear out a call that is answered with ``answer``."""
    poe = PoeClient("http://poe", KEYS[0], httpx.MockTransport(lambda _: answer))
    attempt, patience = Attempt(1, {"model": "m", "stream": True}), Patience(stream_idle_s=20, answer_s=30)
    async for _ in call(poe, endpoint, attempt, report, patience, lambda: 0.0, lambda *_: None):
        pass


def test_a_request_that_cannot_even_be_made_was_not_sent() -> None:
    report = Report("id", "route", 0.0)
    endpoint = replace(CHAT, encode=lambda _: Encoded(b"", {"x": "é\u2028"}))
    with pytest.raises(UnicodeEncodeError):
        asyncio.run(told(httpx.Response(200), endpoint, report))
    assert report.sent == []


def test_our_key_in_headers_is_masked() -> None:
    report = Report("id", "route", 0.0)
    headers = {"anthropic-ratelimit-x": f"for {KEYS[0]}", "anthropic-ratelimit-y": "9", "x-request-id": KEYS[0]}
    answer = httpx.Response(200, headers=headers, content=b"".join(STREAM))
    asyncio.run(told(answer, replace(CHAT, passed=("anthropic-ratelimit-",)), report))
    assert report.passed == {"anthropic-ratelimit-x": "for ***", "anthropic-ratelimit-y": "9"}
    assert report.sent[0].poe_id == "***"


def test_a_break_after_the_end_says_that_poe_had_not_told_its_usage() -> None:
    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"".join(STREAM).removesuffix(b"data: [DONE]\n\n")
            raise httpx.ReadError("cut")

    report = Report("id", "route", 0.0)
    asyncio.run(told(httpx.Response(200, stream=Body()), CHAT, report))
    assert report.notes == ["StreamBroken after the answer was finished, before Poe told its usage"]


# --- faults of our own ----------------------------------------------------------------------------------------------


def test_a_fault_of_ours_in_a_stream_is_an_error_event(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(*_: object, **__: object) -> AsyncIterator[list[Event]]:
        yield [Started("id", 1, "model"), Text("hello")]
        raise KeyError("a bug")

    monkeypatch.setattr(Exchange, "events", breaks)
    with open_stream(proxy, chat("hi")) as response:
        said = frames(response)
    assert text_of(said) == "hello"
    assert said[-1]["error"]["code"] == "internal_error"
    assert "[DONE]" not in said
