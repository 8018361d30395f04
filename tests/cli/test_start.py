"""``python proxy.py`` and ``uvicorn proxy:app`` without what they need: they do not start, and say why."""

import socket
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from poe_proxy import __version__
from poe_proxy.cli.start import NO_KEY
from tests.commands import PROXY, UVICORN, run
from tests.running import ROOT
from tests.serving import TWO_WORKERS

KEY = {"POE_API_KEY": "a-key-that-is-never-sent"}


@pytest.mark.parametrize("words", [PROXY, (*PROXY, *TWO_WORKERS), UVICORN])
def test_without_a_key_it_ends_with_2_and_one_sentence(words: Sequence[str], tmp_path: Path) -> None:
    ended = run(words, tmp_path)
    assert (ended.code, ended.said) == (2, f"poe-proxy: {NO_KEY}\n")


def test_uvicorns_own_workers_without_a_key_are_not_started_again_and_again(tmp_path: Path) -> None:
    """Its parent process never sees our code: so the workers tell, and uvicorn gives up. (Its exit code is 0.)"""
    ended = run((*UVICORN, *TWO_WORKERS, "--port", "0"), tmp_path)
    assert 1 <= ended.said.count(NO_KEY) <= 2
    assert "stopping the parent process" in ended.said


def test_importing_the_front_door_reads_nothing_and_exits_never(tmp_path: Path) -> None:
    importing = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import proxy; hasattr(proxy, 'application')"
    ended = run((sys.executable, "-c", importing), tmp_path, {"PORT": "not a port"})
    assert (ended.code, ended.said) == (0, "")


def test_bad_values_end_the_start_with_2_all_at_once(tmp_path: Path) -> None:
    ended = run(PROXY, tmp_path, {**KEY, "PORT": "99999", "LOG_LEVEL": "loud", "PROXY_API_KEY": "short"})
    assert ended.code == 2
    assert [line.split()[:2] for line in ended.said.splitlines()] == [
        ["poe-proxy:", "PORT"],
        ["poe-proxy:", "LOG_LEVEL"],
        ["poe-proxy:", "PROXY_API_KEY"],
    ]


@pytest.mark.parametrize("words", [PROXY, UVICORN])
def test_a_broken_models_file_ends_the_start_with_2_and_the_line_of_each_fault(
    words: Sequence[str], tmp_path: Path
) -> None:
    models = tmp_path / "models.yaml"
    models.write_text("defaults:\n  allow_unlistd: true\nmodels:\n  text:\n    - poe_nam: glm-5\n")
    ended = run(words, tmp_path, {**KEY, "MODELS_FILE": models, "PORT": "0"})
    assert ended.code == 2
    first, *others = ended.said.splitlines()
    assert "line 2" in first
    assert all("line 5" in fault for fault in others)
    assert others


def test_a_missing_models_file_is_told_with_its_cure(tmp_path: Path) -> None:
    ended = run(PROXY, tmp_path, {**KEY, "MODELS_FILE": "elsewhere.yaml", "PORT": "0"})
    assert ended.code == 2
    assert f"{tmp_path / 'elsewhere.yaml'}: there is no such file" in ended.said
    assert "MODELS_FILE" in ended.said


@pytest.mark.parametrize("how", [("--host", "0.0.0.0"), ("--demo", "--host", "::")])
def test_it_refuses_to_bind_beyond_loopback_without_a_key_of_its_own(how: Sequence[str], tmp_path: Path) -> None:
    ended = run((*PROXY, *how), tmp_path, KEY)
    assert ended.code == 2
    assert "set PROXY_API_KEY" in ended.said
    assert "point your client at" not in ended.said


@pytest.mark.parametrize("more", [(), TWO_WORKERS])
def test_a_port_in_use_is_told_in_one_sentence(more: Sequence[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run((*PROXY, "--port", str(port), *more), tmp_path, KEY)
    assert ended.code == 2
    assert (
        ended.said == f"poe-proxy: port {port} of 127.0.0.1 is in use: choose another with PORT or --port, or free it\n"
    )


def test_an_address_that_is_not_ours_is_told_in_one_sentence(tmp_path: Path) -> None:
    ended = run((*PROXY, "--host", "192.0.2.1"), tmp_path, {**KEY, "PROXY_API_KEY": "3f9a7c51d2e84b60"})
    assert ended.code == 2
    assert ended.said.startswith("poe-proxy: cannot listen on HOST=192.0.2.1, PORT=9876: ")
    assert ended.said.count("\n") == 1


def test_an_unknown_option_ends_with_2(tmp_path: Path) -> None:
    ended = run((*PROXY, "--prot", "80"), tmp_path)
    assert ended.code == 2
    assert "--prot" in ended.said
    assert "--port" in ended.said


def test_a_misspelt_command_ends_with_2_and_the_one_that_is_meant(tmp_path: Path) -> None:
    ended = run((*PROXY, "chekc"), tmp_path)
    assert ended.code == 2
    assert "Did you mean 'check'?" in ended.said


@pytest.mark.parametrize("words", [("--version",), ("--port", "1", "--version"), ("serve", "--version")])
def test_version(words: Sequence[str], tmp_path: Path) -> None:
    ended = run((*PROXY, *words), tmp_path)
    assert (ended.code, ended.said) == (0, f"poe-proxy {__version__}\n")
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__


def test_a_redis_url_with_an_impossible_option_ends_the_start_with_2(tmp_path: Path) -> None:
    ended = run(PROXY, tmp_path, {**KEY, "PORT": "0", "REDIS_URL": "redis://:word@localhost?max_connections=many"})
    assert ended.code == 2
    assert "poe-proxy: REDIS_URL cannot be used" in ended.said
    assert "word" not in ended.said
