"""Real servers for tests, where their programs are found. Where not, such tests are skipped, loudly.

``POE_PROXY_TESTS_MUST=redis,…`` names those whose tests must run: then a program that is missing is a failure.
"""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.running import eventually

MUST = "POE_PROXY_TESTS_MUST"
_PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/bin"])


def program(service: str, name: str, package: str) -> str:
    """The path of the program ``name``; without it the test is skipped, or fails where the service is a must."""
    found = shutil.which(name, path=_PLACES)
    if found is not None:
        return found
    missing = f"{name} was not found (apt-get install {package})"
    if service in os.environ.get(MUST, "").split(","):
        pytest.fail(f"{MUST} names {service}, but {missing}")
    pytest.skip(f"tests that need a real {service}: {missing}")


def free_port() -> int:
    """A port that was free a moment ago, for programs that cannot be handed a socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class RedisServer:
    """A Redis of one's own, which may be killed, stopped in its tracks and started again on the same port."""

    def __init__(self, program_path: str, folder: Path) -> None:
        self._program = program_path
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> None:
        """Start it and wait until it answers."""
        with (self._folder / "redis.log").open("ab") as sink:
            self._process = subprocess.Popen(
                [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *options],
                cwd=self._folder,
                stdout=sink,
                stderr=sink,
            )
        eventually(lambda: self.say("PING").startswith((b"+PONG", b"-NOAUTH")), 20)

    def say(self, *words: str) -> bytes:
        """Redis' answer to a command, empty where nobody listens."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(f"{' '.join(words)}\r\n".encode())
                return connection.recv(2**16)
        except OSError:
            return b""

    def send(self, number: signal.Signals) -> None:
        """Send a signal: SIGSTOP makes it a server that takes connections and never answers."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a farewell."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """A Redis server for as long as the block lasts."""
    server = RedisServer(program("redis", "redis-server", "redis-server"), folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
