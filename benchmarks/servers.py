"""A server under measurement: started on a core, timed to its first answer, looked at from outside, ended."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from benchmarks.said import CHAT

ROOT = Path(__file__).parents[1]
SERVER_CORE, OTHER_CORE = "0", "1"
GPT, CLAUDE = "gpt-5.4-mini", "claude-haiku-4.5"
_PATIENCE_S = 90
_LOOK_EACH_S = 0.005


@dataclass(frozen=True, slots=True)
class Server:
    """How a server is started that shall listen at ``port``; ``environment`` is beside this process's own."""

    name: str
    port: int
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    log: Path = Path(os.devnull)


@dataclass(frozen=True, slots=True)
class Running:
    """A running server, seen from outside; ``start_s`` is from its command to its first answer."""

    name: str
    port: int
    pid: int
    start_s: float

    def resident_mb(self) -> float:
        """Memory of the server and its children; what children share with it counts for each."""
        return sum(_status(pid, "VmRSS") for pid in self._pids()) / 1024

    def processor_s(self) -> float:
        """Seconds of the processor that the server and its children have used."""
        return sum(_processor_ticks(pid) for pid in self._pids()) / os.sysconf("SC_CLK_TCK")

    def open_files(self) -> int:
        """Open file descriptors, of which nearly all are connections."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self._pids())

    def has_loaded(self, library: str) -> bool:
        """Whether a library is in the server's memory."""
        return any(library in Path(f"/proc/{pid}/maps").read_text() for pid in self._pids())

    def _pids(self) -> list[int]:
        found = [self.pid]
        for pid in found:
            found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def ask(self, path: str, body: dict[str, object] | None = None) -> tuple[int, bytes]:
        """Status and body of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
        try:
            if body is None:
                connection.request("GET", path)
            else:
                connection.request("POST", path, orjson.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _status(pid: int, line: str) -> int:
    match = re.search(rf"{line}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) if match else 0


def _processor_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # in user mode and in the kernel


def connections_to(port: int) -> int:
    """Connections of this machine that are open to a port of its own, as their clients have them."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(row.split()[2].endswith(f":{port:04X}") and row.split()[3] == "01" for row in rows)


def asked(model: str, *, stream: bool = False) -> dict[str, object]:
    """The body of a small request, in either dialect."""
    messages = [{"role": "user", "content": "Say hello in twenty words."}]
    return {"model": model, "max_tokens": 100, **({"stream": True} if stream else {}), "messages": messages}


def free_port() -> int:
    """A port that was free a moment ago, for programs that cannot be handed a socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs one of the benchmarks' own modules."""
    return (sys.executable, "-m", f"benchmarks.{module}", *arguments)


@contextmanager
def serving(server: Server, core: str = SERVER_CORE) -> Iterator[Running]:
    """The server on one core (or on ``0,1``) for as long as the block lasts, from its first answer on."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # who ends a benchmark ends its servers too
    began = time.monotonic()
    with server.log.open("ab") as sink:
        process = subprocess.Popen(
            ["taskset", "-c", core, *server.command],
            cwd=ROOT,
            env={**os.environ, **server.environment},
            stdout=sink,
            stderr=sink,
        )
    try:
        _wait_for_answer(server, process)
        yield Running(server.name, server.port, process.pid, time.monotonic() - began)
    finally:
        _end(process)


def _wait_for_answer(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    looked = Running(server.name, server.port, process.pid, 0)
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if looked.ask(CHAT, asked(GPT))[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(_LOOK_EACH_S)
    raise SystemExit(f"{server.name} did not start: {' '.join(server.command)}\n{_last_words(server.log)}")


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:] if log.is_file() else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
