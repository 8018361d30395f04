"""A proxy in a process of its own, and what a fault is judged by: its log, memory, open files and ledger."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

import poe_sim
from tests.commands import PROXY, Command, in_front_of, started
from tests.ledger.rows import rows_in
from tests.talk import Json, chat


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

    def rows(self) -> list[Json]:
        return rows_in(self.database)

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.command.pid}/fd"))

    def memory_mb(self) -> float:
        """What it has in memory now."""
        status = Path(f"/proc/{self.command.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


@contextlib.contextmanager
def serving(
    poe: poe_sim.SimServer, folder: Path, *more: str, words: Sequence[str] = PROXY, **settings: object
) -> Iterator[Serving]:
    """``words`` on a free port, from when they say where until the block ends."""
    with started([*words, "--port", "0", *more], folder, in_front_of(poe.base_url, **settings)) as command:
        yield Serving(command, command.wait_for_words(r"client at (http://[^ /]+)"), folder)


def charges(poe: poe_sim.SimServer) -> list[Json]:
    """What Poe charged, in order."""
    said: list[Json] = httpx.get(f"{poe.base_url}/_sim/charges", trust_env=False).json()["charges"]
    return said
