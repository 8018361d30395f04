"""Connections to a peer that misbehaves: no caller waits for ever, loses what came, or gets what was another's."""

import asyncio
import gc
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from poe_proxy.canonical.errors import LinkError, StreamBroken
from poe_proxy.poe import connector
from poe_proxy.poe.client import PoeClient
from poe_proxy.poe.transport import SharedTransport

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_PATIENCE_S = 10


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def run(peer: Peer, work: Callable[[PoeClient], Awaitable[object]]) -> object:
    async def running() -> object:
        async with await asyncio.start_server(peer, "127.0.0.1", 0) as server:
            transport = SharedTransport(connections=10)
            poe = PoeClient("http://{}:{}".format(*server.sockets[0].getsockname()), "key", transport)
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    return await work(poe)
            finally:
                await transport.aclose()

    return asyncio.run(running())


async def whole(poe: PoeClient) -> bytes:
    async with poe.post("/v1/chat/completions", b"{}", idle_s=5) as answered:
        return await answered.whole()


async def asked(reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(2)


async def turns_of_the_loop() -> None:
    """What was written on this machine is received: client and peer share the loop."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("rest", [answer(b"somebody else's"), b"HTTP/1.1 408 Request Timeout\r\n\r\n", b"nonsense"])
def test_what_comes_on_an_idle_connection_is_nobodys_answer(rest: bytes) -> None:
    connections: list[asyncio.StreamWriter] = []

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await asked(reader)
        writer.write(answer(b"their own"))
        await reader.read()
        writer.close()

    async def twice(poe: PoeClient) -> bytes:
        await whole(poe)
        connections[0].write(rest)
        await turns_of_the_loop()
        return await whole(poe)

    assert run(peer, twice) == b"their own"
    assert len(connections) == 2


@pytest.mark.parametrize("closes", [True, False])
def test_a_chunk_that_is_none_ends_the_wait_for_it(closes: bool) -> None:
    heard = asyncio.Event()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        await heard.wait()
        writer.write(b"what?\r\n")
        if not closes:
            await reader.read()
        writer.close()

    async def reading(poe: PoeClient) -> bytes:
        async with poe.post("/v1/chat/completions", b"{}", idle_s=_PATIENCE_S) as answered:
            came = await anext(answered)
            heard.set()
            with pytest.raises(StreamBroken):
                await anext(answered)
        return came

    assert run(peer, reading) == b"hello"


def test_what_came_before_the_end_is_read_before_the_end_is_told() -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        writer.close()

    async def reading_late(poe: PoeClient) -> bytes:
        async with poe.post("/v1/chat/completions", b"{}", idle_s=_PATIENCE_S) as answered:
            await turns_of_the_loop()
            came = await anext(answered)
            with pytest.raises(StreamBroken):
                await anext(answered)
        return came

    assert run(peer, reading_late) == b"hello"


def test_a_connection_that_is_reset_at_once_closes_no_other_that_has_its_number_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """uvloop closes the number, and the socket that had it would do so again when it is collected."""

    class Reset(connector._Handler):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            numbers.append(transport.get_extra_info("socket").fileno())
            transport.abort()

    async def work() -> None:
        monkeypatch.setattr(connector, "_Handler", Reset)
        with socket.create_server(("127.0.0.1", 0)) as peer:
            transport = SharedTransport(connections=10)
            poe = PoeClient("http://{}:{}".format(*peer.getsockname()), "key", transport)
            with pytest.raises(LinkError):
                await whole(poe)
            await turns_of_the_loop()
            os.dup2(peer.fileno(), numbers[0])
            gc.collect()
            os.close(numbers[0])  # raises where it is closed already
            await transport.aclose()

    numbers: list[int] = []
    uvloop.run(work())
