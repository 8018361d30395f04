"""``python proxy.py connect CLIENT``: the exact settings, shown or put into the client's own file."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.house import checkout
from tests.commands import Ended, run

KEY = "k9x2m7q4w8e1r5t3z6u0"
OURS = {"PORT": "9999", "PROXY_API_KEY": f"{KEY},another-z6u0k9x2m7q4w8"}
URL = "http://127.0.0.1:9999"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Somebody's home folder, with the checkout in it."""
    checkout(tmp_path)
    return tmp_path


def connect(home: Path, *words: str, **settings: object) -> Ended:
    settings = {"HOME": home, "MODELS_FILE": "", "DATA_DIR": "", **OURS, **settings}
    return run((sys.executable, str(home / "checkout" / "proxy.py"), "connect", *words), home, settings)


def shown(home: Path, *words: str) -> str:
    """What goes to stdout: the settings and nothing else."""
    proxy = str(home / "checkout" / "proxy.py")
    words = (sys.executable, proxy, "connect", *words)
    settings = {"HOME": str(home), **OURS}
    return subprocess.run(words, cwd=home, env=settings, capture_output=True, text=True, check=True).stdout


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_claude_code_is_shown_what_it_needs(home: Path) -> None:
    line = shlex.join([sys.executable, str(home / "checkout" / "proxy.py"), "statusline"])
    assert json.loads(shown(home, "claude-code")) == {
        "env": {
            "ANTHROPIC_BASE_URL": URL,
            "ANTHROPIC_AUTH_TOKEN": KEY,
            "ANTHROPIC_DEFAULT_OPUS_MODEL": "claude-opus-4.6",
            "ANTHROPIC_DEFAULT_SONNET_MODEL": "claude-sonnet-4.6",
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": "claude-haiku-4.5",
            "ANTHROPIC_DEFAULT_FABLE_MODEL": "claude-opus-4.6",
            "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
        },
        "statusLine": {"type": "command", "command": line},
    }
    assert not (home / ".claude").exists()


def test_a_model_is_made_the_default(home: Path) -> None:
    assert json.loads(shown(home, "claude-code", "--model", "gpt-5.4"))["env"]["ANTHROPIC_MODEL"] == "gpt-5.4"
    said = json.loads(shown(home, "opencode", "--model", "glm-4.6"))
    assert said["model"] == "poe-proxy/glm-4.6"
    assert "glm-4.6" in said["provider"]["poe-proxy"]["models"]
    assert [model["model"] for model in yaml.safe_load(shown(home, "continue", "--model", "o3"))["models"]] == [
        "poe/o3"
    ]


def test_a_model_that_nobody_knows_is_told_of(home: Path) -> None:
    ended = connect(home, "claude-code", "--model", "gtp-5.4")
    assert ended.code == 0
    assert "note: " in ended.said
    assert "gpt-5.4" in ended.said


def test_without_keys_one_that_works_is_shown(home: Path) -> None:
    assert "OPENAI_API_KEY=no-key-needed" in connect(home, "openai", PROXY_API_KEY="").said


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"HOST": "0.0.0.0"}, URL),
        ({"HOST": "::"}, "http://[::1]:9999"),
        ({"HOST": "192.168.1.5"}, "http://192.168.1.5:9999"),
        ({"HOST": "0.0.0.0", "PUBLISH_ADDR": "127.0.0.1", "PUBLISH_PORT": "80"}, "http://127.0.0.1:80"),
    ],
)
def test_the_address_is_one_that_can_be_called(home: Path, settings: dict[str, str], url: str) -> None:
    assert f"OPENAI_BASE_URL={shlex.quote(url + '/v1')}" in connect(home, "openai", **settings).said


def test_the_settings_are_those_beside_proxy_py(home: Path) -> None:
    (home / "checkout" / ".env").write_text(f"PORT=1234\nPROXY_API_KEY={KEY}\n")
    (home / ".env").write_text("PORT=1\nPROXY_API_KEY=short\n")
    assert "http://127.0.0.1:1234/v1" in connect(home, "openai", PORT="", PROXY_API_KEY="").said


def test_written_into_claude_codes_settings(home: Path) -> None:
    file = home / ".claude" / "settings.json"
    file.parent.mkdir()
    mine = {
        "model": "opus",
        "env": {"ANTHROPIC_DEFAULT_HAIKU_MODEL": "gpt-5.4-nano", "X": "1"},
        "statusLine": {"type": "mine"},
    }
    file.write_text(json.dumps(mine))
    ended = connect(home, "claude-code", "--write")
    assert (ended.code, ended.said) == (0, f"Claude Code: {file} is written; the old one is {file}.before-poe-proxy\n")
    after = read(file)
    assert (after["model"], after["statusLine"]) == ("opus", {"type": "mine"})
    assert after["env"] | mine["env"] == after["env"]
    assert after["env"]["ANTHROPIC_BASE_URL"] == URL
    assert read(Path(f"{file}.before-poe-proxy")) == mine
    assert KEY not in ended.said


def test_a_second_time_nothing_happens(home: Path) -> None:
    connect(home, "claude-code", "--write")
    ended = connect(home, "claude-code", "--write")
    assert (ended.code, ended.said) == (0, f"Claude Code: {home}/.claude/settings.json has it all already\n")
    assert [path.name for path in (home / ".claude").iterdir()] == ["settings.json"]


def test_for_one_project(home: Path) -> None:
    assert connect(home, "claude-code", "--project", "--write").code == 0
    assert read(home / ".claude" / "settings.local.json")["env"]["ANTHROPIC_BASE_URL"] == URL
    assert not (home / ".claude" / "settings.json").exists()


def test_claude_codes_folder_may_be_elsewhere(home: Path) -> None:
    connect(home, "claude-code", "--write", CLAUDE_CONFIG_DIR=home / "elsewhere")
    assert (home / "elsewhere" / "settings.json").exists()


def test_written_for_opencode(home: Path) -> None:
    file = home / ".config" / "opencode" / "opencode.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"theme": "mine", "provider": {"other": {"npm": "x"}}}')
    assert connect(home, "opencode", "--write").code == 0
    after = read(file)
    assert (after["theme"], after["provider"]["other"]) == ("mine", {"npm": "x"})
    provider = after["provider"]["poe-proxy"]
    assert provider["options"] == {"baseURL": f"{URL}/v1", "apiKey": KEY}
    assert provider["models"]["gpt-5.4"] == {"name": "GPT-5.4", "limit": {"context": 1050000, "output": 128000}}
    assert "imagen-4" not in provider["models"]
    assert "has it all already" in connect(home, "opencode", "--write").said


def test_written_for_continue(home: Path) -> None:
    file = home / ".continue" / "config.yaml"
    file.parent.mkdir()
    file.write_text(
        "name: Mine  # mine\nversion: 0.0.1\nschema: v1\nmodels:\n  - name: llama  # small\n    model: llama3\n"
    )
    assert connect(home, "continue", "--write").code == 0
    assert file.read_text().startswith(
        "name: Mine  # mine\nversion: 0.0.1\nschema: v1\nmodels:\n  - name: llama  # small\n"
    )
    first, ours, _ = yaml.safe_load(file.read_text())["models"]
    assert first == {"name": "llama", "model": "llama3"}
    assert (ours["provider"], ours["apiBase"], ours["apiKey"]) == ("openai", f"{URL}/v1", KEY)
    assert (ours["model"], ours["capabilities"]) == ("poe/gpt-5.4", ["tool_use", "image_input"])
    assert "has it all already" in connect(home, "continue", "--write").said


@pytest.mark.parametrize(
    ("client", "file", "content"),
    [
        ("claude-code", ".claude/settings.json", "{broken"),
        ("opencode", ".config/opencode/opencode.json", '{"a": 1 // mine\n}'),
        ("continue", ".continue/config.yaml", "a: [1\n"),
    ],
)
def test_a_file_that_cannot_be_read_is_left_alone(home: Path, client: str, file: str, content: str) -> None:
    (home / file).parent.mkdir(parents=True)
    (home / file).write_text(content)
    ended = connect(home, client, "--write")
    assert ended.code == 2
    assert ended.said.startswith(f"nothing was written: {home / file} is not ")
    assert f"{URL}" in ended.said, "what to put in by hand"
    assert [path.read_text() for path in (home / file).parent.iterdir()] == [content]


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ("cline", "open Cline's settings"),
        ("cursor", "public https"),
        ("openai", "your shell's profile"),
    ],
)
def test_where_there_is_no_file_it_says_what_to_do(home: Path, client: str, words: str) -> None:
    ended = connect(home, client, "--write")
    assert ended.code == 2
    assert words in ended.said
    assert f"{URL}/v1" in ended.said
    assert connect(home, client).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["emacs"], "there is no client 'emacs': choose one of claude-code, opencode"),
        (["opencode", "--project"], "--project is for claude-code"),
    ],
)
def test_what_makes_no_sense_ends_with_2(home: Path, words: list[str], said: str) -> None:
    ended = connect(home, *words)
    assert ended.code == 2
    assert said in ended.said


def test_bad_settings_end_with_2(home: Path) -> None:
    ended = connect(home, "claude-code", PORT="99999")
    assert (ended.code, ended.said.split()[:2]) == (2, ["poe-proxy:", "PORT"])
