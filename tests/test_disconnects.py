"""A client that leaves ends the call to Poe, whatever it waits for; the proxy's own end lets answers finish."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

import poe_sim
from poe_proxy.canonical.errors import StreamBroken
from poe_proxy.canonical.events import Event, Failed, Started, Text
from poe_proxy.canonical.report import Report
from poe_proxy.exchange import Exchange
from poe_proxy.observe import log
from tests.running import Proxy, eventually
from tests.talk import arrived, chat, frames, hanging_up, open_stream, post

StartProxy = Callable[..., Proxy]


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[Report]:
    """What the proxies of this test tell of finished requests."""
    told: list[Report] = []
    monkeypatch.setattr(log, "write", told.append)
    return told


def hung_up_on(poe: poe_sim.SimServer) -> bool:
    return any(request["disconnected_at"] for request in arrived(poe))


@pytest.mark.parametrize(
    ("fault", "stream"),
    [
        pytest.param("slow_headers seconds=60", True, id="waiting for the first event"),
        pytest.param("slow_headers seconds=60", False, id="waiting for a whole answer"),
        pytest.param("slow_first seconds=60", True, id="after Poe's status line"),
        pytest.param("stall after=3 seconds=60", True, id="in the middle of a stream"),
    ],
)
def test_poes_connection_is_closed_when_the_client_leaves(
    own_poe: poe_sim.SimServer, own_proxy: Proxy, reports: list[Report], fault: str, stream: bool
) -> None:
    with hanging_up(own_proxy, chat(f"[[sim:fault {fault}]] one two three four", stream=stream)):
        eventually(lambda: arrived(own_poe))
    eventually(lambda: hung_up_on(own_poe))
    assert eventually(lambda: reports)[0].outcome == "client_left"


def test_a_client_that_leaves_in_back_off_ends_the_tries(
    own_poe: poe_sim.SimServer, own_proxy: Proxy, reports: list[Report]
) -> None:
    with hanging_up(own_proxy, chat("[[sim:fault 429 retry_after=15]] hi")):
        eventually(lambda: arrived(own_poe))
    assert eventually(lambda: reports)[0].outcome == "client_left"
    assert len(arrived(own_poe)) == 1


def test_a_client_that_leaves_while_waiting_for_a_connection_is_not_sent_to_poe(
    own_poe: poe_sim.SimServer, start_proxy: StartProxy, reports: list[Report]
) -> None:
    proxy = start_proxy(own_poe.base_url, POE_CONNECTIONS=1)
    with hanging_up(proxy, chat("[[sim:fault slow_headers seconds=60]] first")):
        eventually(lambda: any("first" in str(request["body"]) for request in arrived(own_poe)))
        with hanging_up(proxy, chat("another")):
            eventually(lambda: "poe_proxy_requests_running 3.0" in running(proxy))
        eventually(lambda: reports)
    eventually(lambda: len(reports) == 2)
    assert {report.outcome for report in reports} == {"client_left"}
    assert not any("another" in str(request["body"]) for request in arrived(own_poe))


def test_a_client_that_leaves_because_its_answer_failed_was_cut_off(
    own_proxy: Proxy, reports: list[Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> AsyncIterator[list[Event]]:
        yield [Started("id", 1, "model"), Text("hello"), Failed(StreamBroken("it broke"))]
        await asyncio.Event().wait()  # as when the call to Poe takes its time to close

    monkeypatch.setattr(Exchange, "events", fails)
    with hanging_up(own_proxy, chat("hi", stream=True)) as connection:
        said = b""
        while b'"stream_broken"' not in said:
            said += connection.recv(10_000)
    assert eventually(lambda: reports)[0].outcome == "cut"


def running(proxy: Proxy) -> str:
    return httpx.get(f"{proxy.url}/metrics", trust_env=False).text


def test_a_client_that_leaves_before_its_body_is_whole_costs_nothing(
    own_poe: poe_sim.SimServer, own_proxy: Proxy, reports: list[Report]
) -> None:
    with socket.create_connection(("127.0.0.1", own_proxy.port)) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    assert eventually(lambda: reports)[0].outcome == "client_left"
    assert arrived(own_poe) == []


def test_nothing_is_left_behind_by_clients_that_leave(own_poe: poe_sim.SimServer, own_proxy: Proxy) -> None:
    async def count() -> int:
        return len(asyncio.all_tasks())

    def tasks() -> int:
        assert own_proxy.server.loop is not None
        return asyncio.run_coroutine_threadsafe(count(), own_proxy.server.loop).result()

    post(own_proxy, chat("warm up"))
    before = tasks()
    for _ in range(5):
        with hanging_up(own_proxy, chat("[[sim:fault stall after=2 seconds=60]] one two", stream=True)) as connection:
            connection.recv(100)
    eventually(lambda: tasks() <= before)
    eventually(lambda: len([r for r in arrived(own_poe) if r["disconnected_at"]]) == 5)


def test_at_the_end_new_requests_are_refused_and_running_streams_finish(
    own_poe: poe_sim.SimServer, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(own_poe.base_url, SHUTDOWN_GRACE_S=20)
    with open_stream(proxy, chat("[[sim:fault stall after=2 seconds=0.3]] one two three")) as response:
        proxy.call_soon(proxy.house.closing.begin)
        eventually(lambda: proxy.house.closing.begun)
        refused = post(proxy, chat("late"))
        said = frames(response)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "shutting_down")
    assert said[-1] == "[DONE]"


def test_after_the_grace_period_a_stream_ends_with_an_error_event_and_an_answer_with_503(
    own_poe: poe_sim.SimServer, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(own_poe.base_url, SHUTDOWN_GRACE_S=0)
    with open_stream(proxy, chat("[[sim:fault stall after=2 seconds=60]] one two three")) as response:
        proxy.call_soon(proxy.house.closing.begin)
        said = frames(response)
    assert said[-1]["error"]["code"] == "shutting_down"
    assert "[DONE]" not in said
    eventually(lambda: hung_up_on(own_poe))


def test_after_the_grace_period_a_whole_answer_is_503(own_poe: poe_sim.SimServer, start_proxy: StartProxy) -> None:
    proxy = start_proxy(own_poe.base_url, SHUTDOWN_GRACE_S=0)
    with hanging_up(proxy, chat("[[sim:fault slow_headers seconds=60]] hi")) as connection:
        eventually(lambda: arrived(own_poe))
        proxy.call_soon(proxy.house.closing.begin)
        assert connection.recv(100).startswith(b"HTTP/1.1 503")
