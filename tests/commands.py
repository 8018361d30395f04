"""Our commands as people start them: real processes in a folder of their own, with an environment made from nothing."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from poe_sim import KEYS
from tests.running import QUIET, ROOT

PROXY = (sys.executable, str(ROOT / "proxy.py"))
UVICORN = (sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT), "proxy:app")
_GUARD = str(ROOT / "tests" / "offline")
_PATIENCE_S = 30
_LOOK_AGAIN_S = 0.02


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and all that it said. A signal's exit code is negative."""

    code: int
    said: str


class Command:
    """A command under way. It writes into a file, so it never waits for somebody to read."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self._process = process
        self._output = output

    @property
    def said(self) -> str:
        return self._output.read_text()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a farewell, with its workers: it leads the session that it was started in."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def end(self) -> Ended:
        """Wait until it ends by itself."""
        return Ended(self._process.wait(_PATIENCE_S), self.said)

    def wait_for_words(self, pattern: str) -> str:
        """What the first group of ``pattern`` matches in what was said, as soon as it is said."""
        said = (re.search(pattern, self.said) for _ in self._patiently(pattern))
        return next(found[1] for found in said if found)

    def wait_until_nobody_listens(self, url: str) -> None:
        for _ in self._patiently(f"the end of {url}"):
            with socket.socket() as caller:
                if caller.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))):
                    return

    def wait_for_file(self, path: Path) -> None:
        next(there for there in (path.exists() for _ in self._patiently(str(path))) if there)

    def _patiently(self, what: str) -> Iterator[None]:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            running = self._process.poll() is None
            yield
            if not running:
                break
            time.sleep(_LOOK_AGAIN_S)
        raise AssertionError(f"waited in vain for {what}; the command said: {self.said}")


@contextlib.contextmanager
def started(words: Sequence[str], folder: Path, settings: Mapping[str, object] | None = None) -> Iterator[Command]:
    """Run ``words`` in ``folder``, with ``settings`` and nothing of ours, until the block ends; then it is killed."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": _GUARD, "MODELS_FILE": str(ROOT / "models.yaml"), **QUIET}
    environment["DATA_DIR"] = str(folder / "data")
    (folder / ".env").touch()  # or the checkout's own would be read, which is the developer's
    environment |= {name: str(value) for name, value in (settings or {}).items()}
    output = folder / "output.txt"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    command = Command(process, output)
    try:
        yield command
    finally:
        command.kill()


def run(words: Sequence[str], folder: Path, settings: Mapping[str, object] | None = None) -> Ended:
    """Run ``words`` until it ends by itself."""
    with started(words, folder, settings) as command:
        return command.end()


def in_front_of(poe_url: str, **settings: object) -> dict[str, object]:
    """The settings that lead to a stand-in Poe with a key that it knows."""
    return {"POE_BASE_URL": poe_url, "POE_API_KEY": KEYS[0], **settings}
