"""A real PostgreSQL server of the tests' own, where its programs are found; see ``tests/services.py`` for where not."""

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.running import eventually
from tests.services import free_port, program

_HOMES = "/usr/lib/postgresql/*/bin"  # Debian keeps them out of the PATH


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server, open to whoever knows the port; ``url`` is as its own library writes it."""

    url: str
    bin: Path

    def new_database(self, name: str) -> str:
        """The URL of an empty database."""
        subprocess.run([str(self.bin / "createdb"), f"--maintenance-db={self.url}", name], check=True, timeout=60)
        return self.url.replace("/postgres?", f"/{name}?")


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Serve on a free loopback port for as long as the block lasts."""
    places = sorted(glob.glob(_HOMES))
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *places])
    binaries = Path(program("postgresql", "initdb", "postgresql")).resolve().parent
    folder, port = Path(tempfile.mkdtemp(prefix="poe-proxy-postgres-")), free_port()
    owner = _somebody(folder)
    run: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **owner}
    try:
        init = [
            str(binaries / "initdb"),
            "-D",
            str(folder / "data"),
            "-U",
            "poe",
            "--auth=trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(init, check=True, timeout=120, **run)
        options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
        server = subprocess.Popen(
            [str(binaries / "postgres"), "-D", str(folder / "data"), "-p", str(port), *options], **run
        )
        try:
            ready = [str(binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"]
            eventually(lambda: subprocess.run(ready, check=False).returncode == 0, 60)
            yield Postgres(f"postgres://poe@127.0.0.1:{port}/postgres?sslmode=disable", binaries)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _somebody(folder: Path) -> dict[str, Any]:
    """PostgreSQL does not run as root: then as its own user, or nobody."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
