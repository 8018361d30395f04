"""A proxy in a process of its own: what it says to its callers, and what shows how it is."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tests.commands import Command, started
from tests.ledger.rows import rows_in
from tests.talk import Json, chat

TWO_WORKERS = ("--workers", "2")


@dataclass(frozen=True, slots=True)
class Serving:
    """A proxy that answers at ``url``; its folder is the one that it was started in."""

    command: Command
    url: str
    folder: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def database(self) -> Path:
        return self.folder / "data" / "ledger.sqlite3"

    def ask(self, text: str = "hi", **more: Any) -> httpx.Response:
        url = f"{self.url}/v1/chat/completions"
        return httpx.post(url, json=chat(text, **more), trust_env=False, timeout=30)

    def warm_up(self) -> None:
        """Have it load what it loads only once, so that its memory can be compared."""
        counted = {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "hi"}]}
        with self.client() as client:
            assert client.post("/v1/messages/count_tokens", json=counted).status_code == 200
        assert self.ask().status_code == self.ask(stream=True).status_code == 200

    def client(self) -> httpx.Client:
        """For requests over one connection that is kept."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=30)

    def is_there(self) -> bool:
        try:
            return self.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False, timeout=30)

    def metric(self, name: str) -> float:
        lines = self.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

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

    def rows(self) -> list[Json]:
        return rows_in(self.database)

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.command.pid}/fd"))

    def memory_mb(self) -> float:
        """What it has in memory now."""
        status = Path(f"/proc/{self.command.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


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
    """Run ``words`` on a free port, from when they say where they serve until the block ends."""
    with started([*words, "--port", "0"], folder, settings) as command:
        yield Serving(command, command.wait_for_words(r"(?:client at|running on) (http://[^ /]+)"), folder)
