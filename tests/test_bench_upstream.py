"""The benchmarks' upstream says what the proxy and the official SDKs can read, in each dialect and mode."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from benchmarks.said import TOKENS
from benchmarks.servers import CLAUDE, GPT, python
from tests.running import ROOT, Proxy, eventually, running_proxy
from tests.services import free_port

WORDS = "".join(f"word{number:02} " for number in range(TOKENS))
ASKED = [{"role": "user", "content": "hi"}]


@contextmanager
def upstream(*options: str) -> Iterator[str]:
    """The upstream as a process of its own, as the benchmarks run it."""
    port = free_port()
    process = subprocess.Popen(python("upstream", "--port", str(port), *options), cwd=ROOT)
    try:
        eventually(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module", params=["", "--rate=2000"], ids=["at_once", "paced"])
def before(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The proxy in front of an upstream."""
    with upstream(*filter(None, [request.param])) as url, running_proxy(url, tmp_path_factory.mktemp("data")) as server:
        yield server


@pytest.mark.parametrize("model", [GPT, CLAUDE])
def test_a_chat_completion_is_read_whole(before: Proxy, model: str) -> None:
    with before.openai() as client:
        said = client.chat.completions.create(model=model, messages=ASKED)  # type: ignore[arg-type]
    assert said.choices[0].message.content == WORDS
    assert said.usage is not None
    assert said.usage.completion_tokens == TOKENS


@pytest.mark.parametrize("model", [GPT, CLAUDE])
def test_a_streamed_chat_completion_is_read_to_its_usage(before: Proxy, model: str) -> None:
    options = {"model": model, "messages": ASKED, "stream": True, "stream_options": {"include_usage": True}}
    with before.openai() as client:
        chunks = list(client.chat.completions.create(**options))  # type: ignore[call-overload]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == WORDS
    assert chunks[-1].usage.completion_tokens == TOKENS


@pytest.mark.parametrize("model", [CLAUDE, GPT])
def test_a_message_is_read_whole_and_streamed(before: Proxy, model: str) -> None:
    with before.anthropic() as client:
        whole = client.messages.create(model=model, max_tokens=100, messages=ASKED)  # type: ignore[arg-type]
        with client.messages.stream(model=model, max_tokens=100, messages=ASKED) as stream:  # type: ignore[arg-type]
            streamed = stream.get_final_message()
    assert [part.text for said in (whole, streamed) for part in said.content if part.type == "text"] == [WORDS, WORDS]
    assert whole.usage.output_tokens == streamed.usage.output_tokens == TOKENS


def test_the_proxy_finds_its_catalogue_and_its_balance(before: Proxy) -> None:
    upkeep = before.house.upkeep
    eventually(lambda: upkeep.key.valid)
    assert upkeep.key.balance == 1_000_000
    assert GPT in {model.id for model in before.openai().models.list()}


def test_bodies_in_pieces_and_connections_that_are_kept_are_understood() -> None:
    body = b'{"stream": true, "padding": "%s"}' % (b"x" * 1_000_000)
    with upstream("--writes=7") as url, httpx.Client(trust_env=False) as client:
        told = [client.post(f"{url}/v1/chat/completions", content=body) for _ in range(2)]
        assert [answer.text.count('"content":"word') for answer in told] == [TOKENS, TOKENS]
        assert all(answer.text.endswith("data: [DONE]\n\n") for answer in told)
        assert client.get(f"{url}/usage/points_history?limit=100").json()["data"] == []
        assert client.post(f"{url}/v1/responses", content=b"{}").status_code == 404
