"""What the proxy adds: answers and streams a second, latency, memory and start time, beside the direct figures.

The proxy runs with its ledger and with limits that count but never bind, and once more without either, so that their
price is seen.
One core for the proxy, the other for the stand-in Poe (its fast mode) and wrk. Rounds are interleaved, so that what
else the machine does hits all alike; the figures are medians and the ratios are within one run.
"""

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"model":"%s","max_tokens":100,%s"messages":[{"role":"user","content":"Say hello in twenty words."}]}'
"""
GPT, CLAUDE = "gpt-5.4-mini", "claude-haiku-4.5"
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
PROXY_CORE, OTHER_CORE = "0", "1"
LIMITS = {"RATE_LIMIT": "100000/second", "UPSTREAM_RPM": "1000000"}
NO_LIMITS = {"RATE_LIMIT": "0", "UPSTREAM_RPM": "0"}


@dataclass(frozen=True, slots=True)
class Mode:
    """What is asked: where, of which model, streamed or whole; ``direct`` is where Poe is asked for the same."""

    name: str
    path: str
    model: str
    stream: bool
    direct: str


MODES = [
    Mode(f"{name}{'streams' if stream else 'answers'}", path, model, stream, direct)
    for name, path, model, direct in (
        ("", CHAT, GPT, CHAT),
        ("messages, native: ", MESSAGES, CLAUDE, MESSAGES),
        ("messages, translated: ", MESSAGES, GPT, CHAT),
        ("chat on Claude: ", CHAT, CLAUDE, MESSAGES),
    )
    for stream in (False, True)
]


@dataclass(frozen=True, slots=True)
class Figures:
    """One wrk run: requests a second, the median latency in microseconds, answers that were no success."""

    per_second: float
    median_us: float
    failed: int


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.005)
    raise SystemExit(f"{process.args!r} did not start")


@contextmanager
def serving(core: str, port: int, *command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server pinned to one core for as long as the block lasts."""
    process = subprocess.Popen(
        ["taskset", "-c", core, sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port, process)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def wrk(port: int, mode: Mode, clients: int, seconds: float, *, is_direct: bool = False) -> Figures:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA % (mode.model, '"stream":true,' if mode.stream else ""))
        script.flush()
        said = subprocess.run(
            [
                *("taskset", "-c", OTHER_CORE),
                *("wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--latency", "-s", script.name),
                f"http://127.0.0.1:{port}{mode.direct if is_direct else mode.path}",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    return Figures(_found(r"Requests/sec:\s+([\d.]+)", said), _latency(said), int(_found(r"Non-2xx.*?: (\d+)", said)))


def _found(pattern: str, text: str) -> float:
    match = re.search(pattern, text)
    return float(match.group(1)) if match else 0.0


def _latency(said: str) -> float:
    match = re.search(r"50%\s+([\d.]+)(us|ms|s)", said)
    assert match is not None, said
    return float(match.group(1)) * {"us": 1, "ms": 1e3, "s": 1e6}[match.group(2)]


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    return _found(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text()) / 1024


def start_seconds(poe_port: int, data_dir: str) -> float:
    """From command to the first answer of ``/health``."""
    port = free_port()
    began = time.monotonic()
    with serving(PROXY_CORE, port, "proxy.py", "--port", str(port), **_settings(poe_port, data_dir), **LIMITS):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
        return time.monotonic() - began


def proxying(
    port: int, poe_port: int, data_dir: str, limits: dict[str, str], program: str = "proxy.py"
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    return serving(PROXY_CORE, port, program, "--port", str(port), **_settings(poe_port, data_dir), **limits)


def _settings(poe_port: int, data_dir: str) -> dict[str, str]:
    return {
        "POE_API_KEY": "poe-sim-key-0001",
        "POE_BASE_URL": f"http://127.0.0.1:{poe_port}",
        "DATA_DIR": data_dir,
        "LOG_FORMAT": "json",
        "FOOTER": "never",
    }


def run(rounds: int, seconds: float) -> None:
    poe_port = free_port()
    with (
        tempfile.TemporaryDirectory() as data_dir,
        serving(OTHER_CORE, poe_port, "-m", "poe_sim", "--fast", "--port", str(poe_port)),
    ):
        starts = [start_seconds(poe_port, data_dir) for _ in range(rounds)]  # while nothing else has the core
        _under_load(poe_port, data_dir, rounds, seconds)
        print(f"{'start to first answer':<44}{statistics.median(starts):8.2f} s")


def _under_load(poe_port: int, data_dir: str, rounds: int, seconds: float) -> None:
    proxy_port, bare_port = free_port(), free_port()
    with (
        proxying(proxy_port, poe_port, data_dir, LIMITS) as proxy,
        proxying(bare_port, poe_port, f"{data_dir}/bare", NO_LIMITS, "benchmarks/without_ledger.py"),
    ):
        for mode in MODES:
            _compare(mode, (poe_port, proxy_port, bare_port), rounds, seconds)
        for mode in MODES:
            if not mode.stream:
                _added(mode, poe_port, proxy_port, rounds, seconds)
        print(f"{'memory after the load':<44}{resident_mb(proxy):8.0f} MB")


def _compare(mode: Mode, ports: tuple[int, int, int], rounds: int, seconds: float) -> None:
    runs = [[wrk(port, mode, 32, seconds, is_direct=port == ports[0]) for port in ports] for _ in range(rounds)]
    direct, through, bare = (statistics.median(round_[n].per_second for round_ in runs) for n in range(3))
    failed = sum(figures.failed for round_ in runs for figures in round_)
    print(
        f"{mode.name + '/s at 32 clients':<44}{through:8.0f}   (direct {direct:.0f}, ratio {through / direct:.3f}; "
        f"without ledger and limits {bare:.0f}, ratio {through / bare:.3f}; failed {failed})"
    )


def _added(mode: Mode, poe_port: int, proxy_port: int, rounds: int, seconds: float) -> None:
    ports = (poe_port, proxy_port)
    runs = [
        [wrk(port, mode, 1, seconds, is_direct=port == poe_port).median_us for port in ports] for _ in range(rounds)
    ]
    added = statistics.median(through - direct for direct, through in runs)
    print(f"{mode.name + ': added median at 1 client':<44}{added / 1000:8.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    chosen = parser.parse_args()
    for program in ("wrk", "taskset"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is needed: apt-get install wrk util-linux")
    run(chosen.rounds, chosen.seconds)


if __name__ == "__main__":
    main()
