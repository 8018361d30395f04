"""The real Claude Code does a task with tools through the proxy, in front of the stand-in: native, and on a GPT model.

The suite is offline, so this is a command of its own: ``./scripts/e2e-claude-code``. It needs npm and its registry.
``--direct`` leaves the proxy out, to see that Claude Code and the stand-in get along (Claude models only).

Exit codes: 0 all went well, or the registry does not answer (which is said loudly) · 1 it did not, and what.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

import poe_sim
from poe_sim import KEYS
from tests.commands import PROXY, in_front_of, started

VERSION = "2.1.329"
PACKAGE = f"@anthropic-ai/claude-code@{VERSION}"
NATIVE, TRANSLATED = "claude-sonnet-4.6", "gpt-5.4"
PATHS = {NATIVE: "/v1/messages", TRANSLATED: "/v1/chat/completions"}
_TURN_S = 60
_INSTALL_S = 600
_REGISTRY_S = 30
_QUIET = (
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "DISABLE_TELEMETRY",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_AUTOUPDATER",
    "IS_SANDBOX",  # root may not skip the questions otherwise
)


@dataclass(frozen=True, slots=True)
class Runner:
    """A way to run Claude Code: the words in front of its arguments, and the environment."""

    words: Sequence[str]
    environment: Mapping[str, str]

    def turn(self, folder: Path, prompt: str, *options: str) -> dict[str, Any]:
        """One headless turn in ``folder``; the ``result`` line of its output."""
        words = [*self.words, "-p", prompt, *options, "--output-format", "stream-json", "--verbose"]
        ended = subprocess.run(
            [*words, "--permission-mode", "bypassPermissions"],
            cwd=folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TURN_S,
            check=False,
        )
        assert ended.returncode == 0, f"exit code {ended.returncode}\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
        lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
        (result,) = [line for line in lines if line.get("type") == "result"]
        assert not result["is_error"], result
        return dict(result)


def main() -> int:
    binary = installed()
    if binary is None:
        say("SKIPPED: the npm registry does not answer, so there is no Claude Code to try. Nothing was tested.")
        return 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="poe-proxy-e2e-") as name, poe_sim.running() as poe:
        if "--direct" in sys.argv[1:]:
            task(Path(name), poe, Runner([str(binary)], environment(Path(name), poe.base_url, KEYS[0])), NATIVE)
        else:
            through_the_proxy(Path(name), poe, binary)
    say(f"Claude Code {VERSION} did all of its task in {time.monotonic() - begun:.0f} s")
    return 0


def through_the_proxy(folder: Path, poe: poe_sim.SimServer, binary: Path) -> None:
    """By way of ``python proxy.py code``, which finds the proxy that runs."""
    key = secrets.token_hex(24)
    settings = {name: str(value) for name, value in in_front_of(poe.base_url, PROXY_API_KEY=key).items()}
    with started((*PROXY, "--port", "0"), folder, settings | {"LOG_FORMAT": "json"}) as proxy:
        url = proxy.wait_for_words(r"client at (http://[^ /]+)")
        code = settings | {"PORT": url.rpartition(":")[2], "CLAUDE_BIN": str(binary), "DATA_DIR": str(folder / "data")}
        runner = Runner([*PROXY, "code"], environment(folder, "http://127.0.0.1:1", "replaced-by-code") | code)
        for model in (NATIVE, TRANSLATED):
            session = task(folder, poe, runner, model)
            points_are_told(runner, session, model)
        faults = [line for line in proxy.said.splitlines() if '"level":"warning"' in line or '"level":"error"' in line]
        assert not faults, "\n".join(faults)


def task(folder: Path, poe: poe_sim.SimServer, runner: Runner, model: str) -> str:
    """A file written, a command run, a pair of calls at once, and a last word; the id of the session."""
    begun = time.monotonic()
    work = folder / model
    work.mkdir()
    seen = len(requests(poe))
    first = runner.turn(work, f"Write it. {call(Write=file(work / 'hello.txt', 'hello from Poe'))}", "--model", model)
    has(work / "hello.txt", "hello from Poe", first)

    command = "tr a-z A-Z <hello.txt >loud.txt && cat loud.txt && echo $((40 + 2))th"
    second = runner.turn(work, f"Now run it. {call(Bash=shell(command))}", "--continue", "--model", model)
    has(work / "loud.txt", "HELLO FROM POE", second)

    pair = call(Write=file(work / "left.txt", "ünï → 👋"), Bash=shell("sleep 0.2; echo right >right.txt"))
    third = runner.turn(work, f"Both at once. {pair}", "--continue", "--model", model)
    has(work / "left.txt", "ünï → 👋", third)
    has(work / "right.txt", "right\n", third)

    last = runner.turn(work, "That was all, goodbye", "--resume", first["session_id"], "--model", model)
    assert "goodbye" in last["result"], last
    the_books_agree(requests(poe)[seen:], model)
    say(f"{model}: {len(requests(poe)) - seen} requests in {time.monotonic() - begun:.1f} s")
    return str(last["session_id"])


def has(path: Path, content: str, said: Mapping[str, Any]) -> None:
    there = path.read_text() if path.exists() else None
    assert there == content, f"{path} has {there!r}; Claude Code said: {said['result']}"


def the_books_agree(asked: Sequence[Mapping[str, Any]], model: str) -> None:
    """Every request went where this kind of model is asked, was answered, and the tools' results came back to Poe."""
    assert {(one["path"], one["outcome"], one["status"]) for one in asked} == {(PATHS[model], "answered", 200)}, asked
    assert {one["model"] for one in asked} == {model}
    last = json.dumps(asked[-1]["body"], ensure_ascii=False)
    assert "HELLO FROM POE" in last
    assert "42th" in last
    assert len([one for one in asked if one["body"].get("tools")]) >= 7, "each of three turns asks twice, the last once"


def points_are_told(runner: Runner, session: str, model: str) -> None:
    """The status line of this session."""
    told = json.dumps({"session_id": session, "model": {"id": model}})
    line = subprocess.run(
        [*PROXY, "statusline"],
        env={name: value for name, value in runner.environment.items() if not name.startswith("ANTHROPIC_")},
        input=told,
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    ).stdout
    assert line.startswith(f"{model} · "), line
    assert "points this session" in line, line
    assert not line.startswith(f"{model} · 0 "), line


def requests(poe: poe_sim.SimServer) -> list[dict[str, Any]]:
    """The model calls in the stand-in's books."""
    said = httpx.get(f"{poe.base_url}/_sim/requests", trust_env=False).json()["requests"]
    return [one for one in said if one["method"] == "POST"]


def call(**tools: str) -> str:
    """The stand-in's word for calls of these tools."""
    wanted = " ".join(f"{name}='{arguments}'" for name, arguments in tools.items())
    return f"[[sim:call {wanted}]]"


def file(path: Path, content: str) -> str:
    return json.dumps({"file_path": str(path), "content": content}, ensure_ascii=False)


def shell(command: str) -> str:
    return json.dumps({"command": command, "description": "What was asked for"})


def environment(folder: Path, url: str, key: str) -> dict[str, str]:
    """Made from nothing, so that nobody's own settings or sessions come into it."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "SHELL": "/bin/bash",
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_AUTH_TOKEN": key,
        "MODELS_FILE": str(Path(PROXY[1]).with_name("models.yaml")),
        **dict.fromkeys(_QUIET, "1"),
    }


# --- installation -----------------------------------------------------------------------------------------------------


def installed() -> Path | None:
    """Claude Code's program, installed once for all runs; None where the registry does not answer."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "poe-proxy" / f"claude-code-{VERSION}"
    binary = cache / "node_modules" / ".bin" / "claude"
    if binary.exists():
        return binary
    npm = shutil.which("npm")
    assert npm, "npm is needed to install Claude Code: install Node.js 18 or newer, which has it"
    if not _answers(npm):
        return None
    say(f"installing Claude Code {VERSION} (about 360 MB) into {cache} …")
    with _whole(cache) as draft:
        (draft / "package.json").write_text('{"private": true}')
        words = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run([*words, PACKAGE], cwd=draft, timeout=_INSTALL_S, check=True)
    return binary


def _answers(npm: str) -> bool:
    """Whether the registry answers at all; that it has the package is not asked here but found out by installing."""
    words = [npm, "view", PACKAGE, "version", "--fetch-retries=1"]
    try:
        asked = subprocess.run(words, capture_output=True, text=True, timeout=_REGISTRY_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0 or "E404" in asked.stderr


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder that appears under its name once it is complete: what broke off half-way is not taken for it."""
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        yield draft
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
