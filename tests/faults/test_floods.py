"""Floods on raw sockets: what stands around a body, requests whose answers nobody reads, numbers without measure."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import orjson
import pytest

import poe_sim
from poe_proxy.web.protocol import MAX_HEAD
from tests.faults.serving import serving
from tests.running import Proxy
from tests.serving import Serving
from tests.talk import chat, post

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
PIECE = b"x" * 65536


@pytest.fixture(scope="module")
def proxy(poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(poe, tmp_path_factory.mktemp("flooded"), BODY_TIMEOUT_S=20) as command:
        command.warm_up()
        yield command


def flooded(proxy: Serving, head: bytes, piece: bytes, most: int = 32 * 2**20) -> tuple[int, bytes]:
    """How much could be sent of ``piece`` again and again, and all that was answered."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        sent = 0
        with suppress(OSError):  # when it is cut
            connection.sendall(head)
            while sent < most:
                connection.sendall(piece)
                sent += len(piece)
            connection.shutdown(socket.SHUT_WR)
        return sent, answer_on(connection)


def answer_on(connection: socket.socket) -> bytes:
    answer = bytearray()
    with suppress(OSError):
        for piece in iter(partial(connection.recv, 65536), b""):
            answer += piece
    return bytes(answer)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        pytest.param(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-Trailer: " + b"x" * 1000 + b"\r\n", id="trailers"),
        pytest.param(CHUNKED + b"2\r\n{}\r\n0\r\nX: ", PIECE, id="one trailer"),
        pytest.param(CHUNKED + b"1;", PIECE, id="an extension of a chunk"),
        pytest.param(b"", b"\r\n" * 1000, id="empty lines"),
        pytest.param(POST, b"a: b\r\n" * 1000, id="small headers"),
        pytest.param(POST + b"X: ", PIECE, id="one header"),
        pytest.param(b"GET /", PIECE, id="a path"),
    ],
)
def test_what_is_neither_a_request_nor_a_body_has_an_end(proxy: Serving, head: bytes, piece: bytes) -> None:
    before = proxy.memory_mb()
    _, answer = flooded(proxy, head, piece)
    assert b"HTTP/1.1 431 " in answer or not answer  # cut before it could be read
    assert proxy.memory_mb() < before + 16  # half of what was sent
    assert proxy.ask().status_code == 200


def test_what_follows_a_body_is_none_of_the_requests_headers(proxy: Serving) -> None:
    """A trailer must not say what the gate has looked at already: here, in whose shape an error is wanted."""
    head = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(head + b"2\r\n{}\r\n0\r\nanthropic-version: 2023-06-01\r\n\r\n")
        answer = answer_on(connection)
    assert orjson.loads(answer.partition(b"\r\n\r\n")[2]).keys() == {"error"}


def test_requests_that_nobody_reads_answers_to_wait_outside(proxy: Serving) -> None:
    before = proxy.memory_mb()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=0.3) as connection:
        sent = 0
        with suppress(TimeoutError):
            while sent < 64 * 2**20:
                sent += connection.send(HEALTH * 1000)
        assert sent < 64 * 2**20
        assert proxy.memory_mb() < before + 40
    assert proxy.ask().status_code == 200


def test_thousands_of_requests_in_one_go_are_all_answered_in_order(proxy: Serving) -> None:
    times = 4000  # far more than a head may weigh
    assert len(HEALTH) * times > 2 * MAX_HEAD
    last = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as connection:
        connection.sendall(HEALTH * times + last)
        answer = answer_on(connection)
    assert answer.count(b"HTTP/1.1 200 ") == times
    assert b"HTTP/1.1 404 " in answer[-1000:]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", id="both lengths"),
        pytest.param(b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", id="both, the other way round"),
        pytest.param(b"Transfer-Encoding: xchunked\r\n", id="an unknown encoding"),
        pytest.param(b"Transfer-Encoding : chunked\r\n", id="a space before the colon"),
        pytest.param(b"Content-Length: 0\r\nContent-Length: 9\r\n", id="two lengths"),
        pytest.param(b"Content-Length: 0, 9\r\n", id="a list of lengths"),
        pytest.param(b"Content-Length: +0\r\n", id="a signed length"),
        pytest.param(b"X: a\r\n Content-Length: 9\r\n", id="a folded line"),
        pytest.param(b"X: a\nContent-Length: 9\r\n", id="a bare line feed"),
        pytest.param(b"X: a\rContent-Length: 9\r\n", id="a bare carriage return"),
    ],
)
def test_no_second_request_is_smuggled_behind_a_first(proxy: Serving, headers: bytes) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(POST + headers + b"\r\n0\r\n\r\n" + HEALTH)
        answer = answer_on(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_a_million_fields_are_refused_before_they_are_looked_at(own_proxy: Proxy) -> None:
    fields = {f"field{number}": 1 for number in range(200_000)}
    answer = post(own_proxy, chat("hi", **fields))
    assert answer.status_code == 400
    assert "200,002 fields" in answer.json()["error"]["message"]


NUMBERS = ["1e400", "9" * 5000, "-" + "9" * 5000, "1e-400", "9" * 30]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("field", ["max_tokens", "temperature", "seed"])
def test_a_number_beyond_all_bounds_is_passed_on_or_refused(own_proxy: Proxy, field: str, number: str) -> None:
    body = b'{"model":"gpt-5.4-mini","messages":[{"role":"user","content":"hi"}],"%b":%b}'
    assert post(own_proxy, body % (field.encode(), number.encode())).status_code in (200, 400)
