"""Ways to talk to a proxy below the SDK: raw HTTP, streams as frames, and clients that hang up."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson

from poe_sim import SimServer
from tests.running import Proxy

Json = dict[str, Any]


def chat(text: str, **more: Any) -> Json:
    """A chat completions body with one user message."""
    return {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": text}], **more}


def post(proxy: Proxy, body: Json | bytes, path: str = "/v1/chat/completions", **headers: str) -> httpx.Response:
    """Send ``body`` and read the whole answer."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return httpx.post(proxy.url + path, content=content, headers=headers, timeout=30, trust_env=False)


@contextmanager
def open_stream(proxy: Proxy, body: Json) -> Iterator[httpx.Response]:
    """The answer to ``body`` with ``stream`` set, its body still to come."""
    with (
        httpx.Client(timeout=30, trust_env=False) as client,
        client.stream("POST", f"{proxy.url}/v1/chat/completions", json={**body, "stream": True}) as response,
    ):
        yield response


def frames(response: httpx.Response) -> list[Any]:
    """The ``data:`` of a whole stream, decoded; ``[DONE]`` and comments as they are."""
    said = response.text if response.is_closed else response.read().decode()
    return [_frame(line) for line in said.split("\n") if line]


def _frame(line: str) -> Any:
    data = line.removeprefix("data: ")
    return orjson.loads(data) if data.startswith("{") else data


def text_of(chunks: list[Any]) -> str:
    """The content of a stream's frames."""
    deltas = (chunk["choices"][0]["delta"] for chunk in chunks if isinstance(chunk, dict) and chunk.get("choices"))
    return "".join(delta.get("content") or "" for delta in deltas)


@contextmanager
def hanging_up(proxy: Proxy, body: Json, path: str = "/v1/chat/completions") -> Iterator[socket.socket]:
    """Send ``body`` on a socket that is closed when the block ends, whatever the proxy is doing then."""
    data = orjson.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as connection:
        connection.sendall(head.encode() + data)
        yield connection


def queue(poe: SimServer, fault: str, times: int = 1, **where: str) -> None:
    """Let the next ``times`` model calls meet ``fault``."""
    httpx.post(
        f"{poe.base_url}/_sim/faults", json={"fault": fault, "times": times, **where}, trust_env=False
    ).raise_for_status()


def reset(poe: SimServer) -> None:
    """Let Poe forget requests, charges and queued faults."""
    httpx.post(f"{poe.base_url}/_sim/reset", trust_env=False).raise_for_status()


def arrived(poe: SimServer, path: str = "/v1/chat/completions") -> list[Json]:
    """The requests to ``path`` that Poe saw, oldest first."""
    seen = httpx.get(f"{poe.base_url}/_sim/requests", trust_env=False).json()["requests"]
    return [request for request in seen if request["path"] == path]
