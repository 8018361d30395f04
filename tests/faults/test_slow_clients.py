"""Clients that hardly read, and clients that do nothing: they cost little, hold up nobody, and leave nothing behind."""

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import orjson
import pytest

import poe_sim
from tests.commands import PROXY
from tests.faults.serving import serving
from tests.running import eventually
from tests.serving import Serving
from tests.talk import chat

IDLE = 10_000
FEW_FILES = ("/bin/sh", "-c", 'ulimit -n 256; exec "$@"', "sh", *PROXY)


@pytest.fixture(scope="module")
def proxy(poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(poe, tmp_path_factory.mktemp("slow"), SHUTDOWN_GRACE_S=1) as command:
        command.warm_up()
        yield command


@contextmanager
def connected(port: int, count: int) -> Iterator[list[socket.socket]]:
    """So many connections, asked for all at once."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        yield sockets


@contextmanager
def reading_slowly(proxy: Serving, text: str, **more: object) -> Iterator[socket.socket]:
    body = orjson.dumps(chat(text, **more))
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(20)
        client.connect(("127.0.0.1", proxy.port))
        client.sendall(head + body)
        yield client


def test_a_client_that_reads_a_byte_at_a_time_costs_little_and_holds_up_nobody(proxy: Serving) -> None:
    """Each stream is some 60 MB long; what is not read stays at Poe's end."""
    before = proxy.memory_mb()
    with ExitStack() as stack:
        slow = [
            stack.enter_context(reading_slowly(proxy, "[[sim:long tokens=300000 rate=0]]", stream=True))
            for _ in range(5)
        ]
        assert {client.recv(1) for client in slow} == {b"H"}
        for _ in range(5):
            assert {client.recv(1) for client in slow} <= {b"T", b"P", b"/", b"1"}
            assert proxy.ask().status_code == 200
        assert proxy.memory_mb() < before + 100  # of 300
    eventually(lambda: proxy.metric("poe_proxy_requests_running") == 1)  # the one for the page itself


def test_ten_thousand_idle_connections_cost_little_and_are_freed(
    proxy: Serving, request: pytest.FixtureRequest
) -> None:
    files, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < IDLE + 500:
        pytest.skip(f"the limit of open files allows {allowed}, and this needs {IDLE + 500}")
    request.addfinalizer(partial(resource.setrlimit, resource.RLIMIT_NOFILE, (files, allowed)))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(files, IDLE + 500), allowed))
    before, open_before = proxy.memory_mb(), proxy.open_files()
    with connected(proxy.port, IDLE):
        assert proxy.ask().status_code == 200
        eventually(lambda: proxy.open_files() >= IDLE)
        assert proxy.ask().status_code == 200
        assert (proxy.memory_mb() - before) * 1024 / IDLE < 30  # kB each; measured: 12
    eventually(lambda: proxy.open_files() <= open_before + 5)
    assert proxy.ask().status_code == 200


def test_at_the_limit_of_open_files_who_is_there_is_answered_and_others_are_told(
    poe: poe_sim.SimServer, tmp_path: Path
) -> None:
    with serving(poe, tmp_path, words=FEW_FILES) as proxy, proxy.client() as friend:
        assert friend.get("/health").status_code == 200
        with connected(proxy.port, 60):
            refused = eventually(lambda: answer if (answer := proxy.get("/health")).status_code == 503 else None)
            assert refused.json()["error"]["code"] == "too_many_connections"
            assert "ulimit -n" in refused.json()["error"]["message"]
            assert friend.post("/v1/chat/completions", json=chat("hi")).status_code == 200
        eventually(lambda: proxy.get("/health").status_code == 200)
        eventually(lambda: len(proxy.rows()) == 1)
