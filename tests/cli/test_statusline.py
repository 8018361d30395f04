"""``python proxy.py statusline``: one line, soon, whatever happens."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from poe_proxy.cli import statusline as command
from poe_proxy.cli.statusline import line
from tests.cli.house import checkout
from tests.commands import PROXY
from tests.running import Proxy, eventually
from tests.talk import chat, post

KEY = "k9x2m7q4w8e1r5t3z6u0"
SESSION = "s 1&x"
TOLD = {"session_id": SESSION, "model": {"id": "gpt-5.4", "display_name": "GPT 5.4"}, "cwd": "/", "version": "2.1.329"}


def run(told: object, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    text = told if isinstance(told, str) else json.dumps(told)
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH")} | environment
    words = words or PROXY
    return subprocess.run(
        [*words, "statusline"], input=text, env=environment, capture_output=True, text=True, timeout=20, check=False
    )


def said_once(holds: Callable[[str], bool], told: object, *words: str, **environment: str) -> str:
    """The line if ``holds`` of it, else nothing: what the proxy knows comes a moment later."""
    said = run(told, *words, **environment).stdout
    return said if holds(said) else ""


class TestTheLine:
    used: ClassVar = {"session": {"points": 1234, "requests": 3}, "points": {"today": 5678}, "balance": 842500}

    def test_all_is_known(self) -> None:
        said = "gpt-5.4 · 1,234 points this session · 5,678 today · balance 842,500"
        assert line(TOLD, self.used) == said

    @pytest.mark.parametrize(
        ("told", "used", "said"),
        [
            (TOLD, {}, "gpt-5.4"),
            ({}, used, "1,234 points this session · 5,678 today · balance 842,500"),
            (TOLD, used | {"balance": None}, "gpt-5.4 · 1,234 points this session · 5,678 today"),
            (TOLD, {"points": {"today": 0}}, "gpt-5.4 · 0 today"),
            (TOLD, {"session": 3, "points": [], "balance": "x"}, "gpt-5.4"),
            ({"model": {"id": "claude-poe-glm-5"}}, {}, "glm-5"),
            ({"model": {"display_name": "Opus"}}, {}, "Opus"),
            ({"model": "opus"}, {"balance": True}, ""),
            ({}, {}, ""),
        ],
    )
    def test_what_is_not_known_is_left_out(self, told: dict[str, object], used: dict[str, object], said: str) -> None:
        assert line(told, used) == said


def test_it_tells_the_points_of_the_session(start_proxy: Callable[..., Proxy]) -> None:
    proxy = start_proxy(PROXY_API_KEY=KEY)
    post(proxy, chat("hi"), **{"x-api-key": KEY, "x-claude-code-session-id": SESSION})
    way = {"ANTHROPIC_BASE_URL": proxy.url, "ANTHROPIC_AUTH_TOKEN": KEY}
    said = eventually(lambda: said_once(lambda said: "balance" in said and "· 0 " not in said, TOLD, **way))
    assert said.startswith("gpt-5.4 · ")
    assert said.count("\n") == 1


def test_without_claude_codes_environment_the_settings_say_where(
    start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    proxy = start_proxy(PROXY_API_KEY=KEY)
    home = checkout(tmp_path)
    (home / ".env").write_text(f"PORT={proxy.port}\nPROXY_API_KEY={KEY}\n")
    words = (sys.executable, str(home / "proxy.py"))
    said = eventually(lambda: said_once(lambda said: "today" in said, TOLD, *words))
    assert "0 points this session" in said


@pytest.mark.parametrize("told", ["", "{", "[]", "null", '{"model": 1, "session_id": {}}', "[" * 100_000, "\udcff"])
def test_whatever_it_is_told_it_prints_a_line(told: str) -> None:
    ended = run(told.encode("utf-8", "replace").decode(), ANTHROPIC_BASE_URL="http://127.0.0.1:1")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "\n", "")


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1:1", "http://[", "http://127.0.0.1:99999", "ftp://x"])
def test_a_proxy_that_is_not_there_is_left_out(url: str) -> None:
    ended = run(TOLD, ANTHROPIC_BASE_URL=url)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "gpt-5.4\n", "")


def test_broken_settings_are_left_out(tmp_path: Path) -> None:
    home = checkout(tmp_path)
    ended = run(TOLD, sys.executable, str(home / "proxy.py"), PORT="99999")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "gpt-5.4\n", "")


def test_a_proxy_that_never_answers_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ended = run(TOLD, ANTHROPIC_BASE_URL=f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "gpt-5.4\n", "")


def test_an_input_that_never_ends_is_not_waited_for() -> None:
    read, write = os.pipe()
    os.write(write, json.dumps(TOLD).encode())
    try:
        environment = {"PATH": os.environ["PATH"], "ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}
        ended = subprocess.run(
            [*PROXY, "statusline"], stdin=read, env=environment, capture_output=True, timeout=20, check=False
        )
    finally:
        os.close(read)
        os.close(write)
    assert (ended.returncode, ended.stdout) == (0, b"gpt-5.4\n")


def test_it_is_patient_for_less_than_claude_code() -> None:
    """Claude Code asks again every 300 ms at most, and drops an answer that is not there by then."""
    assert command.PATIENCE_S <= 0.3
