"""What the image would hold, laid out in a folder: no Docker engine is needed to see whether that is enough."""

import shutil
from pathlib import Path

from tests.packaging.dockerfile import Stage, is_left_out, stages
from tests.running import ROOT
from tests.services import free_port

APP, DATA, VENV = "/app", "/data", "/opt/venv"


def lay_out(stage: Stage, folder: Path) -> Path:
    """The files that ``stage`` copies from the checkout into its working folder, and no others."""
    for copy in stage.copies:
        for source in () if copy.origin else copy.sources:
            _copy(source, folder / copy.target / ("" if copy.target.endswith(source) else source))
    return folder


def _copy(source: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, target, ignore=_left_out)
    else:
        shutil.copy(ROOT / source, target)


def _left_out(folder: str, names: list[str]) -> list[str]:
    inside = Path(folder).relative_to(ROOT)
    return [name for name in names if is_left_out((inside / name).as_posix())]


def environment(app: Path, data: Path) -> dict[str, str]:
    """The image's environment for a container published on loopback, its folders being ``app`` and ``data``."""
    port = str(free_port())
    moved = {APP: str(app), DATA: str(data)}
    env = {name: _moved(value, moved) for name, value in stages()["final"].env.items() if name != "PATH"}
    return {**env, "PORT": port, "PUBLISH_ADDR": "127.0.0.1", "PUBLISH_PORT": port}


def _moved(path: str, moved: dict[str, str]) -> str:
    where = next((old for old in moved if path == old or path.startswith(f"{old}/")), "")
    return moved[where] + path.removeprefix(where) if where else path
