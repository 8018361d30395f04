"""The load: what is asked, and wrk, which asks it on the other core and says how fast the answers came."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

import orjson

from benchmarks.said import CHAT, MESSAGES, TOKENS
from benchmarks.servers import CLAUDE, GPT, OTHER_CORE, Running, asked

_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Anthropic-Version"] = "2023-06-01"
wrk.body = '%s'
"""
_LAST_WORD = f"word{TOKENS - 1:02}".encode()


@dataclass(frozen=True, slots=True)
class Mode:
    """What is asked: where, of which model, streamed or whole."""

    name: str
    path: str
    model: str
    stream: bool

    @property
    def body(self) -> dict[str, object]:
        """The request."""
        return asked(self.model, stream=self.stream)


MODES = [
    Mode(f"{name}: {'streams' if stream else 'answers'}", path, model, stream)
    for name, path, model in (
        ("chat completions", CHAT, GPT),
        ("messages, native", MESSAGES, CLAUDE),
        ("messages, translated", MESSAGES, GPT),
        ("chat on Claude", CHAT, CLAUDE),
    )
    for stream in (False, True)
]


@dataclass(frozen=True, slots=True)
class Figures:
    """One run; ``processor_us`` is the server's own time for an answer, ``failed`` counts those without success."""

    per_second: float
    processor_us: float
    median_ms: float
    failed: int


def needed() -> None:
    """Exit where the programs are missing without which nothing can be measured."""
    for program in ("wrk", "taskset"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is needed: apt-get install wrk util-linux")


def load(server: Running, mode: Mode, clients: int, seconds: float, core: str = OTHER_CORE) -> Figures:
    """So many clients, each of which asks again as soon as it was answered."""
    used = server.processor_s()
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % orjson.dumps(mode.body).decode())
        script.flush()
        said = subprocess.run(
            [
                *("taskset", "-c", core, "wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "30s"),
                *("--latency", "-s", script.name, f"http://127.0.0.1:{server.port}{mode.path}"),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    answers = _number(r"(\d+) requests in", said)
    per_answer = (server.processor_s() - used) / max(answers, 1) * 1e6
    return Figures(_number(r"Requests/sec:\s+([\d.]+)", said), per_answer, _median_ms(said), _failed(said))


def _number(pattern: str, text: str) -> float:
    match = re.search(pattern, text)
    return float(match[1]) if match else 0.0


def _median_ms(said: str) -> float:
    match = re.search(r"^\s*50%\s+([\d.]+)(us|ms|s)", said, re.MULTILINE)
    assert match is not None, said
    return float(match[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[match[2]]


def _failed(said: str) -> int:
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    return int(_number(r"Non-2xx.*?: (\d+)", said)) + (sum(map(int, sockets.groups())) if sockets else 0)


def check(server: Running, mode: Mode) -> None:
    """Exit unless the server answers with what the upstream said, to its last word: errors would be fast."""
    status, body = server.ask(mode.path, mode.body)
    if status != 200 or _LAST_WORD not in body:
        raise SystemExit(f"{server.name} does not answer {mode.name!r}: {status} {body[-500:]!r}")
