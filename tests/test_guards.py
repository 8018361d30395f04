"""The guards through proxy and stand-in: what a caller gets instead, and a usage API that fails or lies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

import poe_sim
from tests.running import Proxy, eventually, running_proxy
from tests.talk import arrived, chat, frames, open_stream, post, queue

StartProxy = Callable[..., Proxy]
MODEL = "gpt-5.4-mini"
BALANCE = "/usage/current_balance"


@contextmanager
def with_points(points: int, folder: Path, **settings: object) -> Iterator[tuple[Proxy, poe_sim.SimServer]]:
    """A proxy that knows how many points its account has."""
    with (
        poe_sim.running(poe_sim.Settings(balance=points)) as poe,
        running_proxy(poe.base_url, folder, **{"POINTS_CUTOFF": 100_000, **settings}) as it,
    ):
        eventually(lambda: it.house.upkeep.balance is not None)
        yield it, poe


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, poe_sim.SimServer]]:
    with with_points(99_999, tmp_path_factory.mktemp("data")) as both:
        yield both


def ready(proxy: Proxy) -> Any:
    answer = httpx.get(f"{proxy.url}/ready", trust_env=False)
    return {**answer.json(), "status": answer.status_code}


# --- POINTS_CUTOFF ----------------------------------------------------------------------------------------------------


def test_below_the_cutoff_a_whole_answer_says_so_and_no_model_is_asked(poor: tuple[Proxy, poe_sim.SimServer]) -> None:
    proxy, poe = poor
    with proxy.openai() as sdk:
        answer = sdk.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}])
    assert (answer.choices[0].message.content or "").startswith("Paused: 99,999 Poe points are left")
    assert (answer.choices[0].finish_reason, answer.choices[0].message.role) == ("stop", "assistant")
    assert answer.model == MODEL
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (0, 0)
    assert arrived(poe) == []


def test_below_the_cutoff_a_stream_says_so_too(poor: tuple[Proxy, poe_sim.SimServer]) -> None:
    proxy, poe = poor
    with proxy.openai() as sdk:
        stream = sdk.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices).startswith("Paused: ")
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 0
    assert arrived(poe) == []


def test_a_paused_stream_is_an_event_stream_with_its_end(poor: tuple[Proxy, poe_sim.SimServer]) -> None:
    with open_stream(poor[0], chat("hello")) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert frames(response)[-1] == "[DONE]"


def test_what_is_wrong_with_a_request_is_told_first(poor: tuple[Proxy, poe_sim.SimServer]) -> None:
    assert post(poor[0], chat("hello", model="no-such-model-at-all")).status_code == 404
    assert post(poor[0], {"model": MODEL, "messages": []}).status_code == 400


def test_everything_else_is_served(poor: tuple[Proxy, poe_sim.SimServer]) -> None:
    assert httpx.get(f"{poor[0].url}/v1/models", trust_env=False).status_code == 200
    assert ready(poor[0])["balance"] == "99,999 points"


@pytest.mark.parametrize(("points", "cutoff"), [(99_999, 0), (100_000, 100_000), (99_999, 99_000)])
def test_at_the_cutoff_or_without_one_models_are_asked(tmp_path: Path, points: int, cutoff: int) -> None:
    with with_points(points, tmp_path, POINTS_CUTOFF=cutoff) as (proxy, _):
        assert post(proxy, chat("hello")).json()["choices"][0]["message"]["content"] == "You said: hello"


def test_what_is_spent_counts_before_poe_is_asked_again(tmp_path: Path) -> None:
    with with_points(100_001, tmp_path) as (proxy, _):
        said = [post(proxy, chat("hello")).json()["choices"][0]["message"]["content"] for _ in range(2)]
    assert said[0] == "You said: hello"
    assert said[1].startswith("Paused: ")


# --- MAX_POINTS_PER_MESSAGE -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_what_would_be_too_expensive_is_refused_before_it_is_sent(
    own_poe: poe_sim.SimServer, start_proxy: StartProxy, stream: bool
) -> None:
    proxy = start_proxy(own_poe.base_url, MAX_POINTS_PER_MESSAGE=1000)
    with proxy.openai() as sdk, pytest.raises(openai.APIStatusError) as refused:
        sdk.chat.completions.create(
            model="claude-opus-4.6", messages=[{"role": "user", "content": "word " * 20_000}], stream=stream
        )
    assert refused.value.status_code == 402
    assert refused.value.code == "max_points_per_message"
    assert "1,000" in refused.value.message
    assert "gpt-5-nano (about " in refused.value.message
    assert arrived(own_poe) == []


def test_what_is_cheap_enough_or_has_no_price_is_sent(own_poe: poe_sim.SimServer, start_proxy: StartProxy) -> None:
    proxy = start_proxy(own_poe.base_url, MAX_POINTS_PER_MESSAGE=50)
    assert post(proxy, chat("hello")).status_code == 200
    assert post(proxy, chat("word " * 20_000, model="qwen3.5-plus")).status_code == 200
    assert post(proxy, chat("hello", max_tokens=1000)).status_code == 402


# --- a usage API that cannot be trusted -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        "500",
        "429",
        "502html",
        "html_200",
        "error_200",
        "closed",
        "reset",
        "bad_http",
        "cut after=1",
        "slow_headers seconds=60",
        "slow_first seconds=60",
    ],
)
def test_a_usage_api_that_fails_never_keeps_anybody_from_chatting(
    own_poe: poe_sim.SimServer, start_proxy: StartProxy, fault: str
) -> None:
    queue(own_poe, fault, times=1000, path=BALANCE)
    proxy = start_proxy(own_poe.base_url, FOOTER="auto", FOOTER_WAIT_S=0, POINTS_CUTOFF=10**9)
    answer = post(proxy, chat("hello"))
    assert answer.status_code == 200
    said = answer.json()["choices"][0]["message"]["content"]
    assert said.startswith("You said: hello\n\n---\nTokens: ")
    assert "Balance" not in said
    assert "x-poe-balance" not in answer.headers
    assert "not known" in ready(proxy)["balance"]


def test_ready_names_what_keeps_the_balance_unknown(own_poe: poe_sim.SimServer, start_proxy: StartProxy) -> None:
    queue(own_poe, "500", times=1000, path=BALANCE)
    proxy = start_proxy(own_poe.base_url)
    eventually(lambda: "Poe answered 500" in ready(proxy)["balance"])
    assert "POINTS_CUTOFF" in ready(proxy)["balance"]
