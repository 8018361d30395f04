"""Each fault, seen from the client's end of a real socket."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

import poe_sim
from poe_sim import faults

WORDS = "a b c d e f"
BODY = {"model": "glm-5", "messages": [{"role": "user", "content": WORDS}]}


def raw_answer(sim: poe_sim.SimServer, fault: str, *, stream: bool = True) -> bytes:
    """All bytes of an answer, until the server closes."""
    body = json.dumps(BODY | {"stream": stream}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: poe\r\nauthorization: Bearer {poe_sim.KEYS[0]}\r\n"
        f"x-sim-fault: {fault}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as plug:
        plug.sendall(head.encode() + body)
        received = b""
        while piece := plug.recv(65536):
            received += piece
    return received


@pytest.mark.parametrize(
    ("fault", "status", "kind", "words"),
    [
        ("400param name=foo", 400, "invalid_request_error", "Unrecognized request argument supplied: foo"),
        ("400param name=foo style=pydantic", 400, "invalid_request_error", "foo: Extra inputs are not permitted"),
        ("400value name=reasoning_effort", 400, "invalid_request_error", "Supported values are: 'medium'."),
        ("400value value=max allowed=low,high", 400, "invalid_request_error", "'max' .* values are: 'low', 'high'."),
        ("400limit", 400, "invalid_request_error", "max_tokens is too large: 200000. .* at most 16384 completion"),
        ("400context", 400, "invalid_request_error", "maximum context length is"),
        ("400context style=anthropic", 400, "invalid_request_error", "prompt is too long"),
        ("400context style=window", 400, "invalid_request_error", "context window"),
        ("400moderation", 400, "invalid_request_error", "moderation"),
        ("400tools", 400, "invalid_request_error", "does not support tool calling"),
        ("400plain", 400, "invalid_request_error", "Request failed"),
        ("nested", 400, "invalid_request_error", r'^\{"type":"error"'),
        ("401", 401, "authentication_error", "key"),
        ("402", 402, "insufficient_credits", "points"),
        ("403", 403, "moderation_error", "moderation"),
        ("404", 404, "invalid_request_error", "does not exist"),
        ("408", 408, "timeout_error", "start"),
        ("413", 413, "request_too_large", "context length"),
        ("429", 429, "rate_limit_error", "exhausted"),
        ("500", 500, "provider_error", "provider"),
        ("502", 502, "upstream_error", "provider"),
        ("503", 503, "provider_error", "unavailable"),
        ("529", 529, "overloaded_error", "Overloaded"),
    ],
)
def test_error_answers(chat: Any, fault: str, status: int, kind: str, words: str) -> None:
    answer = chat(f"[[sim:fault {fault}]]")
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (status, kind)
    assert re.search(words, error["message"])


def test_the_documented_body_has_an_integer_code_and_real_ones_lack_it(chat: Any) -> None:
    assert chat("[[sim:fault 529]]").json()["error"]["code"] == 529
    assert "code" not in chat("[[sim:fault 429]]").json()["error"]


@pytest.mark.parametrize("status", ["429", "503"])
def test_retry_after_comes_only_if_asked_for(chat: Any, status: str) -> None:
    assert chat(f"[[sim:fault {status} retry_after=2]]").headers["retry-after"] == "2"
    assert "retry-after" not in chat(f"[[sim:fault {status}]]").headers


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("401", openai.AuthenticationError),
        ("403", openai.PermissionDeniedError),
        ("404", openai.NotFoundError),
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("529", openai.InternalServerError),
        ("reset", openai.APIConnectionError),
        ("closed", openai.APIConnectionError),
    ],
)
def test_the_official_sdk_raises_its_own_errors(client: openai.OpenAI, status: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        client.chat.completions.create(model="glm-5", messages=[{"role": "user", "content": f"[[sim:fault {status}]]"}])


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("502html", 502, "text/html"),
        ("html_200", 200, "text/html; charset=utf-8"),
        ("error_200", 200, "application/json"),
        ("json_for_stream", 200, "application/json"),
    ],
)
def test_other_bodies_than_a_stream(chat: Any, fault: str, status: int, kind: str) -> None:
    answer = chat(f"[[sim:fault {fault}]]", stream=True)
    assert (answer.status_code, answer.headers["content-type"]) == (status, kind)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset", httpx.ReadError),
        ("reset_mid", httpx.ReadError),
        ("closed", httpx.RemoteProtocolError),
        ("cut", httpx.RemoteProtocolError),
        ("bad_http", httpx.RemoteProtocolError),
    ],
)
def test_connections_break(chat: Any, fault: str, error: type[Exception], stream: bool) -> None:
    with pytest.raises(error):
        chat(f"[[sim:fault {fault}]]", stream=stream)


def test_a_refused_connection_has_an_address() -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(poe_sim.refused_url(), trust_env=False)


@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_cut_stream_ends_after_so_many_events_without_a_terminator(sim: poe_sim.SimServer, after: int) -> None:
    received = raw_answer(sim, f"cut after={after}")
    assert received.count(b"data: ") == after
    assert not received.endswith(b"0\r\n\r\n")


def test_a_stall_is_silence_until_the_client_leaves(sim: poe_sim.SimServer) -> None:
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as plug:
        body = json.dumps(BODY | {"stream": True}).encode()
        plug.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: poe\r\nx-sim-fault: stall after=2 seconds=600\r\n"
            b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n" % (poe_sim.KEYS[0].encode(), len(body)) + body
        )
        received = b""
        while received.count(b"data: ") < 2:
            received += plug.recv(65536)
        assert sim.wait_for(lambda poe: poe.log.in_flight == 1)
    left = sim.wait_for(lambda poe: next((r for r in poe.log.records if r.disconnected_at), None))
    assert (left.outcome, left.status) == ("disconnected", 200)
    assert sim.wait_for(lambda poe: poe.log.in_flight == 0)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", ["slow_headers", "slow_first", "stall"])
def test_slow_answers_are_whole_in_the_end(chat: Any, fault: str, stream: bool) -> None:
    answer = chat(f"[[sim:fault {fault} seconds=0.01]] {WORDS}", stream=stream)
    assert answer.status_code == 200
    assert "f" in answer.text


def test_slow_headers_hold_back_the_status_line(sim: poe_sim.SimServer) -> None:
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as plug:
        plug.sendall(b"GET /v1/models HTTP/1.1\r\nhost: poe\r\nx-sim-fault: slow_headers seconds=600\r\n\r\n")
        sim.wait_for(lambda poe: poe.log.in_flight == 1)
        plug.settimeout(0.05)
        with pytest.raises(TimeoutError):
            plug.recv(1)
    assert sim.wait_for(lambda poe: poe.log.records[0].disconnected_at)


def test_line_endings(sim: poe_sim.SimServer) -> None:
    crlf = raw_answer(sim, "crlf").partition(b"\r\n\r\n")[2]
    assert b"data: [DONE]\r\n\r\n" in crlf
    cr = raw_answer(sim, "cr").partition(b"\r\n\r\n")[2]
    assert b"data: [DONE]\r\r" in cr


def test_frames_are_split_anywhere_and_still_whole(chat: Any, sim: poe_sim.SimServer) -> None:
    whole = chat(f"{WORDS}", stream=True).text
    split = chat(f"{WORDS}", stream=True, headers={"x-sim-fault": "split bytes=3"}).text
    strip = re.compile(r'"(?:id|created)":[^,]+')
    assert strip.sub("", split) == strip.sub("", whole)
    chunks = re.findall(rb"\r\n([0-9a-f]+)\r\n", raw_answer(sim, "split bytes=3").partition(b"\r\n\r\n")[2])
    assert {int(size, 16) for size in chunks} <= {0, 1, 2, 3}


def test_frames_can_be_joined_in_one_write(sim: poe_sim.SimServer) -> None:
    body = raw_answer(sim, "joined").partition(b"\r\n\r\n")[2]
    size, _, rest = body.partition(b"\r\n")
    assert rest[: int(size, 16)].endswith(b"data: [DONE]\n\n")


def test_comments_and_data_of_many_lines_are_legal_events(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="glm-5",
        stream=True,
        messages=[{"role": "user", "content": f"{WORDS} [[sim:fault comments]]"}],
    )
    assert "".join(c.choices[0].delta.content or "" for c in stream) == f"You said: {WORDS}"


def test_ends_can_be_missing(chat: Any) -> None:
    no_done = chat("[[sim:fault no_done]]", stream=True).text
    assert "[DONE]" not in no_done
    assert '"finish_reason":"stop"' in no_done
    no_finish = chat("[[sim:fault no_finish]]", stream=True, stream_options={"include_usage": True}).text
    assert not re.search(r'\[DONE\]|"stop"|"usage"', no_finish)


def test_errors_arrive_in_mid_stream(client: openai.OpenAI, chat: Any) -> None:
    assert chat(f"{WORDS} [[sim:fault error_mid after=2]]", stream=True).text.count("data: ") == 3
    stream = client.chat.completions.create(
        model="glm-5", stream=True, messages=[{"role": "user", "content": f"{WORDS} [[sim:fault error_mid]]"}]
    )
    with pytest.raises(openai.APIError, match="stopped answering"):
        list(stream)
    assert "event: error\ndata: " in chat(f"{WORDS} [[sim:fault event_error]]", stream=True).text


def test_a_garbage_frame_is_no_json(chat: Any, events: Callable[..., Any]) -> None:
    with pytest.raises(json.JSONDecodeError):
        events(chat(f"{WORDS} [[sim:fault garbage]]", stream=True))


# --- moments ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "events"), [("before=open", 0), ("before=delta", 1), ("deltas=2", 3), ("before=finish", 9)]
)
@pytest.mark.parametrize("fault", ["cut", "ended", "bad_chunk"])
def test_an_answer_breaks_off_at_a_moment(sim: poe_sim.SimServer, fault: str, moment: str, events: int) -> None:
    received = raw_answer(sim, f"{fault} {moment}")
    assert received.count(b"data: ") == events
    assert received.endswith(b"0\r\n\r\n") == (fault == "ended")
    assert (b"what?" in received) == (fault == "bad_chunk")


@pytest.mark.parametrize(("moment", "is_done"), [("before=done", False), ("before=end", True)])
def test_what_comes_last_can_come_before_or_after_the_end(sim: poe_sim.SimServer, moment: str, is_done: bool) -> None:
    received = raw_answer(sim, f"error_mid {moment} type=rate_limit_error")
    assert (b"[DONE]" in received) == is_done
    assert b'"type":"rate_limit_error"' in received


def test_a_body_may_end_within_a_frame_or_be_padded(sim: poe_sim.SimServer) -> None:
    torn = raw_answer(sim, "torn deltas=1 bytes=20")
    assert torn.endswith(b'data: {"id":"chatcmp\r\n0\r\n\r\n')
    assert b"\0\0\0\n\n" in raw_answer(sim, "nul")
    assert b"\r\n\xef\xbb\xbfdata: " in raw_answer(sim, "bom")


def test_pings_are_all_that_is_said_for_a_while(sim: poe_sim.SimServer) -> None:
    assert raw_answer(sim, "pings seconds=0.1").count(b": ping\n\n") == 5


@pytest.mark.parametrize(("kind", "text"), [("finish", b'"stop"'), ("done", b"[DONE]")])
def test_frames_can_be_said_twice(sim: poe_sim.SimServer, kind: str, text: bytes) -> None:
    assert raw_answer(sim, f"twice kind={kind}").count(text) == 2


# --- HTTP itself -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("label type=text/html", b"content-type: text/html\r\n"),
        ("big_headers", b"x" * 100_000),
        ("many_headers", b"x-much-499: x\r\n"),
        ("interim", b"HTTP/1.1 103 "),
        ("redirect", b"HTTP/1.1 302 "),
        ("empty", b"content-length: 0\r\n"),
        ("empty status=204", b"HTTP/1.1 204 "),
        ("length more=7", b"content-length: "),
        ("until_close", b"connection: close\r\n"),
        ("gzip", b"content-encoding: gzip\r\n"),
    ],
)
def test_heads_and_bodies_that_do_not_go_together(sim: poe_sim.SimServer, fault: str, said: bytes) -> None:
    assert said in raw_answer(sim, fault)


def test_compressed_answers_can_be_read(chat: Any) -> None:
    assert chat(f"{WORDS} [[sim:fault gzip]]", stream=True).text.endswith("data: [DONE]\n\n")
    assert chat(f"{WORDS} [[sim:fault gzip]]").json()["choices"]


def test_the_other_form_can_come(chat: Any) -> None:
    assert chat("[[sim:fault stream_for_json]]").text.startswith("data: ")


def test_a_second_answer_can_come_on_the_same_connection(sim: poe_sim.SimServer) -> None:
    body = json.dumps(BODY).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: poe\r\nauthorization: Bearer {poe_sim.KEYS[0]}\r\n"
        f"x-sim-fault: second\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as plug:
        plug.sendall(head.encode() + body)
        received = b""
        while b"Nobody asked" not in received:
            received += plug.recv(65536)
    assert received.count(b"HTTP/1.1 ") == 2


def test_faults_combine_in_order(sim: poe_sim.SimServer) -> None:
    received = raw_answer(sim, "crlf; no_done; split bytes=5")
    assert b"[DONE]" not in received


# --- who gets the fault ----------------------------------------------------------------------------------


def test_times_limits_a_fault_to_the_first_requests_with_those_words(chat: Any) -> None:
    statuses = [chat("[[sim:fault 500 times=2]] try").status_code for _ in range(3)]
    assert statuses == [500, 500, 200]


def test_queued_faults_hit_the_next_requests_that_fit(http: Any, chat: Any) -> None:
    http("POST", "/_sim/faults", json=[{"fault": "529", "model": "GPT-5.1"}, {"fault": "500", "times": 2}])
    statuses = [chat(model=model).status_code for model in ("glm-5", "gpt-5.1", "glm-5", "gpt-5.1")]
    assert statuses == [500, 529, 500, 200]


def test_a_queued_fault_without_a_path_is_not_eaten_by_background_requests(http: Any, chat: Any) -> None:
    http("POST", "/_sim/faults", json={"fault": "500"})
    assert http("GET", "/usage/current_balance").status_code == 200
    assert http("GET", "/v1/models").status_code == 200
    assert chat().status_code == 500


@pytest.mark.parametrize("path", ["/v1/models", "/usage/current_balance", "/usage/points_history"])
def test_the_account_fails_too_if_named(http: Any, path: str) -> None:
    http("POST", "/_sim/faults", json=[{"fault": "503", "path": path}, {"fault": "cut", "path": path}])
    assert http("GET", path).status_code == 503
    with pytest.raises(httpx.RemoteProtocolError):
        http("GET", path)
    assert http("GET", path).status_code == 200


def test_scripts_can_be_queued_too(http: Any, chat: Any) -> None:
    http("POST", "/_sim/faults", json={"script": "refusal"})
    assert chat().json()["choices"][0]["message"]["refusal"]
    assert "refusal" not in chat().json()["choices"][0]["message"]


@pytest.mark.parametrize("wish", [{"fault": "4z9"}, {"script": "ecoh"}, {"flaut": "500"}])
def test_a_misspelt_wish_is_refused(http: Any, wish: dict[str, str]) -> None:
    assert http("POST", "/_sim/faults", json=wish).status_code == 422


def test_a_fault_answers_before_the_key_is_looked_at(chat: Any) -> None:
    answer = chat("x", headers={"authorization": "Bearer wrong", "x-sim-fault": "529"})
    assert answer.status_code == 529


def test_every_name_is_tried_here() -> None:
    source = Path(__file__).read_text()
    assert {name for name in faults.NAMES if not re.search(rf"\b{re.escape(name)}\b", source)} == set()


def test_the_loop_is_never_blocked_by_a_sleeping_answer(sim: poe_sim.SimServer, chat: Any) -> None:
    done = threading.Event()

    def sleeper() -> None:
        headers = {"authorization": f"Bearer {poe_sim.KEYS[0]}", "x-sim-fault": "slow_headers seconds=600"}
        url = f"{sim.base_url}/v1/chat/completions"
        with httpx.Client(trust_env=False, timeout=0.5) as pool, pytest.raises(httpx.ReadTimeout):
            pool.post(url, json=BODY, headers=headers)
        done.set()

    thread = threading.Thread(target=sleeper)
    thread.start()
    sim.wait_for(lambda poe: poe.log.in_flight == 1)
    assert chat().status_code == 200
    assert not done.is_set()
    thread.join()
