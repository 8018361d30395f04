"""Reading a body on a real socket: its two limits, and which of them is told."""

import socket
from collections.abc import Callable

import pytest

from poe_proxy.web import body
from tests.running import Proxy

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
