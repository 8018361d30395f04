"""The walls of the house: which way imports go, where the edges to the world are, and that the map matches the rooms.

Imports are read from the source, so one inside a function or under ``TYPE_CHECKING`` counts like any other.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEVELS = (
    {"canonical", "sse"},
    {"policy", "poe", "files", "wire", "observe", "settings", "tokens"},
    {"endpoints", "fitting"},
    {"call", "clipper", "limits", "upkeep", "ledger"},
    {"exchange", "token_count"},
    {"web"},
    {"cli"},
)
"""From the ground up: a room imports from the levels below it and from itself, never from a sibling."""
HOMES: Mapping[str, set[str]] = {
    "httpx": {"poe", "cli/list_models"},  # list_models makes its one GET without the proxy's transport
    "multidict": {"poe"},
    "yarl": {"poe"},
    "aiohttp": {"poe"},
    "fastapi": {"web", "cli/start"},  # start hands the app on, and names its type
    "starlette": {"web"},
    "uvicorn": {"cli", "web/protocol"},  # the one place below the command line that knows who carries the app
    "httptools": {"web/protocol"},
    "typer": {"cli"},
    "rich": {"cli"},
    "yaml": {"files"},
    "structlog": {"observe"},
    "sqlalchemy": {"ledger/store"},
    "prometheus_client": {"observe"},
    "limits": {"limits"},
    "redis": {"limits"},
    "pydantic_settings": {"settings"},
    "tiktoken": {"tokens"},
}
"""Packages that only some rooms know."""
PURE = ("canonical", "sse", "wire", "policy")
IO_AND_CHANCE = {"asyncio", "io", "logging", "os", "pathlib", "random", "socket", "subprocess", "threading", "time"}


@dataclass(frozen=True)
class Import:
    """One import: where it stands, and the dotted name it asks for."""

    file: Path
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.name}"

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]

    @property
    def room(self) -> str:
        """The room of poe_proxy that is imported, empty for the package itself (its version)."""
        parts = self.name.split(".")
        is_room = (ROOT / "poe_proxy" / parts[1]).is_dir() or (ROOT / "poe_proxy" / f"{parts[1]}.py").is_file()
        return parts[1] if is_room else ""

    @property
    def home(self) -> str:
        """Where in poe_proxy the import stands: ``wire/openai_chat/stream``."""
        return self.file.relative_to(ROOT / "poe_proxy").with_suffix("").as_posix()

    @property
    def home_room(self) -> str:
        return self.home.partition("/")[0]


def imports(folder: str) -> Iterator[Import]:
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (Import(file, node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file.relative_to(ROOT)}:{node.lineno} imports relatively: name the room"
                yield from (Import(file, node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


PROXY = list(imports("poe_proxy"))
OURS = [found for found in PROXY if found.package == "poe_proxy"]
FOREIGN = [found for found in PROXY if found.package != "poe_proxy"]


def faults(found: Iterator[Import]) -> list[str]:
    return [str(one) for one in found]


def level(room: str) -> int:
    return next((number for number, rooms in enumerate(LEVELS) if room in rooms), len(LEVELS))


def rooms() -> set[str]:
    inside = (ROOT / "poe_proxy").iterdir()
    return {path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").is_file()} - {"__init__"}


def test_every_room_has_its_level() -> None:
    assert rooms() == set().union(*LEVELS)


def test_imports_go_one_way() -> None:
    upward = (found for found in OURS if level(found.room) > level(found.home_room))
    assert faults(found for found in upward if found.room) == []


def test_siblings_do_not_import_each_other() -> None:
    beside = (found for found in OURS if found.room and found.room != found.home_room)
    assert faults(found for found in beside if level(found.room) == level(found.home_room)) == []


def test_nothing_imports_the_stand_in_but_the_command_line() -> None:
    """The demo is the one place where the proxy starts the stand-in."""
    assert faults(found for found in FOREIGN if found.package == "poe_sim" and found.home_room != "cli") == []


def test_the_stand_in_knows_nothing_of_the_proxy() -> None:
    assert faults(found for found in imports("poe_sim") if found.package == "poe_proxy") == []


def test_the_ground_is_the_standard_library_alone() -> None:
    ground = (found for found in FOREIGN if found.home_room in LEVELS[0])
    assert faults(found for found in ground if found.package not in sys.stdlib_module_names) == []


def test_pure_rooms_do_no_io_and_know_no_clock() -> None:
    pure = (found for found in FOREIGN if found.home_room in PURE)
    assert faults(found for found in pure if found.package in IO_AND_CHANCE) == []


@pytest.mark.parametrize("module", ["settle", "claims", "evidence", "matching", "poe_clock", "pace", "reports", "row"])
def test_what_settles_points_is_pure_too(module: str) -> None:
    pure = (found for found in FOREIGN if found.home == f"ledger/{module}")
    assert faults(found for found in pure if found.package in IO_AND_CHANCE) == []
    of_the_house = {found.room for found in OURS if found.home == f"ledger/{module}" and found.room}
    assert of_the_house <= {"canonical", "ledger"}


@pytest.mark.parametrize("package", HOMES)
def test_a_package_stays_in_its_rooms(package: str) -> None:
    users = (found for found in FOREIGN if found.package == package)
    assert faults(found for found in users if not {found.home_room, found.home} & HOMES[package]) == []


def test_the_start_is_the_only_code_outside_the_rooms() -> None:
    assert {path.name for path in ROOT.glob("*.py")} == {"proxy.py", "list_models.py"}


class TestTheMap:
    """ARCHITECTURE.md's drawing of poe_proxy, and the folder itself."""

    drawing = re.search(r"\npoe_proxy/\n(.*?)\npoe_sim/", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.DOTALL)

    def named(self) -> set[str]:
        """Folders and modules that the drawing names; ``registry.py``, ``log.py`` and ``openai_chat/`` alike."""
        assert self.drawing is not None
        return set(re.findall(r"(?<![\w/])(\w+)(?:\.py\b|/(?!\w))", self.drawing.group(1)))

    def test_every_room_is_on_the_map(self) -> None:
        assert sorted(rooms() - self.named()) == []

    @pytest.mark.parametrize("room", ["policy", "poe"])
    def test_every_module_is_on_the_map_where_each_has_its_own_line(self, room: str) -> None:
        modules = {path.stem for path in (ROOT / "poe_proxy" / room).glob("*.py")} - {"__init__"}
        assert sorted(modules - self.named()) == []

    def test_everything_on_the_map_exists(self) -> None:
        inside = [ROOT / "proxy.py", *(ROOT / "poe_proxy").rglob("*")]
        there = {path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").is_file()}
        assert sorted(self.named() - there) == []
