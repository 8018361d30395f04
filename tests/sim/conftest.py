"""One stand-in for the whole folder, blank at the start of each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import orjson
import pytest

import poe_sim

Ask = Callable[..., httpx.Response]
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="session")
def _server() -> Iterator[poe_sim.SimServer]:
    with poe_sim.running() as server:
        yield server


@pytest.fixture
def sim(_server: poe_sim.SimServer) -> poe_sim.SimServer:
    _server.poe.reset()
    return _server


@pytest.fixture(scope="session")
def _pool() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=10) as pool:
        yield pool


@pytest.fixture
def http(sim: poe_sim.SimServer, _pool: httpx.Client) -> Callable[..., httpx.Response]:
    """`http("GET", "/path", **httpx_options)` with the first key."""

    def call(method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        key = {"authorization": f"Bearer {poe_sim.KEYS[0]}"}
        return _pool.request(method, sim.base_url + path, headers=key | (headers or {}), **options)

    return call


@pytest.fixture
def chat(http: Callable[..., httpx.Response]) -> Ask:
    """`chat("words", model=..., stream=..., **fields)`: one user message to chat completions."""

    def ask(text: str = "hello", *, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        body = {"model": "glm-5", "messages": [{"role": "user", "content": text}]} | fields
        return http("POST", CHAT, headers, json=body)

    return ask


@pytest.fixture
def messages(http: Callable[..., httpx.Response]) -> Ask:
    """`messages("words", **fields)`: one user message to Claude."""

    def ask(text: Any = "hello", **fields: Any) -> httpx.Response:
        turn = {"role": "user", "content": text}
        body = {"model": "claude-haiku-4.5", "max_tokens": 4000, "messages": [turn]} | fields
        return http("POST", "/v1/messages", {"anthropic-version": "2023-06-01"}, json=body)

    return ask


@pytest.fixture
def events() -> Callable[[httpx.Response], list[Any]]:
    """The `data:` lines of a stream, parsed; `[DONE]` stays a string."""

    def parse(response: httpx.Response) -> list[Any]:
        lines = [line.removeprefix("data: ") for line in response.text.split("\n") if line.startswith("data: ")]
        return [line if line == "[DONE]" else orjson.loads(line) for line in lines]

    return parse


@pytest.fixture
def client(sim: poe_sim.SimServer) -> Iterator[openai.OpenAI]:
    """The official SDK, pointed at the stand-in and told not to retry."""
    with openai.OpenAI(base_url=f"{sim.base_url}/v1", api_key=poe_sim.KEYS[0], max_retries=0, timeout=10) as sdk:
        yield sdk


@pytest.fixture
def weather() -> dict[str, Any]:
    """A tool in chat's words."""
    schema = {
        "type": "object",
        "properties": {"location": {"type": "string"}, "unit": {"enum": ["C", "F"]}, "days": {"type": "integer"}},
        "required": ["location"],
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": "get_weather", "parameters": schema}}
