"""The Poe client: what it sends, and how it reads what comes back."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
import respx

from poe_proxy.canonical.errors import LinkError, NotReached, StreamBroken, TimedOut
from poe_proxy.poe.client import Answered, PoeClient
from poe_proxy.poe.usage_api import check_key
from tests import virtual_time

URL = "https://api.poe.com"
Work = Callable[[PoeClient], Awaitable[object]]


def with_client(work: Work, poe: respx.MockRouter) -> object:
    async def run() -> object:
        return await work(PoeClient(URL, "the-key", httpx.MockTransport(poe.async_handler)))

    return asyncio.run(run())


@pytest.fixture
def mocked() -> respx.MockRouter:
    return respx.MockRouter(base_url=URL, assert_all_called=False)


def test_a_chat_call_carries_key_type_and_body_and_asks_for_no_compression(mocked: respx.MockRouter) -> None:
    async def work(poe: PoeClient) -> bytes:
        async with poe.post("/v1/chat/completions", b'{"model":"m"}', idle_s=1) as answered:
            return await answered.whole()

    route = mocked.post("/v1/chat/completions").respond(200, json={"ok": True})
    assert with_client(work, mocked) == b'{"ok":true}'
    sent = route.calls.last.request
    assert sent.headers["authorization"] == "Bearer the-key"
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["accept-encoding"] == "identity"
    assert sent.headers["user-agent"].startswith("poe-proxy/")
    assert sent.content == b'{"model":"m"}'


STREAM, JSON = "text/event-stream; charset=utf-8", "application/json"


@pytest.mark.parametrize(
    ("content_type", "pieces", "is_stream"),
    [
        (STREAM, [b"data: {}\n\n"], True),
        ("Text/Event-Stream", [b"foo: bar\n\n"], True),
        (STREAM, [], True),
        (STREAM, [b'{"error": {}}'], False),
        (JSON, [b'{"id": 1}'], False),
        (JSON, [b"  ", b"\n", b"{}"], False),
        (JSON, [b"\n", b"d", b"at", b"a: {}\n\n"], True),
        (JSON, [b": ping\n\n"], True),
        ("", [b"event: x\n"], True),
        ("", [b"<html>"], False),
        ("application/octet-stream", [b"\xef\xbb\xbfdata: {}"], True),
        (JSON, [], False),
        (JSON, [b" " * 100_000, b"data: {}\n\n"], False),
        ("", [b"data: " + b"x" * 100_000 + b"\n\n"], True),
    ],
)
def test_how_an_answer_begins_tells_whether_it_is_a_stream(
    content_type: str, pieces: list[bytes], is_stream: bool
) -> None:
    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

    async def run() -> tuple[bool, bytes]:
        answered = Answered(httpx.Response(200, headers={"content-type": content_type}, stream=Body()))
        return await answered.is_stream(lambda: None), await answered.whole()

    assert asyncio.run(run()) == (is_stream, b"".join(pieces))


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_an_answer_without_end_is_not_kept(
    mocked: respx.MockRouter, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr("poe_proxy.poe.client._MAX_ANSWER", 2**20)
    body = b"[" + b" " * 1_100_000 + b"]"

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield gzip.compress(body) if encoding == "gzip" else body

    async def work(poe: PoeClient) -> None:
        await poe.get("/v1/models", timeout_s=1)

    headers = {"content-encoding": encoding}
    mocked.get("/v1/models").mock(return_value=httpx.Response(200, headers=headers, stream=Body()))
    with pytest.raises(StreamBroken, match="larger than 1 MB"):
        with_client(work, mocked)


def test_a_small_answer_that_trickles_is_given_up(mocked: respx.MockRouter) -> None:
    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(1)
                yield b" "

    async def work(poe: PoeClient) -> None:
        await poe.get("/v1/models", timeout_s=30)

    mocked.get("/v1/models").mock(return_value=httpx.Response(200, stream=Body()))
    with pytest.raises(TimedOut, match="within 30 s"):
        virtual_time.run(work(PoeClient(URL, "the-key", httpx.MockTransport(mocked.async_handler))))


def test_a_failure_of_the_transport_is_our_error(mocked: respx.MockRouter) -> None:
    async def work(poe: PoeClient) -> None:
        await poe.get("/v1/models", timeout_s=1)

    mocked.get("/v1/models").mock(side_effect=httpx.ConnectError)
    with pytest.raises(NotReached):
        with_client(work, mocked)


@pytest.mark.parametrize(
    ("status", "body", "valid", "balance"),
    [
        (200, {"current_point_balance": 842500}, True, 842500),
        (200, {"something": "else"}, True, None),
        (200, {"current_point_balance": "lots"}, True, None),
        (200, {"current_point_balance": True}, True, None),
        (200, [], None, None),
        (200, {"error": {"message": "not today"}}, None, None),
        (401, {"error": {"message": "no"}}, False, None),
        (403, {}, False, None),
        (500, {}, None, None),
    ],
)
def test_the_balance_tells_whether_the_key_is_good(
    mocked: respx.MockRouter, status: int, body: object, valid: bool | None, balance: int | None
) -> None:
    mocked.get("/usage/current_balance").respond(status, json=body)
    state = with_client(check_key, mocked)
    assert (state.valid, state.balance) == (valid, balance)  # type: ignore[attr-defined]


def test_a_poe_that_cannot_be_reached_leaves_the_keys_state_open(mocked: respx.MockRouter) -> None:
    mocked.get("/usage/current_balance").mock(side_effect=httpx.ConnectTimeout)
    state = with_client(check_key, mocked)
    assert state.valid is None  # type: ignore[attr-defined]
    assert "could not be checked" in state.words  # type: ignore[attr-defined]


def test_link_errors_are_the_only_errors_of_the_way() -> None:
    assert issubclass(NotReached, LinkError)
