"""The Dockerfile's installation and start, carried out on this machine in clean folders. It needs the package index.

The suite is offline, so this is a command of its own: ``./scripts/test-install``.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.commands import started
from tests.packaging.dockerfile import stages
from tests.packaging.image import VENV, environment, lay_out

STAGES = stages()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="poe-proxy-install-") as name:
        venv = Path(name) / "venv"
        install(lay_out(STAGES["packages"], Path(name) / "build"), venv)
        app = lay_out(STAGES["final"], Path(name) / "app")
        seconds = first_answer(app, venv, Path(name) / "data")
        print(f"installed {megabytes(venv):.0f} MB of packages and {megabytes(app):.1f} MB of our own; ", end="")  # noqa: T201
        print(f"the demo answered {seconds:.2f} s after its start")  # noqa: T201


def install(folder: Path, venv: Path) -> None:
    """The RUN lines of the stage of packages, with ``venv`` in the place of the image's."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command in STAGES["packages"].all("RUN"):
        here = command.replace(VENV, str(venv))
        print(f"$ {here}", flush=True)  # noqa: T201
        subprocess.run(["/bin/sh", "-ec", here], cwd=folder, env={**os.environ, "PATH": path}, check=True)


def first_answer(app: Path, venv: Path, data: Path) -> float:
    """Start the demo with what was installed and nothing else; the seconds until it is healthy."""
    python = str(venv / "bin" / "python")
    begun = time.monotonic()
    with started((python, *STAGES["final"].command[1:], "--demo"), app, environment(app, data)) as command:
        url = command.wait_for_words(r"client at (http://[^ /]+)")
        httpx.get(f"{url}/health", trust_env=False).raise_for_status()
        return time.monotonic() - begun


def megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6


if __name__ == "__main__":
    main()
