"""The Dockerfile: what goes into the image, and that the image would serve. (No engine runs here, so it is read.)"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from poe_proxy.settings import names
from poe_sim import SimServer
from tests.commands import in_front_of, started
from tests.packaging.dockerfile import is_left_out, stages
from tests.packaging.image import environment, lay_out
from tests.running import ROOT
from tests.talk import chat

STAGES = stages()
FINAL = STAGES["final"]
FROM_CHECKOUT = [
    source for stage in STAGES.values() for copy in stage.copies if not copy.origin for source in copy.sources
]
SERVES_AT = r"client at (http://[^ /]+)"


# --- what goes in -----------------------------------------------------------------------------------------------------


def test_there_is_a_stage_for_packages_for_tests_and_for_serving() -> None:
    assert list(STAGES) == ["packages", "tests", "final"]


def test_the_stages_stand_on_one_slim_python_that_is_new_enough() -> None:
    (base,) = {stage.base for stage in STAGES.values()} - set(STAGES)
    version = re.fullmatch(r"python:3\.(\d+)-slim", base)
    assert version
    assert int(version[1]) >= 11


@pytest.mark.parametrize("path", FROM_CHECKOUT)
def test_each_copied_path_exists_and_is_not_left_out(path: str) -> None:
    assert (ROOT / path).exists()
    assert not is_left_out(path)


def test_the_image_holds_what_serves_and_nothing_else(tmp_path: Path) -> None:
    lay_out(FINAL, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("LICENSE", "proxy.py", "list_models.py", "models.yaml"),
        *("poe_proxy", "poe_sim"),
    }
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} <= {
        "",
        ".py",
        ".yaml",
        ".json",
        ".md",
        ".gz",
    }


def test_packages_come_ready_from_their_stage() -> None:
    assert [(copy.origin, copy.sources, copy.target) for copy in FINAL.copies if copy.origin] == [
        ("packages", ("/opt/venv",), "/opt/venv")
    ]
    assert FINAL.env["PATH"].startswith("/opt/venv/bin:")


@pytest.mark.parametrize(
    "path", [".env", ".env.local", "data/catalogue.json", ".git/config", ".venv/bin/python", "tests/__pycache__/x.pyc"]
)
def test_secrets_and_what_this_machine_made_stay_outside(path: str) -> None:
    assert is_left_out(path)


@pytest.mark.parametrize(
    "path", [".env.template", "Dockerfile", "pytest.ini", "tests/conftest.py", "poe_proxy/files/cache.py"]
)
def test_what_the_tests_read_comes_along(path: str) -> None:
    assert not is_left_out(path)


def test_the_tests_stage_has_what_the_tests_need_and_runs_them() -> None:
    tests = STAGES["tests"]
    assert tests.base == "packages"
    assert tests.all("RUN")[0].endswith("-r requirements-dev.txt")
    assert tests.copies[-1].sources == (".",)
    assert tests.command == ["python", "-m", "pytest"]


# --- how it runs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["tests", "final"])
def test_nothing_runs_as_root(stage: str) -> None:
    assert int(STAGES[stage].last("USER")) > 0


def test_the_data_folder_is_a_volume_that_the_user_owns() -> None:
    assert FINAL.all("VOLUME") == [FINAL.env["DATA_DIR"]] == ["/data"]
    assert any("install --directory --owner=poe --group=poe /data" in run for run in FINAL.all("RUN"))


def test_its_environment_is_of_settings_that_exist() -> None:
    pythons = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    assert {name: value for name, value in FINAL.env.items() if name not in pythons} == {
        "HOST": "0.0.0.0",
        "PORT": "8080",
        "MODELS_FILE": "/app/models.yaml",
        "DATA_DIR": "/data",
    }
    assert set(FINAL.env) - pythons <= set(names())


def test_it_exposes_the_port_it_listens_on() -> None:
    assert FINAL.all("EXPOSE") == [FINAL.env["PORT"]]


def test_no_shell_stands_between_sigterm_and_the_proxy() -> None:
    assert FINAL.command == ["python", "proxy.py"]
    assert not FINAL.all("ENTRYPOINT")


# --- that it would serve ----------------------------------------------------------------------------------------------


@contextmanager
def container(folder: Path, *more: str, **settings: object) -> Iterator[str]:
    """The start command among exactly the image's files and settings; where it serves."""
    app = lay_out(FINAL, folder / "app")
    words = (sys.executable, *FINAL.command[1:], *more)
    with started(words, app, environment(app, folder / "data") | settings) as command:
        yield command.wait_for_words(SERVES_AT)


def health(port: str) -> int:
    """The exit code of the health check, in an environment with a proxy that reaches nobody."""
    words = (sys.executable, *FINAL.health_command[1:])
    env = {"PORT": port, "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run(words, env=env, capture_output=True, check=False).returncode


def test_the_start_command_serves_the_demo_and_the_health_check_sees_it(tmp_path: Path) -> None:
    with container(tmp_path, "--demo") as url:
        assert httpx.get(f"{url}/health", trust_env=False).json()["status"] == "ok"
        assert health(url.rpartition(":")[2]) == 0


def test_the_start_command_serves_poe(poe: SimServer, tmp_path: Path) -> None:
    with container(tmp_path, **in_front_of(poe.base_url)) as url:
        answer = httpx.post(f"{url}/v1/chat/completions", json=chat("hello"), trust_env=False, timeout=30)
        assert answer.json()["choices"][0]["message"]["content"] == "You said: hello"


def test_the_health_check_fails_where_nobody_serves(tmp_path: Path) -> None:
    assert health(environment(tmp_path, tmp_path)["PORT"]) != 0
