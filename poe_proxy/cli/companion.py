"""The proxy that goes along with ``code``: found running, or started and shared by all who came meanwhile.

Each user holds a shared lock for as long as it needs the proxy; the last one stops what one of them started. Coming and
going is one at a time. The started proxy itself holds a lock on the file with its process id, so that an id that is
somebody else's by now is not taken for it. A proxy that somebody started by hand is left alone.
"""

import contextlib
import fcntl
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from poe_proxy.cli.address import HOME, Address

_ASK_S = 2.0
_START_S = 60.0
_READY_S = 15.0
_STOP_S = 45.0
_LOOK_AGAIN_S = 0.05
_LAST_WORDS = 2000


class NoProxyError(Exception):
    """There is no proxy to be had; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    said: Any


class _Files:
    """What the companions of one address share, in one folder."""

    def __init__(self, folder: Path, address: Address) -> None:
        name = f"code-{urlsplit(address.url).port}"
        self.door, self.users = folder / f"{name}.door", folder / f"{name}.users"
        self.started, self.log = folder / f"{name}.pid", folder / f"{name}.log"


@contextlib.contextmanager
def companion(address: Address, folder: Path) -> Iterator[str]:
    """A proxy that answers at ``address`` for as long as the block lasts, its log and other files in ``folder``.

    Gives what should be told of it, if anything. Raises NoProxyError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = _Files(folder, address)
    with open(files.users, "a", opener=_private) as users:
        try:
            with _one_at_a_time(files.door):
                fcntl.flock(users, fcntl.LOCK_SH)
                if not _is_ours(address):
                    _start(address, files)
            yield _wait_until_ready(address, files.log)
        finally:
            with _one_at_a_time(files.door), contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody else needs it
                _stop(files.started)


@contextlib.contextmanager
def _one_at_a_time(door: Path) -> Iterator[None]:
    with open(door, "a", opener=_private) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_ours(address: Address) -> bool:
    """Whether our proxy answers at ``address``; False where nobody does. Raises NoProxyError where it is of no use."""
    try:
        root, models = _get(address, "/"), _get(address, "/v1/models")
    except ConnectionRefusedError:
        return False
    except (OSError, http.client.HTTPException) as error:
        raise NoProxyError(f"{address.url} does not answer as the proxy would ({error}): choose another PORT") from None
    if not isinstance(root.said, dict) or root.said.get("name") != "Poe Proxy":
        raise NoProxyError(f"something else than the proxy listens at {address.url}: choose another PORT, or free it")
    if models.status == 401:
        raise NoProxyError(f"the proxy at {address.url} does not take the key that PROXY_API_KEY has here: restart it")
    return True


def _start(address: Address, files: _Files) -> None:
    with open(files.started, "a+", opener=_private) as started:
        if _is_locked(started):
            started.seek(0)
            raise NoProxyError(f"the proxy that was started earlier does not answer: end process {started.read()}")
        fcntl.flock(started, fcntl.LOCK_EX)
        process = _launched(files.log, holding=started)
        started.truncate(0)
        started.write(str(process.pid))
    _wait_until_live(process, address, files.log)


def _launched(log: Path, holding: IO[str]) -> "subprocess.Popen[bytes]":
    """A proxy in the background, which holds the lock on ``holding`` from now on; the log is of this start alone."""
    with open(log, "wb", opener=_private) as output:
        return subprocess.Popen(
            [sys.executable, str(HOME / "proxy.py"), "serve"],
            cwd=HOME,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for who is in front, not for the proxy behind
            pass_fds=(holding.fileno(),),
        )


def _wait_until_live(process: "subprocess.Popen[bytes]", address: Address, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):  # not yet, or not quite yet
            if _get(address, "/").status == 200:
                return
        time.sleep(_LOOK_AGAIN_S)
    if process.poll() is None:
        process.kill()
    words = log.read_bytes()[-_LAST_WORDS:].decode("utf-8", "replace").strip()
    raise NoProxyError(f"the proxy did not start ({log}):\n{words}")


def _wait_until_ready(address: Address, log: Path) -> str:
    """Empty once the proxy can serve; else what it says of itself, which Claude Code will be told too."""
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            answer = _get(address, "/ready")
        except (OSError, http.client.HTTPException) as error:
            raise NoProxyError(f"the proxy at {address.url} does not answer any more ({error}): see {log}") from None
        if answer.status == 200:
            return ""
        said = answer.said if isinstance(answer.said, dict) else {}
        words = "; ".join(str(said[name]) for name in ("key", "catalogue") if name in said)
        if time.monotonic() > deadline or "refuses the key" in words:
            return f"the proxy is not ready: {words or answer.status} (its log: {log})"
        time.sleep(_LOOK_AGAIN_S)


def _stop(pid_file: Path) -> None:
    """End the proxy that one of us started, if it still runs."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError), pid_file.open("r+") as started:
        if _is_locked(started):
            os.kill(int(started.read()), signal.SIGTERM)
            deadline = time.monotonic() + _STOP_S
            while _is_locked(started) and time.monotonic() < deadline:
                time.sleep(_LOOK_AGAIN_S)


def _private(path: str, flags: int) -> int:
    """Opened for us alone: whoever can read a file can lock it, and so pass for the process whose id is in it."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)  # one that an earlier version made could be read by all
    return descriptor


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _get(address: Address, path: str) -> _Answer:
    """Straight there: whatever HTTP proxy the environment names is for the way to Poe."""
    connection = http.client.HTTPConnection(urlsplit(address.url).netloc, timeout=_ASK_S)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {address.key}"})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    try:
        return _Answer(answer.status, json.loads(body))
    except ValueError:
        return _Answer(answer.status, None)
