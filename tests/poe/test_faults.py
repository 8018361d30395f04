"""Each row of the fault table, made to happen on a real socket: what breaks, and which of our errors it is."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import aiohttp
import httpx
import pytest

import poe_sim
from poe_proxy.canonical.errors import Garbled, LinkError, NotReached, StreamBroken, TimedOut, Unanswered
from poe_proxy.poe import faults
from poe_proxy.poe.client import PoeClient
from poe_proxy.poe.transport import SharedTransport, proxy_from_environment

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LONGER_THAN_SENT = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"


async def heard(reader: asyncio.StreamReader) -> None:
    """Wait for the whole request; its body is ``{}``."""
    await reader.readuntil(b"\r\n\r\n{}")


def says(*pieces: bytes) -> Peer:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        for piece in pieces:
            writer.write(piece)
        await writer.drain()
        writer.close()

    return peer


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await heard(reader)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def resets_in_the_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await heard(reader)
    writer.write(STREAM_HEAD + b"3\r\nabc\r\n")
    await writer.drain()
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def stalls_in_the_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await heard(reader)
    writer.write(STREAM_HEAD + b"3\r\nabc\r\n")
    await reader.read()
    writer.close()


@asynccontextmanager
async def calling(url: str, connections: int = 10) -> AsyncIterator[PoeClient]:
    transport = SharedTransport(connections)
    try:
        yield PoeClient(url, "a-key", transport)
    finally:
        await transport.aclose()


async def call(url: str, idle_s: float = 5) -> bytes:
    async with calling(url) as poe, poe.post("/v1/chat/completions", b"{}", idle_s=idle_s) as answered:
        return await answered.whole()


async def error_from(peer: Peer, idle_s: float = 5, scheme: str = "http") -> LinkError:
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def until_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer(reader, writer)
        with suppress(ConnectionError):
            await writer.wait_closed()
        gone.set_result(None)

    async with await asyncio.start_server(until_gone, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        with pytest.raises(LinkError) as caught:
            await call(f"{scheme}://{host}:{port}", idle_s)
        await gone
    return caught.value


@pytest.mark.parametrize(
    ("peer", "error"),
    [
        pytest.param(says(), Unanswered, id="closed after the request"),
        pytest.param(resets, Unanswered, id="reset after the request"),
        pytest.param(says(b"NOT HTTP AT ALL\r\n\r\n"), Garbled, id="no HTTP"),
        pytest.param(says(b"HTTP/1.1 200 OK\r\ncontent-le"), Unanswered, id="cut in the headers"),
        pytest.param(says(STREAM_HEAD, b"3\r\nabc\r\n"), StreamBroken, id="cut in a stream"),
        pytest.param(says(LONGER_THAN_SENT), StreamBroken, id="cut in a whole answer"),
        pytest.param(resets_in_the_answer, StreamBroken, id="reset in a stream"),
    ],
)
def test_what_a_peer_does_is_our_error(peer: Peer, error: type[LinkError]) -> None:
    assert type(asyncio.run(error_from(peer))) is error


def test_a_broken_chunk_is_no_answer_whether_it_comes_with_the_head_or_after_it() -> None:
    error = asyncio.run(error_from(says(STREAM_HEAD, b"zzz\r\nabc\r\n")))
    assert isinstance(error, Garbled | StreamBroken)


@pytest.mark.parametrize("peer", [is_silent, stalls_in_the_answer])
def test_silence_is_a_timeout(peer: Peer) -> None:
    assert type(asyncio.run(error_from(peer, idle_s=0.05))) is TimedOut


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # of aiohttp; the body is here as bytes
def test_a_peer_that_stops_reading_is_a_timeout() -> None:
    """aiohttp's own limits begin when the body is out; a large one never is."""

    async def run() -> LinkError:
        given_up, gone = asyncio.Event(), asyncio.Event()

        async def stops_reading(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            cast(asyncio.ReadTransport, writer.transport).pause_reading()
            await given_up.wait()
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()
            gone.set()

        async with await asyncio.start_server(stops_reading, "127.0.0.1", 0) as server:
            async with calling("http://{}:{}".format(*server.sockets[0].getsockname())) as poe:
                with pytest.raises(LinkError) as caught:
                    await whole(poe, b"x" * 30_000_000, idle_s=0.05)
            given_up.set()
            await gone.wait()
        return caught.value

    assert type(asyncio.run(asyncio.wait_for(run(), 10))) is TimedOut


def test_a_pool_that_is_full_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poe_proxy.poe.connector._FULL_S", 0.05)

    async def run() -> None:
        gone = asyncio.Event()

        async def stalls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await stalls_in_the_answer(reader, writer)
            with suppress(ConnectionError):
                await writer.wait_closed()
            gone.set()

        async with await asyncio.start_server(stalls, "127.0.0.1", 0) as server:
            url = "http://{}:{}".format(*server.sockets[0].getsockname())
            async with calling(url, connections=1) as poe, poe.post("/v1/chat/completions", b"{}", idle_s=5):
                with pytest.raises(NotReached, match=r"POE_CONNECTIONS .* nothing was charged"):
                    await whole(poe)
            await gone.wait()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param(poe_sim.refused_url(), "connect", id="refused"),
        pytest.param("http://poe.invalid", "its name was not found", id="no such name"),
    ],
)
def test_what_was_never_sent_says_so(url: str, words: str) -> None:
    with pytest.raises(NotReached, match=words) as caught:
        asyncio.run(call(url))
    assert "nothing was charged" in caught.value.message


def test_a_peer_that_speaks_no_tls_is_not_reached() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    error = asyncio.run(error_from(plain, scheme="https"))
    assert isinstance(error, NotReached)
    assert "TLS" in error.message


def test_connections_that_went_stale_are_not_tried_twice() -> None:
    """Six idle connections that are cut as soon as they are used again, as a NAT or a sleeping laptop leaves them."""

    async def run() -> bytes:
        async def answers_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await heard(reader)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                await reader.readuntil(b"\r\n\r\n{}")
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        async with await asyncio.start_server(answers_once, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with calling(url) as poe:
                await asyncio.gather(*(whole(poe) for _ in range(6)))
                with pytest.raises(Unanswered):
                    await whole(poe)
                return await whole(poe, fresh=True)

    assert asyncio.run(run()) == b"ok"


async def whole(poe: PoeClient, body: bytes = b"{}", *, idle_s: float = 5, fresh: bool = False) -> bytes:
    async with poe.post("/v1/chat/completions", body, idle_s=idle_s, fresh=fresh) as answered:
        return await answered.whole()


def test_a_netrc_is_none_of_our_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("default login a password b")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with pytest.raises(NotReached):
        asyncio.run(call("http://poe.invalid"))


def test_an_address_that_makes_no_sense_is_not_reached() -> None:
    with pytest.raises(NotReached, match="no valid address"):
        asyncio.run(call("http://user:password@127.0.0.1:1"))


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"https_proxy": "http://127.0.0.1:3128"}, "http://127.0.0.1:3128"),
        ({"ALL_PROXY": "http://127.0.0.1:3129"}, "http://127.0.0.1:3129"),
        ({"http_proxy": "http://127.0.0.1:3128"}, None),
        ({"https_proxy": "http://127.0.0.1:3128", "no_proxy": "poe.com"}, None),
    ],
)
def test_the_environments_proxy_is_found(
    environment: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_from_environment("https://api.poe.com") == proxy


def test_a_call_goes_through_a_proxy_in_between() -> None:
    async def run() -> bytes:
        asked: list[bytes] = []

        async def relays(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(relays, "127.0.0.1", 0) as server:
            proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            transport = SharedTransport(connections=1, proxy=proxy)
            try:
                await whole(PoeClient("http://poe.invalid", "a-key", transport))
            finally:
                await transport.aclose()
        return asked[0].partition(b"\r\n")[0]

    assert asyncio.run(run()) == b"POST http://poe.invalid/v1/chat/completions HTTP/1.1"


def every(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    yield kind
    for below in kind.__subclasses__():
        yield from every(below)


@pytest.mark.parametrize("kind", [*every(httpx.HTTPError), *every(httpx.StreamError), httpx.InvalidURL])
def test_every_exception_of_httpx_has_a_row_of_its_own_or_of_its_parent(kind: type[BaseException]) -> None:
    assert issubclass(kind, faults.KNOWN)


@pytest.mark.parametrize("kind", [*every(aiohttp.ClientError), aiohttp.InvalidURL])
def test_every_exception_of_aiohttp_has_a_row(kind: type[BaseException]) -> None:
    if not kind.__module__.startswith("aiohttp"):
        pytest.skip("a subclass that another test made")
    assert issubclass(kind, faults.KNOWN)


def test_no_row_of_the_table_is_hidden_by_one_above_it() -> None:
    for place, (kind, _) in enumerate(faults.TABLE):
        above = [other for other, _ in faults.TABLE[:place]]
        assert not issubclass(kind, tuple(above)), kind
