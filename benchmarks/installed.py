"""What an environment's packages take on the disk, as ``du`` counts it, without pip and its like."""

import re
import sysconfig
from collections.abc import Collection
from importlib.metadata import Distribution, distributions
from pathlib import Path

from benchmarks.servers import ROOT

_TOOLS = {"pip", "setuptools", "wheel"}
_PIN = re.compile(r"^([\w.-]+)==", re.MULTILINE)


def of_proxy() -> float:
    """MB of the packages that requirements.txt names, as they are in this process's environment."""
    pins = _PIN.findall((ROOT / "requirements.txt").read_text())
    return _megabytes(Path(sysconfig.get_paths()["purelib"]), {_normal(name) for name in pins})


def of_environment(home: Path) -> float:
    """MB of all packages of the environment in ``home``."""
    (site,) = home.glob("lib/python*/site-packages")
    return _megabytes(site, None)


def _megabytes(site: Path, names: Collection[str] | None) -> float:
    found = [package for package in distributions(path=[str(site)]) if _normal(package.name) not in _TOOLS]
    return sum(_bytes(package) for package in found if names is None or _normal(package.name) in names) / 1024**2


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _bytes(package: Distribution) -> int:
    paths = {Path(str(package.locate_file(file))) for file in package.files or ()}
    return sum(path.stat().st_blocks * 512 for path in paths if path.is_file())
