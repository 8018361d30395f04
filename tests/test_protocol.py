"""What is no request, comes too slowly, or is never read: on raw sockets, with uvicorn as `python proxy.py` runs it."""

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
import pytest
import uvicorn

from poe_proxy.canonical.report import Report
from poe_proxy.observe import log
from poe_proxy.web.protocol import MAX_HEAD, Protocol
from tests.running import eventually

_PATIENCE_S = 10
HOST = b"Host: localhost\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST


@dataclass
class App:
    """At /endless it never stops answering, at /held it waits until it is let go; elsewhere it reads and says ok."""

    asked: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        path = scope["path"]
        self.asked.append(path)
        if path == "/held":
            await asyncio.get_running_loop().run_in_executor(None, self.let_go.wait, _PATIENCE_S)
        left = path != "/endless" and await self._left_while_reading(receive)
        if not left:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(10_000 if path == "/endless" else 0):
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            await send({"type": "http.response.body", "body": b"ok", "more_body": False})
        self.ended.append("left" if left else path)

    async def _left_while_reading(self, receive: Any) -> bool:
        while (message := await receive())["type"] == "http.request":
            if not message["more_body"]:
                return False
        return True


@dataclass
class Serving:
    app: App
    server: uvicorn.Server
    thread: threading.Thread
    port: int

    @contextmanager
    def call(self, data: bytes = b"") -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE_S) as connection:
            connection.sendall(data)
            yield connection

    def ask(self, data: bytes) -> bytes:
        """All that comes back until the server closes, while we never do."""
        with self.call(data) as connection:
            return rest_of(connection)


def rest_of(connection: socket.socket) -> bytes:
    return b"".join(iter(partial(connection.recv, 65536), b""))


@contextmanager
def serving(head_timeout_s: float = 60, shutdown_s: float = 60) -> Iterator[Serving]:
    app = App()
    http: Any = partial(Protocol, head_timeout_s=head_timeout_s, shutdown_s=shutdown_s)
    config = uvicorn.Config(app, http=http, lifespan="off", log_config=None, access_log=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        eventually(lambda: server.started)
        try:
            yield Serving(app, server, thread, listener.getsockname()[1])
        finally:
            app.let_go.set()
            server.force_exit = server.should_exit = True
            thread.join(_PATIENCE_S)


@pytest.fixture(scope="module")
def patient() -> Iterator[Serving]:
    with serving() as server:
        yield server


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Report]:
    reports: list[Report] = []
    monkeypatch.setattr(log, "write", reports.append)
    return reports


def error_in(answer: bytes, status: int) -> dict[str, Any]:
    """The error of an answer that is whole, in OpenAI's shape and has an id."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    assert re.search(rb"\r\nx-request-id: req_\w{32}(\r\n|$)", head)
    assert b"\r\ncontent-type: application/json" in head
    assert b"\r\nconnection: close" in head
    assert b"\r\ncontent-length: %d\r\n" % len(body) in head
    error: dict[str, Any] = orjson.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    return error


# --- what cannot be read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"FOO / HTTP/1.1\r\n\r\n", id="unknown method"),
        pytest.param(b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", id="unknown version"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n", id="header without colon"),
        pytest.param(b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n", id="path that is no ASCII"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: abc\r\n\r\n", id="length that is none"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", id="negative length"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", id="two lengths"),
        pytest.param(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n", id="chunk size that is none"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
    ],
)
def test_what_is_no_http_is_400_in_openais_shape_with_an_id(patient: Serving, data: bytes) -> None:
    error = error_in(patient.ask(data), 400)
    assert error["code"] == "invalid_http"
    assert error["message"].startswith("This is no HTTP request that the proxy can read: ")


def test_the_log_has_the_same_id_and_the_reason(patient: Serving, told: list[Report]) -> None:
    answer = patient.ask(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    (report,) = told
    assert report.request_id.encode() in answer
    assert (report.status, report.outcome, report.error) == (400, "error", "CallerError 400 invalid_http")
    assert report.notes == ["TLS, where plain HTTP is spoken"]


def test_a_body_that_breaks_off_in_nonsense_is_400_and_the_app_learns_that_it_is_over(patient: Serving) -> None:
    patient.app.ended.clear()
    with patient.call(b"POST /broken HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n") as connection:
        eventually(lambda: "/broken" in patient.app.asked)
        connection.sendall(b"ZZ\r\n\r\n")
        error_in(rest_of(connection), 400)
    eventually(lambda: patient.app.ended == ["left"])


def test_nothing_is_said_into_an_answer_that_is_under_way(patient: Serving) -> None:
    with patient.call(b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n") as connection:
        connection.recv(100)
        connection.sendall(b"nonsense\r\n\r\n")
        assert b"HTTP/1.1 400" not in rest_of(connection)


def test_an_upgrade_that_we_do_not_know_is_answered_as_if_it_had_not_been_asked_for(patient: Serving) -> None:
    upgrade = b"Upgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n"
    assert patient.ask(GET + upgrade).startswith(b"HTTP/1.1 200")


def test_requests_sent_one_behind_the_other_are_all_answered(patient: Serving) -> None:
    assert patient.ask(2 * (GET + b"\r\n") + GET + b"Connection: close\r\n\r\n").count(b"HTTP/1.1 200") == 3


# --- what is too much -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [MAX_HEAD + 1, 8 * MAX_HEAD])
def test_headers_beyond_the_limit_are_431(patient: Serving, size: int) -> None:
    error = error_in(patient.ask(GET + b"X-A: " + b"a" * size + b"\r\n\r\n"), 431)
    assert error["code"] == "headers_too_large"


def test_headers_without_end_are_431(patient: Serving) -> None:
    error_in(patient.ask(GET + b"X-A: " + b"a" * MAX_HEAD), 431)


def test_many_headers_in_small_pieces_are_431(patient: Serving) -> None:
    error_in(patient.ask(GET + b"X-A: b\r\n" * (MAX_HEAD // 8) + b"\r\n"), 431)


def test_headers_within_the_limit_are_not(patient: Serving) -> None:
    large = b"X-A: " + b"a" * (MAX_HEAD - 500) + b"\r\nConnection: close\r\n\r\n"
    assert patient.ask(GET + large).startswith(b"HTTP/1.1 200")


def test_a_large_body_is_no_header(patient: Serving) -> None:
    body = b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (4 * MAX_HEAD) + b"a" * (4 * MAX_HEAD)
    assert patient.ask(b"POST / HTTP/1.1\r\n" + HOST + body).startswith(b"HTTP/1.1 200")


# --- what comes too slowly --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def impatient() -> Iterator[Serving]:
    with serving(head_timeout_s=0.1) as server:
        yield server


@pytest.mark.parametrize("data", [b"", b"\r\n", b"GET", GET, GET + b"X-A: b"])
def test_headers_that_do_not_come_are_408(impatient: Serving, data: bytes) -> None:
    error = error_in(impatient.ask(data), 408)
    assert error["code"] == "headers_too_slow"
    assert "BODY_TIMEOUT_S" in error["message"]


def test_a_second_request_whose_headers_do_not_come_is_408_too(impatient: Serving) -> None:
    with impatient.call(GET + b"\r\n") as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET")
        error_in(rest_of(connection), 408)


def test_a_slow_answer_is_no_slow_request(impatient: Serving) -> None:
    """The server's clock has run out on another connection, opened later, before this answer is let go."""
    with impatient.call(b"GET /held HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n") as connection:
        eventually(lambda: "/held" in impatient.app.asked)
        error_in(impatient.ask(b""), 408)
        impatient.app.let_go.set()
        assert rest_of(connection).startswith(b"HTTP/1.1 200")


def test_a_connection_that_is_kept_alive_may_be_silent_for_longer(impatient: Serving) -> None:
    """Two waits for headers pass elsewhere in the meantime; uvicorn's own limit is 5 s here, 75 s when we serve."""
    with impatient.call(GET + b"\r\n") as connection:
        assert connection.recv(4096).endswith(b"0\r\n\r\n")
        for _ in range(2):
            error_in(impatient.ask(b""), 408)
        connection.sendall(GET + b"Connection: close\r\n\r\n")
        assert rest_of(connection).startswith(b"HTTP/1.1 200")


# --- what is never read -----------------------------------------------------------------------------------------------


def test_at_the_end_a_client_that_reads_nothing_is_cut_and_nothing_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        serving(shutdown_s=0.1) as server,
        server.call(b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n"),
    ):
        eventually(lambda: any(stuck(each) for each in tuple(server.server.server_state.connections)))
        server.server.should_exit = True
        server.thread.join(_PATIENCE_S)
        assert not server.thread.is_alive()
        assert server.app.ended == ["/endless"]
    assert "Traceback" not in caplog.text
    assert "Exception" not in caplog.text


def stuck(connection: Any) -> bool:
    return connection.flow is not None and bool(connection.flow.write_paused)
