"""The end of ``python proxy.py`` and ``uvicorn proxy:app``: what is under way is finished, or told; nobody is cut."""

import signal
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from poe_sim import SimServer
from tests.commands import PROXY, UVICORN, in_front_of, started
from tests.serving import TWO_WORKERS, serving
from tests.talk import chat


def test_ctrl_c_ends_it_quietly(poe: SimServer, tmp_path: Path) -> None:
    with serving(PROXY, tmp_path, **in_front_of(poe.base_url)) as proxy:
        assert proxy.ask("hello").status_code == 200
        proxy.command.send(signal.SIGINT)
        ended = proxy.command.end()
    assert ended.code == 0
    assert "Traceback" not in ended.said


def test_a_signal_during_the_start_ends_it_too(tmp_path: Path) -> None:
    with started((*PROXY, "serve", "--demo-without-key", "--port", "0"), tmp_path) as command:
        command.wait_for_words("(No Poe key)")
        command.send(signal.SIGTERM)
        ended = command.end()
    assert ended.code == 0
    assert "Traceback" not in ended.said


def test_a_stream_that_fits_into_the_grace_is_finished_while_nobody_else_is_let_in(
    poe: SimServer, tmp_path: Path
) -> None:
    with (
        serving(PROXY, tmp_path, **in_front_of(poe.base_url)) as proxy,
        proxy.stream("[[sim:long tokens=20 rate=20]]") as stream,
    ):
        stream.wait_for_text()
        proxy.command.send(signal.SIGTERM)
        proxy.command.wait_until_nobody_listens(proxy.url)
        rest = stream.rest()
        assert proxy.command.end().code == 0
    assert '"finish_reason":"stop"' in rest[-2]
    assert rest[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(PROXY, 0, id="python proxy.py"),
        pytest.param((*PROXY, *TWO_WORKERS), 0, id="python proxy.py --workers 2"),
        pytest.param(UVICORN, -signal.SIGTERM, id="uvicorn proxy:app"),
    ],
)
def test_a_stream_beyond_the_grace_ends_with_an_error_event_and_not_with_a_cut(
    words: Sequence[str], code: int, poe: SimServer, tmp_path: Path
) -> None:
    with (
        serving(words, tmp_path, **in_front_of(poe.base_url, SHUTDOWN_GRACE_S=0.3)) as proxy,
        proxy.stream("[[sim:long tokens=2000 rate=20]]") as stream,
    ):
        stream.wait_for_text()
        proxy.command.send(signal.SIGTERM)
        error = next(data for data in stream.rest() if data.startswith('{"error"'))
        ended = proxy.command.end()
    assert "shutting down" in orjson.loads(error)["error"]["message"]
    assert ended.code == code
    assert "Traceback" not in ended.said


def test_an_answer_beyond_the_grace_ends_with_503(own_poe: SimServer, tmp_path: Path) -> None:
    with (
        serving(PROXY, tmp_path, **in_front_of(own_poe.base_url, SHUTDOWN_GRACE_S=0.3)) as proxy,
        ThreadPoolExecutor(1) as other,
    ):
        asked = other.submit(proxy.ask, "[[sim:fault slow_headers seconds=60]]")
        own_poe.wait_for(lambda poe: [record for record in poe.log.records if record.path == "/v1/chat/completions"])
        proxy.command.send(signal.SIGTERM)
        answer = asked.result()
    assert answer.status_code == 503
    assert "shutting down" in answer.json()["error"]["message"]
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("more", [(), TWO_WORKERS])
def test_a_client_that_reads_nothing_does_not_hold_up_the_end(
    more: Sequence[str], own_poe: SimServer, tmp_path: Path
) -> None:
    """The answer is far larger than what fits into all the buffers on the way."""
    body = orjson.dumps(chat("[[sim:long tokens=100000 rate=0]]", stream=True))
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    with (
        serving((*PROXY, *more), tmp_path, **in_front_of(own_poe.base_url, SHUTDOWN_GRACE_S=0.3)) as proxy,
        socket.socket() as client,
    ):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that the proxy is stuck at once
        client.connect(("127.0.0.1", proxy.port))
        client.sendall(head + body)
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        proxy.command.send(signal.SIGTERM)
        ended = proxy.command.end()
    assert ended.code == 0
    assert "Traceback" not in ended.said
    assert "exceeded" not in ended.said
