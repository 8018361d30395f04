"""What a session on Claude costs in points, in the stand-in's books: as Claude Code sends it, as an OpenAI client does,
and through chat completions without the proxy's help.

Ten turns with a tool call each over a prefix of 20,000 tokens; each request adds about 300 tokens and brings back about
100. The stand-in keeps prompts as Anthropic does (docs/poe-facts.md), so the figures are exact and repeatable.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

import poe_sim
from poe_proxy.observe import log
from tests.running import Proxy, running_proxy

MODEL = "claude-sonnet-4.6"
Json = dict[str, Any]
_PREFIX = "You help with code. " * 4000  # 20,000 tokens, as the stand-in counts them
_ARGUMENTS = '{"path": "' + "src/" * 87 + '"}'  # with name and wrapping 100 tokens
_SCHEMA: Json = {"type": "object", "properties": {"path": {"type": "string"}}}
_KEPT = {"cache_control": {"type": "ephemeral"}}
_CALL = f"[[sim:call Read='{_ARGUMENTS}']]"
_TELL = {"script": "long tokens=100"}


def _news(script: str = "") -> str:
    """300 tokens, of which the stand-in understands the last."""
    return ("A line of a file, as a tool shows it. " * 40)[: 1200 - len(script)] + script


def as_claude_code(poe: poe_sim.SimServer, url: str, requests: int) -> None:
    """Messages with marks where Claude Code 2.1 sets them: on the system's end and on the last block."""
    tools = [{"name": "Read", "input_schema": _SCHEMA}]
    system = [{"type": "text", "text": _PREFIX, **_KEPT}]
    messages: list[Json] = []
    headers = {"x-api-key": poe_sim.KEYS[0], "anthropic-version": "2023-06-01"}
    for number in range(requests):
        block = {"type": "text", "text": _news(_CALL)}
        if number % 2:
            _next(poe)
            block = {"type": "tool_result", "tool_use_id": messages[-1]["content"][-1]["id"], "content": _news()}
        turn = [*messages, {"role": "user", "content": [{**block, **_KEPT}]}]
        body = {"model": MODEL, "max_tokens": 500, "system": system, "tools": tools, "messages": turn}
        answer = _post(f"{url}/v1/messages", body, headers)
        messages += [{"role": "user", "content": [block]}, {"role": "assistant", "content": answer["content"]}]


def as_openai_client(poe: poe_sim.SimServer, url: str, requests: int) -> None:
    """Chat completions, which know no marks."""
    tools = [{"type": "function", "function": {"name": "Read", "parameters": _SCHEMA}}]
    messages: list[Json] = [{"role": "system", "content": _PREFIX}]
    for number in range(requests):
        if number % 2:
            _next(poe)
            (call,) = messages[-1]["tool_calls"]
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": _news()})
        else:
            messages.append({"role": "user", "content": _news(_CALL)})
        body = {"model": MODEL, "max_tokens": 500, "tools": tools, "messages": messages}
        answer = _post(f"{url}/v1/chat/completions", body, {"authorization": f"Bearer {poe_sim.KEYS[0]}"})
        messages.append(answer["choices"][0]["message"])


def _next(poe: poe_sim.SimServer) -> None:
    httpx.post(f"{poe.base_url}/_sim/faults", json=_TELL, trust_env=False).raise_for_status()


def _post(url: str, body: Json, headers: dict[str, str]) -> Json:
    answer = httpx.post(url, json=body, headers=headers, timeout=30, trust_env=False)
    answer.raise_for_status()
    said: Json = answer.json()
    return said


def points(poe: poe_sim.SimServer) -> int:
    """What the stand-in has charged so far."""
    charges = httpx.get(f"{poe.base_url}/_sim/charges", trust_env=False).json()["charges"]
    return sum(charge["points"] for charge in charges)


@contextmanager
def fresh() -> Iterator[tuple[poe_sim.SimServer, Proxy]]:
    """A stand-in with empty books and a proxy in front of it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        poe_sim.running() as poe,
        running_proxy(poe.base_url, Path(folder)) as proxy,
    ):
        yield poe, proxy


def costs(requests: int) -> dict[str, int]:
    """Points of one session of so many requests, by the way that it takes."""
    found = {}
    with fresh() as (poe, _):
        as_openai_client(poe, poe.base_url, requests)
        found["chat completions"] = points(poe)
    with fresh() as (poe, proxy):
        as_claude_code(poe, proxy.url, requests)
        found["Claude Code"] = points(poe)
    with fresh() as (poe, proxy):
        as_openai_client(poe, proxy.url, requests)
        found["OpenAI client"] = points(poe)
    return found


def main() -> None:
    log.configure("warning", "text")
    for requests in (10, 20):
        found = costs(requests)
        base = found["chat completions"]
        told = ", ".join(f"{way} {cost:,} ({cost / base:.3f})" for way, cost in found.items())
        print(f"{requests} requests: {told}")


if __name__ == "__main__":
    main()
