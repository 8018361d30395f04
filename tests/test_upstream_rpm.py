"""UPSTREAM_RPM in front of the stand-in: calls to Poe wait for their turn; who would wait too long is told at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

import poe_sim
from tests.running import Proxy, eventually
from tests.talk import arrived, chat, hanging_up, open_stream, post, queue

StartProxy = Callable[..., Proxy]


def test_a_call_that_would_wait_too_long_is_429_with_the_time_to_wait(
    start_proxy: StartProxy, own_poe: poe_sim.SimServer
) -> None:
    proxy = start_proxy(own_poe.base_url, UPSTREAM_RPM=2)
    assert [post(proxy, chat("hi")).status_code for _ in range(2)] == [200, 200]
    refused = post(proxy, chat("hi"))
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert "UPSTREAM_RPM" in refused.json()["error"]["message"]
    assert 55 <= int(refused.headers["retry-after"]) <= 60
    assert "x-poe-attempts" not in refused.headers
    assert len(arrived(own_poe)) == 2


def test_the_sdk_raises_rate_limit_error_for_a_stream_too(start_proxy: StartProxy, own_poe: poe_sim.SimServer) -> None:
    with start_proxy(own_poe.base_url, UPSTREAM_RPM=1).openai() as client:
        client.chat.completions.create(**chat("hi"))
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(**chat("hi"), stream=True)


def test_repeated_attempts_need_a_turn_each(start_proxy: StartProxy, own_poe: poe_sim.SimServer) -> None:
    proxy = start_proxy(own_poe.base_url, UPSTREAM_RPM=1)
    queue(own_poe, "503")
    assert post(proxy, chat("hi")).status_code == 429
    assert len(arrived(own_poe)) == 1


def test_when_poe_says_that_nothing_is_left_the_next_call_does_not_bother_it(
    start_proxy: StartProxy,
) -> None:
    with poe_sim.running(poe_sim.Settings(requests_per_minute=3)) as poe:
        proxy = start_proxy(poe.base_url, UPSTREAM_RPM=450, RETRY_BUDGET_S=0.5)
        eventually(lambda: proxy.house.upkeep.key.valid)  # that was one call
        answers = [post(proxy, chat("hi")).status_code for _ in range(5)]
        assert answers == [200, 200, 429, 429, 429]
        assert len(arrived(poe)) == 2  # not one of them was refused by Poe


def test_a_429_of_poes_makes_the_others_wait_their_turn(start_proxy: StartProxy) -> None:
    with poe_sim.running(poe_sim.Settings(requests_per_minute=1)) as poe:
        proxy = start_proxy(poe.base_url, UPSTREAM_RPM=450, RETRY_BUDGET_S=0.5)
        eventually(lambda: proxy.house.upkeep.key.valid)  # that was the one call
        assert [post(proxy, chat("hi")).status_code for _ in range(3)] == [429, 429, 429]
        assert len(arrived(poe)) == 1


def test_a_models_own_429_holds_nobody_else_up(start_proxy: StartProxy, own_poe: poe_sim.SimServer) -> None:
    proxy = start_proxy(own_poe.base_url, UPSTREAM_RPM=450, RETRY_BUDGET_S=0.5)
    refused = post(proxy, chat("hi [[sim:fault 429 retry_after=30]]"))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert post(proxy, chat("hi")).status_code == 200


def test_waiting_calls_go_when_poe_is_ready_again(start_proxy: StartProxy, own_poe: poe_sim.SimServer) -> None:
    proxy = start_proxy(own_poe.base_url, UPSTREAM_RPM=450)
    turns = proxy.house.exchange.turns
    held = threading.Event()
    proxy.call_soon(turns.heard, 0.0, 429, {"retry-after": "2"})
    proxy.call_soon(held.set)
    held.wait(10)
    with ThreadPoolExecutor(5) as others:
        asked = []
        for number in range(5):
            asked.append(others.submit(post, proxy, chat(f"number {number}")))
            eventually(lambda number=number: len(turns.waiting) > number)  # type: ignore[misc]
        assert arrived(own_poe) == []
        assert [answer.result().status_code for answer in asked] == [200] * 5
    texts = [request["body"]["messages"][0]["content"] for request in arrived(own_poe)]
    assert sorted(texts) == [f"number {number}" for number in range(5)]  # each on a connection of its own


def test_a_client_that_leaves_gives_its_place_up_at_once(start_proxy: StartProxy, own_poe: poe_sim.SimServer) -> None:
    proxy = start_proxy(own_poe.base_url, UPSTREAM_RPM=1, RETRY_BUDGET_S=600)
    assert post(proxy, chat("hi")).status_code == 200
    turns = proxy.house.exchange.turns
    with hanging_up(proxy, chat("never answered")):
        eventually(lambda: len(turns.waiting) == 1)
    eventually(lambda: len(turns.waiting) == 0)
    assert len(arrived(own_poe)) == 1


def test_a_stream_that_waits_for_its_turn_gets_its_status_line_in_time(
    start_proxy: StartProxy, own_poe: poe_sim.SimServer
) -> None:
    proxy = start_proxy(own_poe.base_url, UPSTREAM_RPM=1, RETRY_BUDGET_S=600, FIRST_EVENT_S=0.1)
    assert post(proxy, chat("hi")).status_code == 200
    with open_stream(proxy, chat("hi")) as response:
        assert response.status_code == 200
        assert "x-poe-attempts" not in response.headers


def test_0_is_no_limit(start_proxy: StartProxy, own_poe: poe_sim.SimServer) -> None:
    proxy = start_proxy(own_poe.base_url, UPSTREAM_RPM=0)
    assert [post(proxy, chat("hi")).status_code for _ in range(5)] == [200] * 5
