"""Reading a body on a real socket: its two limits, and which of them is told."""

import contextlib
import socket
from collections.abc import Callable

import pytest

from poe_proxy.web import body
from tests.running import Proxy, eventually
from tests.talk import chat, post

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
LIMIT = 2**16


@pytest.fixture
def strict(start_proxy: Callable[..., Proxy], monkeypatch: pytest.MonkeyPatch) -> Proxy:
    monkeypatch.setattr(body, "_LINGER_S", 0.3)
    return start_proxy(BODY_TIMEOUT_S=0.1, MAX_BODY_MB=LIMIT / 2**20)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"Content-Length: 99999999\r\n\r\n{", id="that says so"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n20000\r\n" + b"a" * 0x20000, id="that does not say so"),
    ],
)
def test_a_body_over_the_limit_that_never_ends_is_413_and_not_408(strict: Proxy, request_: bytes) -> None:
    """We go on reading for longer than BODY_TIMEOUT_S, and that is not the body's fault to be told."""
    with socket.create_connection(("127.0.0.1", strict.port), timeout=30) as connection:
        connection.sendall(HEAD + request_)
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


@pytest.fixture
def narrow(start_proxy: Callable[..., Proxy], monkeypatch: pytest.MonkeyPatch) -> Proxy:
    monkeypatch.setattr(body, "_LINGER_S", 0.3)
    return start_proxy(MAX_BODY_MB=LIMIT / 2**20)


def test_bodies_of_many_requests_take_no_more_than_sixteen_of_the_largest_together(narrow: Proxy) -> None:
    """Each of them comes to within a byte of its end and waits there; the one too many can come again."""
    unfinished = b"Content-Length: %d\r\n\r\n" % LIMIT + b" " * (LIMIT - 1)
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", narrow.port), timeout=30))
            connection.sendall(HEAD + unfinished)
        eventually(lambda: narrow.house.limits.room.left == 16)
        refused = post(narrow, chat("hello " * 10))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_much_at_once")
        assert refused.headers["retry-after"] == "1"
        assert post(narrow, b"{}").status_code == 400
    eventually(lambda: narrow.house.limits.room.left == 16 * LIMIT)
    assert post(narrow, chat("hello")).status_code == 200
