"""Streams on real sockets: what leaves when, what is repeated, and how a stream ends that does not end well."""

from collections.abc import Callable

import openai
import pytest

import poe_sim
from tests.running import Proxy
from tests.talk import arrived, chat, frames, open_stream, post, queue, text_of

StartProxy = Callable[..., Proxy]


# --- the status line and pings --------------------------------------------------------------------------------------


def test_a_slow_first_event_lets_the_status_line_go_with_a_ping(start_proxy: StartProxy) -> None:
    proxy = start_proxy(FIRST_EVENT_S=0.05)
    with open_stream(proxy, chat("[[sim:fault slow_first seconds=0.3]] hi")) as response:
        said = frames(response)
    assert response.status_code == 200
    assert said[0] == ": ping"
    assert said[-1] == "[DONE]"
    assert "You said" in text_of(said)


def test_an_error_before_the_first_event_keeps_its_status(own_proxy: Proxy) -> None:
    with open_stream(own_proxy, chat("[[sim:fault 402]] hi")) as response:
        response.read()
    assert response.status_code == 402
    assert response.json()["error"]["type"] == "insufficient_credits"


def test_an_error_after_nothing_but_the_start_keeps_its_status(own_proxy: Proxy) -> None:
    fault = "[[sim:fault error_mid before=delta type=insufficient_credits]]"
    with open_stream(own_proxy, chat(f"{fault} hi")) as response:
        response.read()
    assert response.status_code == 402


def test_an_error_after_the_status_line_is_an_event_and_no_done_follows(start_proxy: StartProxy) -> None:
    proxy = start_proxy(FIRST_EVENT_S=0.05)
    with open_stream(proxy, chat("[[sim:fault slow_headers seconds=0.3]] [[sim:fault 402]] hi")) as response:
        said = frames(response)
    assert response.status_code == 200
    assert said[-1]["error"]["type"] == "insufficient_credits"
    assert "[DONE]" not in said


def test_retries_go_on_after_the_status_line_while_no_content_has_left(
    own_poe: poe_sim.SimServer, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(own_poe.base_url, FIRST_EVENT_S=0.05)
    queue(own_poe, "429 retry_after=1")
    with open_stream(proxy, chat("hi")) as response:
        said = frames(response)
    assert said[0] == ": ping"
    assert text_of(said) == "You said: hi"
    assert said[-1] == "[DONE]"
    assert len(arrived(own_poe)) == 2


# --- ends that are no ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["cut after=3", "reset_mid after=3", "no_finish", "error_mid after=3", "event_error after=3"]
)
def test_a_broken_stream_ends_with_an_error_event(own_proxy: Proxy, fault: str) -> None:
    with open_stream(own_proxy, chat(f"[[sim:fault {fault}]] one two three four five")) as response:
        said = frames(response)
    assert "error" in said[-1]
    assert "[DONE]" not in said


@pytest.mark.parametrize("fault", ["cut", "reset_mid", "bad_chunk", "ended"])
def test_what_says_that_it_is_finished_is_whole_however_its_stream_ends(own_proxy: Proxy, fault: str) -> None:
    with open_stream(own_proxy, chat(f"[[sim:fault {fault} before=usage]] one two")) as response:
        said = frames(response)
    assert text_of(said) == "You said: one two"
    assert said[-1] == "[DONE]"


def test_what_fails_after_it_said_that_it_is_finished_is_not_asked_for_again(
    own_poe: poe_sim.SimServer, own_proxy: Proxy
) -> None:
    with open_stream(own_proxy, chat("[[sim:empty]] [[sim:fault error_mid before=usage]]")) as response:
        said = frames(response)
    assert [chunk["choices"][0]["finish_reason"] for chunk in said if "choices" in chunk].count("stop") == 1
    assert "error" in said[-1]
    assert len(arrived(own_poe)) == 1


@pytest.mark.parametrize("fault", ["cut after=3", "no_finish", "error_mid after=3"])
def test_the_sdk_raises_on_a_broken_stream(own_proxy: Proxy, fault: str) -> None:
    with own_proxy.openai() as sdk, pytest.raises(openai.APIError):
        list(
            sdk.chat.completions.create(
                model="gpt-5.4-mini",
                messages=[{"role": "user", "content": f"[[sim:fault {fault}]] one two three four five"}],
                stream=True,
            )
        )


def test_a_dead_stream_ends_after_the_idle_time(start_proxy: StartProxy) -> None:
    proxy = start_proxy(STREAM_IDLE_S=0.1)
    with open_stream(proxy, chat("[[sim:fault stall after=3 seconds=30]] one two three four")) as response:
        said = frames(response)
    assert said[-1]["error"]["code"] == "poe_timed_out"


@pytest.mark.parametrize(
    "fault", ["no_done", "crlf", "cr", "split bytes=1", "split bytes=7", "joined", "comments", "garbage after=2"]
)
def test_what_is_only_odd_is_absorbed(own_proxy: Proxy, fault: str) -> None:
    with open_stream(own_proxy, chat(f"[[sim:fault {fault}]] one two three")) as response:
        said = frames(response)
    assert text_of(said).startswith("You said:")
    assert text_of(said).endswith("one two three")
    assert said[-1] == "[DONE]"


def test_a_json_answer_to_a_stream_is_streamed(own_proxy: Proxy) -> None:
    with open_stream(own_proxy, chat("[[sim:fault json_for_stream]] hi")) as response:
        said = frames(response)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "hi" in text_of(said)
    assert said[-1] == "[DONE]"


def test_media_is_asked_for_whole_and_streamed_to_who_wants_a_stream(
    own_poe: poe_sim.SimServer, own_proxy: Proxy
) -> None:
    with open_stream(own_proxy, chat("a cat", model="imagen-4")) as response:
        said = frames(response)
    assert arrived(own_poe)[0]["body"]["stream"] is False
    assert text_of(said).count("https://") == 1
    assert said[-1] == "[DONE]"


# --- retries --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["408", "429", "500", "502html", "503", "529"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_passing_failure_is_tried_again(
    own_poe: poe_sim.SimServer, own_proxy: Proxy, fault: str, stream: bool
) -> None:
    queue(own_poe, fault)
    answer = post(own_proxy, chat("hi", stream=stream))
    assert answer.status_code == 200
    assert answer.headers["x-poe-attempts"] == "2"
    assert len(arrived(own_poe)) == 2


@pytest.mark.parametrize("fault", ["closed", "reset", "bad_http", "html_200"])
def test_a_request_that_may_have_been_charged_is_repeated_once_at_most(
    own_poe: poe_sim.SimServer, own_proxy: Proxy, fault: str
) -> None:
    answer = post(own_proxy, chat(f"[[sim:fault {fault}]] hi"))
    assert answer.status_code == 502
    assert answer.headers["x-should-retry"] == "false"
    assert len(arrived(own_poe)) == 2


@pytest.mark.parametrize(
    ("fault", "status"),
    [("401", 502), ("402", 402), ("403", 403), ("404", 404), ("400moderation", 400), ("400tools", 400)],
)
def test_what_cannot_get_better_is_not_tried_again(
    own_poe: poe_sim.SimServer, own_proxy: Proxy, fault: str, status: int
) -> None:
    answer = post(own_proxy, chat(f"[[sim:fault {fault}]] hi"))
    assert answer.status_code == status
    assert len(arrived(own_poe)) == 1


def test_the_retry_budget_ends_the_tries_and_poes_hint_is_passed_on(
    own_poe: poe_sim.SimServer, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(own_poe.base_url, RETRY_BUDGET_S=2)
    answer = post(proxy, chat("[[sim:fault 429 retry_after=9]] hi"))
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "9"
    assert len(arrived(own_poe)) == 1


def test_nothing_is_tried_again_once_content_has_left(own_poe: poe_sim.SimServer, own_proxy: Proxy) -> None:
    with open_stream(own_proxy, chat("[[sim:fault cut after=3]] one two three four")) as response:
        frames(response)
    assert len(arrived(own_poe)) == 1


# --- layers of a 400 ------------------------------------------------------------------------------------------------


def test_a_refused_parameter_is_dropped_and_known_the_next_time(own_poe: poe_sim.SimServer, own_proxy: Proxy) -> None:
    queue(own_poe, "400param name=temperature")
    first = post(own_proxy, chat("hi", temperature=0.5))
    second = post(own_proxy, chat("hi", temperature=0.5))
    assert first.headers["x-poe-changes"] == "dropped temperature"
    assert (first.headers["x-poe-attempts"], second.headers["x-poe-attempts"]) == ("2", "1")
    assert ["temperature" in request["body"] for request in arrived(own_poe)] == [True, False, False]


def test_a_refused_value_becomes_the_nearest_and_is_not_remembered(
    own_poe: poe_sim.SimServer, own_proxy: Proxy
) -> None:
    queue(own_poe, "400value name=reasoning_effort value=high allowed=low,medium")
    body = chat("hi", model="gpt-5.4", reasoning_effort="high")
    assert "reasoning_effort set to medium" in post(own_proxy, body).headers["x-poe-changes"]
    post(own_proxy, body)
    assert [request["body"]["reasoning_effort"] for request in arrived(own_poe)] == ["high", "medium", "high"]


def test_a_400_that_names_nothing_goes_through_the_layers(own_poe: poe_sim.SimServer, own_proxy: Proxy) -> None:
    answer = post(own_proxy, chat("[[sim:fault 400plain]] hi", model="gpt-5.4", max_tokens=50))
    assert answer.status_code == 400
    assert ["max_tokens" in request["body"] for request in arrived(own_poe)] == [True, False]


def test_an_output_limit_is_lowered_to_what_the_error_says(own_poe: poe_sim.SimServer, own_proxy: Proxy) -> None:
    queue(own_poe, "400limit")
    answer = post(own_proxy, chat("hi", max_tokens=200_000))
    assert answer.status_code == 200
    assert arrived(own_poe)[1]["body"]["max_tokens"] == 16_384
