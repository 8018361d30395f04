"""RATE_LIMIT on real sockets: who is counted, what an answer tells of it, and what the SDK makes of it."""

from collections.abc import Callable

import openai
import pytest

from tests.running import Proxy
from tests.talk import chat, frames, open_stream, post

StartProxy = Callable[..., Proxy]
ADA, BOB = "adas-key-0123456789", "bobs-key-0123456789"


def statuses(proxy: Proxy, times: int, **headers: str) -> list[int]:
    return [post(proxy, chat("hi"), **headers).status_code for _ in range(times)]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_the_request_beyond_the_limit_is_429_in_openais_shape(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RATE_LIMIT="2/minute")
    assert statuses(proxy, 2) == [200, 200]
    refused = post(proxy, chat("hi"))
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("rate_limit_error", "rate_limit_exceeded", None)
    assert "RATE_LIMIT" in error["message"]
    assert 58 <= int(refused.headers["retry-after"]) <= 60


def test_every_answer_tells_how_one_stands(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RATE_LIMIT="2/hour")
    told = [post(proxy, chat("hi")).headers for _ in range(3)]
    assert [answer["x-ratelimit-limit-requests"] for answer in told] == ["2", "2", "2"]
    assert [answer["x-ratelimit-remaining-requests"] for answer in told] == ["1", "0", "0"]
    assert all(3590 <= int(answer["x-ratelimit-reset-requests"]) <= 3600 for answer in told)
    assert told[2]["retry-after"] == told[2]["x-ratelimit-reset-requests"]


def test_a_stream_tells_it_too(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RATE_LIMIT="5/minute")
    with open_stream(proxy, chat("hi")) as response:
        assert response.headers["x-ratelimit-remaining-requests"] == "4"
        assert frames(response)[-1] == "[DONE]"


def test_the_sdk_raises_rate_limit_error(start_proxy: StartProxy) -> None:
    with start_proxy(RATE_LIMIT="1/minute").openai() as client:
        client.chat.completions.create(**chat("hi"))
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(**chat("hi"))
    assert refused.value.code == "rate_limit_exceeded"


def test_the_sdk_heeds_retry_after_and_gets_its_answer(start_proxy: StartProxy) -> None:
    with start_proxy(RATE_LIMIT="1/second").openai(max_retries=1) as client:
        for _ in range(2):
            assert client.chat.completions.create(**chat("hi")).choices[0].message.content


def test_only_model_calls_count(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RATE_LIMIT="1/minute")
    with proxy.openai() as client:
        for _ in range(5):
            assert client.models.list().data
    assert statuses(proxy, 2) == [200, 429]
    with proxy.openai() as client:
        assert client.models.list().data


def test_both_spellings_of_the_path_are_one(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RATE_LIMIT="1/minute")
    assert post(proxy, chat("hi"), "/chat/completions").status_code == 200
    assert post(proxy, chat("hi")).status_code == 429


def test_what_is_no_good_request_counts_all_the_same(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RATE_LIMIT="1/minute")
    assert post(proxy, b"{").status_code == 400
    assert post(proxy, chat("hi")).status_code == 429


def test_strangers_without_a_key_count_for_nobody(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RATE_LIMIT="1/minute", PROXY_API_KEY=ADA)
    assert statuses(proxy, 3) == [401, 401, 401]
    assert statuses(proxy, 2, **bearer(ADA)) == [200, 429]


def test_every_key_has_its_limit_from_wherever_it_calls(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RATE_LIMIT="1/minute", PROXY_API_KEY=f"{ADA},{BOB}", TRUSTED_PROXIES="127.0.0.1")
    assert statuses(proxy, 1, **bearer(ADA), **{"x-forwarded-for": "198.51.100.1"}) == [200]
    refused = post(proxy, chat("hi"), **{"x-api-key": ADA, "x-forwarded-for": "198.51.100.2"})
    assert refused.status_code == 429
    assert "This key" in refused.json()["error"]["message"]
    assert statuses(proxy, 1, **bearer(BOB), **{"x-forwarded-for": "198.51.100.2"}) == [200]


def test_every_address_has_its_limit_whatever_its_key(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RATE_LIMIT="1/minute", PROXY_API_KEY=f"{ADA},{BOB}")
    assert statuses(proxy, 1, **bearer(ADA)) == [200]
    refused = post(proxy, chat("hi"), **bearer(BOB))
    assert refused.status_code == 429
    assert "This address" in refused.json()["error"]["message"]


def test_any_word_for_a_key_is_one_caller_where_no_key_is_asked_for(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RATE_LIMIT="1/minute")
    assert statuses(proxy, 1, **bearer(ADA)) == [200]
    assert statuses(proxy, 1, **bearer(BOB)) == [429]


def test_a_forwarded_address_counts_only_behind_a_trusted_proxy(start_proxy: StartProxy) -> None:
    behind = start_proxy(RATE_LIMIT="1/minute", TRUSTED_PROXIES="127.0.0.0/8")
    for address in ("198.51.100.1", "198.51.100.2"):
        assert statuses(behind, 2, **{"x-forwarded-for": address}) == [200, 429]


def test_nobody_gets_a_new_limit_by_making_up_addresses(start_proxy: StartProxy) -> None:
    """The server of these tests believes X-Forwarded-For by itself, as ``uvicorn proxy:app`` does."""
    alone = start_proxy(RATE_LIMIT="1/minute")
    assert statuses(alone, 1, **{"x-forwarded-for": "198.51.100.1"}) == [200]
    assert statuses(alone, 1, **{"x-forwarded-for": "198.51.100.2"}) == [429]
    assert statuses(alone, 1) == [429]


@pytest.mark.parametrize("off", ["0", "0/minute"])
def test_0_is_no_limit_and_tells_nothing(start_proxy: StartProxy, off: str) -> None:
    proxy = start_proxy(RATE_LIMIT=off)
    answer = post(proxy, chat("hi"))
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]


def test_web_pages_that_may_call_can_read_how_they_stand(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RATE_LIMIT="1/minute", CORS_ORIGINS="https://app.example")
    page = {"origin": "https://app.example"}
    assert "x-ratelimit-remaining-requests" in post(proxy, chat("hi"), **page).headers["access-control-expose-headers"]
    refused = post(proxy, chat("hi"), **page)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (429, "https://app.example")


def test_what_poe_says_of_its_own_limit_is_not_passed_on(start_proxy: StartProxy) -> None:
    """Poe's 500 a minute are our business; a caller's are those of RATE_LIMIT."""
    assert post(start_proxy(RATE_LIMIT="7/minute"), chat("hi")).headers["x-ratelimit-limit-requests"] == "7"
