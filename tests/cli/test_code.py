"""``python proxy.py code``: Claude Code (played here) through the proxy, which is started if nobody has."""

import fcntl
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from poe_proxy.cli.start import NO_KEY
from poe_sim import SimServer, refused_url
from tests.cli.house import checkout
from tests.commands import PROXY, Command, Ended, in_front_of, started
from tests.running import eventually
from tests.services import free_port
from tests.talk import Json

KEY = "k9x2m7q4w8e1r5t3z6u0"
CLAUDE = f"""#!{sys.executable}
import http.client, json, os, pathlib, signal, sys, time
from urllib.parse import urlsplit

def asked():
    connection = http.client.HTTPConnection(urlsplit(os.environ["ANTHROPIC_BASE_URL"]).netloc)
    key = os.environ["ANTHROPIC_AUTH_TOKEN"]
    connection.request("GET", "/v1/models", headers={{"Authorization": "Bearer " + key}})
    return connection.getresponse().status

signals = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: signals.append(number))
told = {{"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd(), "status": asked()}}
out = pathlib.Path(os.environ["TELL"])
out.with_suffix(".new").write_text(json.dumps(told))
out.with_suffix(".new").rename(out)
while "WAIT" in os.environ and not signals and not pathlib.Path(os.environ["WAIT"]).exists():
    time.sleep(0.01)
told |= {{"signals": signals, "then": asked()}}
out.with_suffix(".end").write_text(json.dumps(told))
sys.exit(int(os.environ.get("CODE", "0")))
"""


@dataclass
class Home:
    """A checkout, a program that plays Claude Code, and a project to work in."""

    folder: Path
    poe_url: str
    port: int

    @property
    def claude(self) -> Path:
        return self.folder / "claude"

    @contextmanager
    def code(
        self, *arguments: str, tell: str = "told", words: tuple[str, ...] = (), **more: object
    ) -> Iterator[Command]:
        settings = in_front_of(self.poe_url, PORT=self.port, PROXY_API_KEY=KEY, CLAUDE_BIN=self.claude)
        settings |= {"HOME": self.folder, "DATA_DIR": self.folder / "data", "TELL": self.folder / tell}
        project = self.folder / f"project-{tell}"
        project.mkdir(exist_ok=True)
        proxy = words or (sys.executable, str(self.folder / "checkout" / "proxy.py"))
        with started((*proxy, "code", *arguments), project, settings | more) as command:
            yield command

    def run(self, *arguments: str, **more: object) -> Ended:
        with self.code(*arguments, **more) as command:  # type: ignore[arg-type]
            return command.end()

    def told(self, name: str = "told.end") -> Json:
        """What the player of Claude Code saw, once it has said it."""
        file = self.folder / name
        eventually(file.exists, 30)
        said: Json = json.loads(file.read_text())
        return said

    def is_served(self) -> bool:
        with socket.socket() as caller:
            return not caller.connect_ex(("127.0.0.1", self.port))

    @property
    def started(self) -> Path:
        return self.folder / "data" / f"code-{self.port}.pid"


@pytest.fixture
def home(poe: SimServer, tmp_path: Path) -> Iterator[Home]:
    checkout(tmp_path)
    home = Home(tmp_path, poe.base_url, free_port())
    home.claude.write_text(CLAUDE)
    home.claude.chmod(0o755)
    yield home
    with suppress(FileNotFoundError, ProcessLookupError, ValueError), home.started.open() as pid:
        if _is_locked(pid.fileno()):
            os.kill(int(pid.read()), signal.SIGKILL)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def test_the_proxy_is_started_and_stopped_and_the_exit_code_passed_on(home: Home) -> None:
    ended = home.run("-p", "hi", CODE=7)
    assert (ended.code, ended.said) == (7, "")
    assert home.told()["then"] == 200
    assert not home.is_served()
    assert "point your client at" in (home.folder / "data" / f"code-{home.port}.log").read_text()


def test_claude_code_gets_its_arguments_untouched_and_stays_where_it_is(home: Home) -> None:
    arguments = ["--help", "--version", "--", "-p", "", "a b", "--", "--model", "ünï"]
    assert home.run(*arguments).code == 0
    assert home.told()["arguments"] == arguments
    assert home.told()["folder"] == str(home.folder / "project-told")


def test_claude_code_is_told_the_way_and_keeps_what_was_chosen(home: Home) -> None:
    home.run(
        ANTHROPIC_DEFAULT_HAIKU_MODEL="gpt-5.4-nano", ANTHROPIC_API_KEY="of-another", ANTHROPIC_BASE_URL="http://x"
    )
    said = {
        name: value
        for name, value in home.told()["environment"].items()
        if name.startswith(("ANTHROPIC", "CLAUDE_CODE"))
    }
    assert said == {
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{home.port}",
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "ANTHROPIC_DEFAULT_OPUS_MODEL": "claude-opus-4.6",
        "ANTHROPIC_DEFAULT_SONNET_MODEL": "claude-sonnet-4.6",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "gpt-5.4-nano",
        "ANTHROPIC_DEFAULT_FABLE_MODEL": "claude-opus-4.6",
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
    }


def test_a_projects_own_settings_and_data_are_not_ours(home: Home) -> None:
    project = home.folder / "project-told"
    (project / "data").mkdir(parents=True)
    (project / ".env").write_text("PORT=1\nPROXY_API_KEY=short\nMODELS_FILE=/no/such\n")
    assert home.run(DATA_DIR="").code == 0
    assert list((project / "data").iterdir()) == []
    assert (home.folder / "checkout" / "data" / f"code-{home.port}.log").exists()


def test_a_proxy_that_runs_already_is_used_and_left_alone(home: Home) -> None:
    settings = in_front_of(home.poe_url, PORT=home.port, PROXY_API_KEY=KEY)
    (home.folder / "by-hand").mkdir()
    with started(PROXY, home.folder / "by-hand", settings) as proxy:
        proxy.wait_for_words("(client at)")
        assert home.run().code == 0
        assert home.told()["then"] == 200
        assert home.is_served()
    assert not home.started.exists()


def test_ctrl_c_is_claude_codes_and_the_proxy_outlives_it(home: Home) -> None:
    with home.code(WAIT=home.folder / "never", CODE=130) as command:
        home.told("told")
        os.killpg(command.pid, signal.SIGINT)
        assert command.end().code == 130
    assert home.told()["signals"][0] == signal.SIGINT
    assert home.told()["then"] == 200
    assert not home.is_served()


def test_ctrl_c_while_the_proxy_gets_ready_ends_both(home: Home) -> None:
    home.poe_url = refused_url()
    with home.code() as command:
        eventually(home.is_served, 30)
        os.killpg(command.pid, signal.SIGINT)
        assert (command.end().code, command.said) == (130, "")
    assert not home.is_served()


def test_a_termination_is_passed_on(home: Home) -> None:
    with home.code(WAIT=home.folder / "never", CODE=3) as command:
        home.told("told")
        command.send(signal.SIGTERM)
        assert command.end().code == 3
    assert home.told()["signals"] == [signal.SIGTERM]
    assert not home.is_served()


def test_a_claude_code_that_dies_of_a_signal_has_a_shells_exit_code(home: Home) -> None:
    home.claude.write_text("#!/bin/sh\nkill -9 $$\n")
    assert home.run().code == 128 + 9


def test_several_share_one_proxy_and_the_last_one_stops_it(home: Home) -> None:
    with home.code(tell="one", WAIT=home.folder / "go1") as one:
        home.told("one")
        with home.code(tell="two", WAIT=home.folder / "go2") as two:
            home.told("two")
            (home.folder / "go1").touch()
            assert one.end().code == 0
            assert home.is_served()
            (home.folder / "go2").touch()
            assert two.end().code == 0
    assert home.told("two.end")["then"] == 200
    assert not home.is_served()


def test_what_a_killed_one_left_behind_is_stopped_by_the_next(home: Home) -> None:
    with home.code(tell="one", WAIT=home.folder / "never"):
        home.told("one")
    assert home.is_served(), "the block's end killed it"
    assert home.run(tell="told").code == 0
    assert not home.is_served()


def test_without_claude_code_nothing_is_started(home: Home) -> None:
    (home.folder / "empty").mkdir()
    ended = home.run(CLAUDE_BIN="", PATH=home.folder / "empty")
    assert ended.code == 2
    assert "npm install -g @anthropic-ai/claude-code" in ended.said
    assert not (home.folder / "data").exists()


def test_a_wrong_claude_bin_is_named(home: Home) -> None:
    assert "CLAUDE_BIN=/no/such is no program" in home.run(CLAUDE_BIN="/no/such").said


def test_somebody_elses_server_is_not_taken_for_the_proxy(home: Home, poe: SimServer) -> None:
    ended = home.run(PORT=poe.port)
    assert ended.code == 2
    assert f"something else than the proxy listens at http://127.0.0.1:{poe.port}" in ended.said


def test_a_proxy_with_other_keys_is_told_of_at_once(home: Home) -> None:
    settings = in_front_of(home.poe_url, PORT=home.port, PROXY_API_KEY="another-z6u0k9x2m7q4w8")
    (home.folder / "by-hand").mkdir()
    with started(PROXY, home.folder / "by-hand", settings) as proxy:
        proxy.wait_for_words("(client at)")
        ended = home.run()
    assert ended.code == 2
    assert "does not take the key" in ended.said


def test_a_proxy_that_cannot_start_says_why(home: Home) -> None:
    ended = home.run(POE_API_KEY="")
    assert ended.code == 2
    assert NO_KEY in ended.said


def test_a_key_that_poe_refuses_is_told_before_claude_code_begins(home: Home) -> None:
    ended = home.run(POE_API_KEY="a-key-that-poe-does-not-know")
    assert ended.code == 0
    assert "the proxy is not ready: Poe refuses the key" in ended.said


def test_a_settings_file_that_leads_elsewhere_is_told(home: Home) -> None:
    (home.folder / ".claude").mkdir()
    (home.folder / ".claude" / "settings.json").write_text('{"env": {"ANTHROPIC_BASE_URL": "https://elsewhere"}}')
    said = home.run().said
    assert f"{home.folder}/.claude/settings.json sends Claude Code to https://elsewhere instead" in said
