"""REDIS_URL: proxies that share one Redis share one limit; a Redis that fails or hangs takes nobody down."""

import signal
from collections.abc import Callable

import httpx
import structlog

import poe_sim
from poe_sim import KEYS
from tests.running import Proxy, eventually
from tests.services import RedisServer
from tests.talk import arrived, chat, post

StartProxy = Callable[..., Proxy]
KEY = "a-callers-key-0123456789"


def statuses(proxy: Proxy, times: int) -> list[int]:
    return [post(proxy, chat("hi")).status_code for _ in range(times)]


def limits_of(proxy: Proxy) -> str:
    ready = httpx.get(f"{proxy.url}/ready", trust_env=False)
    return str(ready.json()["limits"])


def shared_again(proxy: Proxy) -> bool:
    return limits_of(proxy) == "shared through Redis"


def test_two_proxies_share_one_limit(start_proxy: StartProxy, redis: RedisServer) -> None:
    one, other = (start_proxy(REDIS_URL=redis.url, RATE_LIMIT="3/hour") for _ in range(2))
    assert [*statuses(one, 2), *statuses(other, 2), *statuses(one, 1)] == [200, 200, 200, 429, 429]
    refused = post(other, chat("hi"))
    assert 3590 <= int(refused.headers["retry-after"]) <= 3600
    assert refused.headers["x-ratelimit-limit-requests"] == "3"


def test_what_is_left_is_told_across_them(start_proxy: StartProxy, redis: RedisServer) -> None:
    one, other = (start_proxy(REDIS_URL=redis.url, RATE_LIMIT="3/minute") for _ in range(2))
    left = [post(proxy, chat("hi")).headers["x-ratelimit-remaining-requests"] for proxy in (one, other, one, other)]
    assert left == ["2", "1", "0", "0"]


def test_the_calls_to_poe_are_shared_too(
    start_proxy: StartProxy, redis: RedisServer, own_poe: poe_sim.SimServer
) -> None:
    one, other = (start_proxy(own_poe.base_url, REDIS_URL=redis.url, UPSTREAM_RPM=3) for _ in range(2))
    assert [*statuses(one, 2), *statuses(other, 2), *statuses(one, 1)] == [200, 200, 200, 429, 429]
    assert len(arrived(own_poe)) == 3
    assert 50 <= int(post(other, chat("hi")).headers["retry-after"]) <= 60


def test_another_poe_key_has_calls_of_its_own(
    start_proxy: StartProxy, redis: RedisServer, own_poe: poe_sim.SimServer
) -> None:
    for key in KEYS[:2]:
        proxy = start_proxy(own_poe.base_url, REDIS_URL=redis.url, UPSTREAM_RPM=1, POE_API_KEY=key)
        assert statuses(proxy, 2) == [200, 429]


def test_redis_learns_no_key(start_proxy: StartProxy, redis: RedisServer) -> None:
    proxy = start_proxy(RATE_LIMIT="100/minute", REDIS_URL=redis.url, PROXY_API_KEY=KEY)
    assert post(proxy, chat("hi"), **{"x-api-key": KEY}).status_code == 200
    kept = redis.say("KEYS", "*").decode()
    assert "poe-proxy" in kept
    assert KEY not in kept
    assert KEYS[0] not in kept


def test_a_redis_that_is_killed_is_done_without_and_taken_up_again(start_proxy: StartProxy, redis: RedisServer) -> None:
    proxy = start_proxy(REDIS_URL=redis.url, RATE_LIMIT="100/minute")
    assert statuses(proxy, 1) == [200]
    assert limits_of(proxy) == "shared through Redis"
    redis.kill()
    assert statuses(proxy, 5) == [200] * 5
    assert limits_of(proxy).startswith("counted here: no Redis (ConnectionError")
    redis.start()
    eventually(lambda: shared_again(proxy))
    assert statuses(proxy, 2) == [200, 200]
    assert redis.say("KEYS", "*address*") != b"*0\r\n"


def test_losing_and_finding_it_is_one_line_each(start_proxy: StartProxy, redis: RedisServer) -> None:
    with structlog.testing.capture_logs() as lines:
        proxy = start_proxy(RATE_LIMIT="100/minute", REDIS_URL=redis.url)
        redis.kill()
        assert statuses(proxy, 5) == [200] * 5
        redis.start()
        eventually(lambda: shared_again(proxy))
    assert [line["event"] for line in lines if "Redis" in line["event"]] == [
        "Redis does not answer: until it does, limits are counted here",
        "Redis answers again: limits are shared again",
    ]


def test_the_limit_holds_without_redis(start_proxy: StartProxy, redis: RedisServer) -> None:
    proxy = start_proxy(REDIS_URL=redis.url, RATE_LIMIT="2/minute", UPSTREAM_RPM=10)
    redis.kill()
    assert statuses(proxy, 3) == [200, 200, 429]


def test_a_redis_that_hangs_holds_one_request_up_for_a_moment_and_no_more(
    start_proxy: StartProxy, redis: RedisServer
) -> None:
    proxy = start_proxy(RATE_LIMIT="100/minute", REDIS_URL=redis.url)
    assert statuses(proxy, 1) == [200]
    redis.send(signal.SIGSTOP)
    try:
        assert statuses(proxy, 5) == [200] * 5
        assert "no Redis (TimeoutError)" in limits_of(proxy)
    finally:
        redis.send(signal.SIGCONT)
    eventually(lambda: shared_again(proxy))


def test_a_start_without_redis_is_a_start_all_the_same(start_proxy: StartProxy) -> None:
    proxy = start_proxy(REDIS_URL=poe_sim.refused_url().replace("http", "redis"), RATE_LIMIT="2/minute")
    assert statuses(proxy, 3) == [200, 200, 429]
    assert "no Redis (ConnectionError)" in limits_of(proxy)


def test_a_redis_that_is_full_counts_as_none(start_proxy: StartProxy, redis: RedisServer) -> None:
    """It would answer a ping, but it counts nothing."""
    proxy = start_proxy(REDIS_URL=redis.url, RATE_LIMIT="2/minute")
    redis.say("CONFIG", "SET", "maxmemory", "1")
    assert statuses(proxy, 3) == [200, 200, 429]
    assert "no Redis" in limits_of(proxy)
    redis.say("CONFIG", "SET", "maxmemory", "0")
    eventually(lambda: shared_again(proxy))


def test_a_redis_whose_password_is_wrong_counts_as_none_and_no_line_holds_it(
    start_proxy: StartProxy, redis: RedisServer
) -> None:
    redis.kill()
    redis.start("--requirepass", "right-and-secret")
    with structlog.testing.capture_logs() as lines:
        proxy = start_proxy(
            RATE_LIMIT="100/minute", REDIS_URL=redis.url.replace("redis://", "redis://:wrong-and-secret@")
        )
        assert statuses(proxy, 1) == [200]
        eventually(lambda: "no Redis" in limits_of(proxy))
    assert "secret" not in f"{lines}{limits_of(proxy)}"


def test_an_option_that_redis_does_not_know_takes_nobody_down(start_proxy: StartProxy) -> None:
    proxy = start_proxy(REDIS_URL="redis://localhost/0?no_such_option=1", RATE_LIMIT="100/minute")
    assert statuses(proxy, 2) == [200, 200]
    assert "no Redis (TypeError)" in limits_of(proxy)
