"""The shared transport on real sockets: what outlives a call is its connection, and nothing else."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from poe_proxy.poe.client import PoeClient
from poe_proxy.poe.transport import SharedTransport, _Body

Answers = Callable[[bytes], bytes]


class Peer:
    """Answers each request on its connection; notes the heads of all requests and counts the connections."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.heads: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                if self.heads[-1].startswith(b"POST"):
                    await reader.readexactly(2)
                writer.write(self._answers(self.heads[-1]))
        writer.close()


@asynccontextmanager
async def calling(peer: Peer, base_url: str = "", proxy: str = "") -> AsyncIterator[PoeClient]:
    """A client of ``peer``, or one that reaches ``base_url`` by way of it; ``proxy`` holds name and password."""
    async with await asyncio.start_server(peer.serve, "127.0.0.1", 0) as server:
        host = "{}:{}".format(*server.sockets[0].getsockname())
        transport = SharedTransport(connections=10, proxy=f"http://{proxy}@{host}" if proxy else None)
        try:
            yield PoeClient(base_url or f"http://{host}", "the-key", transport)
        finally:
            await transport.aclose()


def run(peer: Peer, work: Callable[[PoeClient], Awaitable[object]], **where: str) -> object:
    async def running() -> object:
        async with calling(peer, **where) as poe:
            return await work(poe)

    return asyncio.run(running())


async def whole(poe: PoeClient, *, fresh: bool = False) -> bytes:
    async with poe.post("/v1/chat/completions", b"{}", idle_s=5, fresh=fresh) as answered:
        return await answered.whole()


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def thrice(poe: PoeClient) -> None:
    for _ in range(3):
        await whole(poe)


def test_calls_one_after_the_other_share_a_connection_and_no_cookies() -> None:
    peer = Peer(lambda _: answer(b"ok", b"set-cookie: session=1; path=/"))
    run(peer, thrice)
    assert (len(peer.heads), peer.connections) == (3, 1)
    assert not any(b"cookie" in head.lower() for head in peer.heads)


def test_a_fresh_call_has_a_connection_of_its_own() -> None:
    async def twice(poe: PoeClient) -> None:
        await whole(poe)
        await whole(poe, fresh=True)

    peer = Peer(lambda _: answer(b"ok"))
    run(peer, twice)
    assert peer.connections == 2


def test_a_fresh_call_counts_among_the_connections_and_trusts_none_that_was_idle() -> None:
    kept: list[int] = []

    async def asked(poe: PoeClient, *, fresh: bool = False) -> None:
        async with poe.post("/v1/chat/completions", b"{}", idle_s=5, fresh=fresh) as answered:
            assert isinstance(poe._transport, SharedTransport)
            pool = poe._transport._pool
            kept.append(len(pool._acquired) + sum(map(len, pool._conns.values())))
            await answered.whole()

    async def together(poe: PoeClient) -> None:
        await asyncio.gather(*(asked(poe) for _ in range(10)))
        await asyncio.gather(*(asked(poe, fresh=number % 2 == 0) for number in range(30)))

    peer = Peer(lambda _: answer(b"ok"))
    run(peer, together)
    assert max(kept) == 10
    assert peer.connections > 10


def test_an_answer_that_was_not_read_to_its_end_leaves_its_connection_to_nobody() -> None:
    async def left_and_asked_again(poe: PoeClient) -> object:
        async with poe.post("/v1/chat/completions", b"{}", idle_s=5) as answered:
            await anext(answered)
        return await whole(poe)

    cut = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"
    peer = Peer(lambda _: cut if peer.connections == 1 else answer(b"another answer"))
    assert run(peer, left_and_asked_again) == b"another answer"
    assert peer.connections == 2


def test_the_head_says_what_it_must_once() -> None:
    peer = Peer(lambda _: answer(b"ok"))
    run(peer, whole)
    lines = peer.heads[0].lower().split(b"\r\n")
    assert lines[0] == b"post /v1/chat/completions http/1.1"
    names = [line.partition(b":")[0] for line in lines[1:] if line]
    assert sorted(names) == sorted(
        [b"host", b"authorization", b"user-agent", b"accept-encoding", b"content-type", b"content-length", b"accept"]
    )


_IDLE_S = 100.0


class Later:
    """A loop in which more than the idle time has passed."""

    def time(self) -> float:
        return asyncio.get_running_loop().time() + _IDLE_S + 1

    def call_at(self, due: float, work: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_at(due, work)


def test_only_a_silence_that_somebody_waits_in_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a client reads slowly: what it has not asked for yet cannot be late."""

    async def slowly(poe: PoeClient) -> bytes:
        async with poe.post("/v1/chat/completions", b"{}", idle_s=_IDLE_S) as answered:
            first = await anext(answered)
            body = answered._pieces
            assert isinstance(body, _Body)
            monkeypatch.setattr(body, "_loop", Later())
            body._look()
            return first + await answered.whole()

    half = b"x" * 2**20
    peer = Peer(lambda _: answer(half + half))
    assert run(peer, slowly) == half + half


def test_a_redirect_is_not_followed() -> None:
    async def status(poe: PoeClient) -> int:
        async with poe.post("/v1/chat/completions", b"{}", idle_s=5) as answered:
            return answered.status

    peer = Peer(lambda _: answer(b"", b"location: /elsewhere", status=b"302 Found"))
    assert run(peer, status) == 302
    assert len(peer.heads) == 1


def test_what_is_compressed_though_nobody_asked_is_read_all_the_same() -> None:
    peer = Peer(lambda _: answer(gzip.compress(b'{"ok":true}'), b"content-encoding: gzip"))
    assert run(peer, whole) == b'{"ok":true}'


def test_a_proxy_in_between_is_told_its_name_and_password() -> None:
    peer = Peer(lambda _: answer(b"by way of the proxy"))
    assert run(peer, whole, base_url="http://poe.invalid", proxy="name:word") == b"by way of the proxy"
    assert peer.heads[0].startswith(b"POST http://poe.invalid/v1/chat/completions ")
    assert b"proxy-authorization: basic " in peer.heads[0].lower()
    assert b"authorization: bearer the-key" in peer.heads[0].lower()


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_an_empty_answer_is_one(body: bytes) -> None:
    assert run(Peer(lambda _: answer(body)), whole) == body
