"""Bad input: a clear 4xx in OpenAI's shape that names the field, never a 500, and nothing sent to Poe."""

import json
import socket
from collections.abc import Callable
from typing import Any

import httpx
import openai
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import poe_sim
from tests.running import Proxy
from tests.talk import arrived, chat, post

StartProxy = Callable[..., Proxy]
USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [USER]}, "model"),
        ({"model": 7, "messages": [USER]}, "model"),
        ({"model": "", "messages": [USER]}, "model"),
        ({"model": "gpt-5.4"}, "messages"),
        ({"model": "gpt-5.4", "messages": []}, "messages"),
        ({"model": "gpt-5.4", "messages": "hi"}, "messages"),
        ({"model": "gpt-5.4", "messages": ["hi"]}, "messages[0]"),
        ({"model": "gpt-5.4", "messages": [USER, {"role": "robot", "content": "hi"}]}, "messages[1].role"),
        ({"model": "gpt-5.4", "messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"model": "gpt-5.4", "messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        (
            {"model": "gpt-5.4", "messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        (
            {
                "model": "gpt-5.4",
                "messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}],
            },
            "messages[0].content[0].input_audio.data",
        ),
        (
            {"model": "gpt-5.4", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        ({"model": "gpt-5.4", "messages": [USER], "extra_body": {"stop": 5}}, "stop"),
        ({"model": "gpt-5.4", "messages": [USER], "stream": "yes"}, "stream"),
        ({"model": "gpt-5.4", "messages": [USER], "temperature": "hot"}, "temperature"),
        ({"model": "gpt-5.4", "messages": [USER], "max_tokens": -1}, "max_tokens"),
        ({"model": "gpt-5.4", "messages": [USER], "max_tokens": True}, "max_tokens"),
        ({"model": "gpt-5.4", "messages": [USER], "tools": {}}, "tools"),
        ({"model": "gpt-5.4", "messages": [USER], "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"model": "gpt-5.4", "messages": [USER], "stop": [1]}, "stop"),
        ({"model": "gpt-5.4", "messages": [USER], "response_format": "json"}, "response_format"),
    ],
)
def test_a_wrong_field_is_named(own_poe: poe_sim.SimServer, own_proxy: Proxy, body: Any, param: str) -> None:
    answer = post(own_proxy, body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert f"`{param}`" in error["message"] or param == "model"
    assert arrived(own_poe) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"[]",
        b"null",
        b'"hi"',
        b"\xff\xfe",
        b'{"model": "gpt-5.4", "messages": [{"role": "user", "content": "\xff"}]}',
        b'{"model": "gpt-5.4", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "gpt-5.4", "messages": [{"role": "user", "content": NaN}]}',
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        orjson.dumps(chat("hi"))[:-1] + b',"metadata":' + b"[" * 500 + b"]" * 500 + b"}",
        orjson.dumps(chat("hi", model="x" * 100))[:-1] + b',"extra":' + b'{"a":' * 400 + b"1" + b"}" * 401,
    ],
)
def test_what_is_no_request_is_400(own_poe: poe_sim.SimServer, own_proxy: Proxy, body: bytes) -> None:
    answer = post(own_proxy, body)
    assert answer.status_code in (400, 404), answer.text
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert arrived(own_poe) == []


def test_nesting_that_cannot_be_passed_on_is_400(own_poe: poe_sim.SimServer, own_proxy: Proxy) -> None:
    schema = b'{"a":' * 300 + b"1" + b"}" * 300
    tool = b'{"type":"function","function":{"name":"f","parameters":' + schema + b"}}"
    answer = post(own_proxy, orjson.dumps(chat("hi"))[:-1] + b',"tools":[' + tool + b"]}")
    assert answer.status_code == 400
    assert arrived(own_poe) == []


def test_the_sdk_raises_its_bad_request_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="messages"):
        client.chat.completions.create(model="gpt-5.4", messages=[])


def test_an_unknown_model_is_404_with_the_closest_names(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"gpt-5\.4") as caught:
        client.chat.completions.create(model="gpt-5.4-minni", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.code == "model_not_found"


def test_a_body_over_the_limit_is_413(start_proxy: StartProxy) -> None:
    proxy = start_proxy(MAX_BODY_MB=0.01)
    answer = post(proxy, chat("x" * 20_000))
    assert answer.status_code == 413
    assert "MAX_BODY_MB" in answer.json()["error"]["message"]


def test_a_body_over_the_limit_that_does_not_say_its_length_is_413(start_proxy: StartProxy) -> None:
    proxy = start_proxy(MAX_BODY_MB=0.01)

    def pieces() -> Any:
        for _ in range(40):
            yield b" " * 1000

    answer = httpx.post(f"{proxy.url}/v1/chat/completions", content=pieces(), trust_env=False)
    assert answer.status_code == 413


def test_a_slow_sender_is_408(start_proxy: StartProxy) -> None:
    proxy = start_proxy(BODY_TIMEOUT_S=0.1)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        said = connection.recv(4096)
    assert said.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in said


def test_a_compressed_body_is_415(proxy: Proxy) -> None:
    assert post(proxy, b"\x1f\x8b", **{"content-encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/v1/v1/chat/completions", 404, "/v1 twice"),
        ("GET", "/v1/v1", 404, "/v1 twice"),
        ("GET", "/nothing/here", 404, "/v1"),
        ("GET", "/v1/chat/completions", 405, "GET"),
        ("DELETE", "/v1/models", 405, "DELETE"),
        ("POST", "/v1/embeddings", 404, "nothing at"),
    ],
)
def test_a_wrong_path_is_told_what_would_be_right(
    proxy: Proxy, method: str, path: str, status: int, words: str
) -> None:
    answer = httpx.request(method, proxy.url + path, trust_env=False)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert "x-request-id" in answer.headers


@pytest.mark.parametrize(
    ("path", "allowed"), [("/v1/chat/completions", "POST"), ("/messages", "POST"), ("/v1/models", "GET, HEAD")]
)
def test_a_method_that_is_not_possible_is_told_which_are(proxy: Proxy, path: str, allowed: str) -> None:
    assert httpx.delete(proxy.url + path, trust_env=False).headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/chat/completions", "/v1/chat/completions"])
def test_a_base_url_without_v1_works_too(proxy: Proxy, path: str) -> None:
    assert post(proxy, chat("hi"), path).status_code == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["model", "messages", "stream", "tools", "stop", "max_tokens", "response_format", "extra_body", "thinking", "n",
     "seed",
     "reasoning_effort", "web_search_options", "stream_options", "tool_choice", "temperature"]
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(FIELDS, JSON, max_size=4))
def test_whatever_a_field_holds_it_is_never_our_fault(proxy: Proxy, changes: dict[str, Any]) -> None:

    body = json.dumps({**chat("hi"), **changes}).encode()
    answer = post(proxy, body)
    assert answer.status_code < 500, (answer.status_code, answer.text)
    if answer.status_code >= 400:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
