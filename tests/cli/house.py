"""A checkout of its own, so that commands that read the settings beside proxy.py do not read the developer's."""

import shutil
from pathlib import Path

from tests.running import ROOT


def checkout(folder: Path) -> Path:
    """A folder with proxy.py, all that it needs, and an empty ``.env``."""
    home = folder / "checkout"
    home.mkdir()
    shutil.copy(ROOT / "proxy.py", home)
    for name in ("poe_proxy", "poe_sim", "models.yaml"):
        (home / name).symlink_to(ROOT / name)
    (home / ".env").touch()
    return home
