"""What a fresh checkout promises: the settings' template, what git keeps out, pinned packages, licence and scripts."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from poe_proxy.settings import load_settings, names
from tests.running import ROOT

TEMPLATE = (ROOT / ".env.template").read_text()
OURS = {"poe_proxy", "poe_sim", "proxy", "list_models", "tests", "benchmarks", "sitecustomize"}


# --- .env.template ----------------------------------------------------------------------------------------------------


def shown() -> dict[str, str]:
    """The settings of the template, as if somebody had taken each # away."""
    return dict(re.findall(r"^#([A-Z_]+)=(.*)$", TEMPLATE, re.MULTILINE))


def canonical_names() -> set[str]:
    fields = {field: name for name, field in reversed(names().items())}
    return set(fields.values())


def test_the_template_sets_nothing() -> None:
    assert [line for line in TEMPLATE.splitlines() if line and not line.startswith("#")] == []


def test_the_template_shows_every_setting_and_no_other() -> None:
    assert set(shown()) == canonical_names()


def test_the_template_shows_the_defaults(tmp_path: Path) -> None:
    uncommented = tmp_path / ".env"
    uncommented.write_text("\n".join(f"{name}={value}" for name, value in shown().items()))
    said = load_settings({}, uncommented)
    assert said.publish_addr == "127.0.0.1"  # compose's default; without compose nothing is published
    unset = load_settings({}, tmp_path / "none")
    assert unset.data_dir.absolute() == said.data_dir.absolute()  # beside proxy.py, where a new checkout has none yet
    assert said.model_copy(update={"publish_addr": "", "data_dir": unset.data_dir}) == unset


def test_the_template_speaks_of_the_other_names_too() -> None:
    assert [name for name in names() if name not in TEMPLATE] == []


# --- git --------------------------------------------------------------------------------------------------------------


def is_ignored(path: str) -> bool:
    return subprocess.run(["git", "check-ignore", "--quiet", "--no-index", path], cwd=ROOT, check=False).returncode == 0


@pytest.mark.skipif(not (shutil.which("git") and (ROOT / ".git").exists()), reason="no git checkout, as in the image")
def test_git_keeps_secrets_and_data_out_and_the_template_in() -> None:
    assert is_ignored(".env")
    assert is_ignored("data/catalogue.json")
    assert not is_ignored(".env.template")
    assert not is_ignored("poe_proxy/files/catalogue_seed.json")


# --- packages ---------------------------------------------------------------------------------------------------------


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> list[str]:
    """One line for each package, as ``name==version ; marker --hash=… --hash=…``."""
    lines = (ROOT / file).read_text().replace("\\\n", "").splitlines()
    return [" ".join(line.split()) for line in lines if line and not line.lstrip().startswith(("#", "-r "))]


def pinned(*files: str) -> set[str]:
    return {normal(pin.partition("==")[0]) for file in files for pin in pins(file)}


def chosen(file: str) -> set[str]:
    lines = (ROOT / file).read_text().splitlines()
    return {normal(re.split(r"[\[~=<>; ]", line)[0]) for line in lines if line and not line.startswith(("#", "-r "))}


def imported(*places: str) -> set[str]:
    """The foreign packages that the code in ``places`` imports."""
    found = {name for place in places for source in sources(ROOT / place) for name in imports(source)}
    return found - OURS - sys.stdlib_module_names


def sources(place: Path) -> Iterator[Path]:
    yield from place.rglob("*.py") if place.is_dir() else [place]


def imports(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_everything_is_pinned_exactly_with_the_hashes_of_its_files(file: str) -> None:
    pin = re.compile(r"[a-z0-9._-]+==[0-9][A-Za-z0-9.]*( ; [^#]+?)?( --hash=sha256:[0-9a-f]{64})+")
    assert [line for line in pins(file) if not pin.fullmatch(line)] == []


def test_what_was_chosen_is_what_is_pinned() -> None:
    assert chosen("requirements.in") <= pinned("requirements.txt")
    assert chosen("requirements-dev.in") <= pinned("requirements-dev.txt")


@pytest.mark.parametrize("file", ["requirements.in", "requirements.txt", "requirements-dev.in", "requirements-dev.txt"])
def test_where_packages_come_from_is_not_decided_by_a_file_of_pins(file: str) -> None:
    assert not re.search(r"://|--(index|extra|find|trusted)", (ROOT / file).read_text())


def test_what_is_installed_must_have_a_known_hash() -> None:
    installing = [
        line
        for file in ("Dockerfile", "scripts/environment")
        for line in (ROOT / file).read_text().splitlines()
        if " install " in line and "requirement" in line
    ]
    assert len(installing) == 3
    assert [line for line in installing if "--require-hashes" not in line] == []


def test_the_development_packages_come_on_top_of_the_others() -> None:
    assert "-r requirements.txt" in (ROOT / "requirements-dev.txt").read_text().splitlines()
    assert not pinned("requirements.txt") & pinned("requirements-dev.txt")


@pytest.mark.parametrize(
    ("places", "files"),
    [
        (("poe_proxy", "poe_sim", "proxy.py", "list_models.py"), ("requirements.txt",)),
        (("tests",), ("requirements.txt", "requirements-dev.txt")),
    ],
    ids=["what serves", "tests"],
)
def test_what_is_imported_is_pinned(places: tuple[str, ...], files: tuple[str, ...]) -> None:
    brought_by = packages_distributions()
    bringers = {name: {normal(each) for each in brought_by[name]} for name in imported(*places)}
    assert {name for name, packages in bringers.items() if not packages & pinned(*files)} == set()


# --- licence and scripts ----------------------------------------------------------------------------------------------


def test_the_licence_is_the_affero_gpl() -> None:
    first_lines = " ".join((ROOT / "LICENSE").read_text().split()[:7])
    assert first_lines == "GNU AFFERO GENERAL PUBLIC LICENSE Version 3,"
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"] == "AGPL-3.0-or-later"


@pytest.mark.parametrize("script", ["run", "test", "check", "test-install", "pin", "audit"])
def test_scripts_can_be_started(script: str) -> None:
    assert os.access(ROOT / "scripts" / script, os.X_OK)


def test_ci_can_be_started() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_ci_runs_the_checks_the_tests_and_a_clean_installation() -> None:
    wanted = ["./scripts/check", "./scripts/test", "./scripts/test-install"]
    assert [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line in wanted] == wanted
