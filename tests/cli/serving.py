"""Commands that serve, as their callers and their operators meet them."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from tests.commands import Command, started
from tests.talk import Json, chat

TWO_WORKERS = ("--workers", "2")


@dataclass(frozen=True, slots=True)
class Serving:
    """A command that answers at ``url``."""

    command: Command
    url: str

    def ask(self, text: str) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/chat/completions", json=chat(text), trust_env=False, timeout=30)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def say(self, data: bytes) -> bytes:
        """All that comes back until the proxy closes the connection, while we never do."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            return b"".join(iter(partial(connection.recv, 65536), b""))

    @contextmanager
    def stream(self, text: str) -> Iterator["Stream"]:
        body: Json = chat(text, stream=True)
        with (
            httpx.Client(trust_env=False, timeout=30) as client,
            client.stream("POST", f"{self.url}/v1/chat/completions", json=body) as response,
        ):
            yield Stream(response.iter_lines())


class Stream:
    """The ``data:`` of a stream, one after the other. A body without its proper end is an error of httpx."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._data = (line.removeprefix("data: ") for line in lines if line.startswith("data: "))

    def wait_for_text(self) -> None:
        next(data for data in self._data if '"content":"t' in data or '"content":"q' in data)

    def rest(self) -> list[str]:
        return list(self._data)


@contextmanager
def serving(words: Sequence[str], folder: Path, **settings: object) -> Iterator[Serving]:
    """Run ``words`` on a free port, as soon as it says where it serves."""
    with started([*words, "--port", "0"], folder, settings) as command:
        yield Serving(command, command.wait_for_words(r"(?:client at|running on) (http://[^ /]+)"))
