"""``serve``: uvicorn with our settings, in front of Poe or, for the demo, of the stand-in."""

import contextlib
import errno
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from typing import Any

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from poe_proxy import __version__
from poe_proxy.cli.address import url
from poe_proxy.cli.start import create_or_exit, end, has_key, settings_or_exit
from poe_proxy.settings import Settings
from poe_proxy.web.protocol import LAST_WORDS_S, Protocol

MARGIN_S = 5  # uvicorn must not cut what our own grace period is about to end with an error event
_KEEP_ALIVE_S = 75  # longer than the pools of clients keep connections: who closes first must not be us
_BACKLOG = 4096
_MOST_FILES = 65_536
_OTHER_FILES = 100


def serve(*, host: str | None, port: int | None, demo: bool, demo_without_key: bool, workers: int | None) -> None:
    """Serve until a signal; exits 0 after SIGTERM or Ctrl-C, whether it comes while serving or during the start."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)  # uvicorn takes the signal while it serves, and gives it back when it is done
    if demo_without_key and not demo and not has_key():
        print("No Poe key is set (POE_API_KEY, in .env or the environment): serving the demo.", file=sys.stderr)  # noqa: T201
        demo = True
    with _stand_in() if demo else contextlib.nullcontext():
        settings = settings_or_exit(host=host, port=port, workers=workers)
        if (exposure := settings.exposure()) is not None:
            end(exposure)
        _run(settings, demo=demo)


def _leave(*_: object) -> None:
    sys.exit(0)


@contextlib.contextmanager
def _stand_in() -> Iterator[None]:
    """The stand-in Poe on a free port of this machine, and the environment, which workers inherit, leading to it.

    Its invented catalogue is kept apart from the real one's cache.
    """
    from poe_sim import KEYS, running  # noqa: PLC0415  # only the demo needs it

    with running() as stand_in:
        os.environ.update(POE_BASE_URL=stand_in.base_url, POE_API_KEY=KEYS[0])
        os.environ["DATA_DIR"] = str(settings_or_exit().data_dir / "demo")
        yield


def _run(settings: Settings, *, demo: bool) -> None:
    options: dict[str, Any] = {
        "loop": "uvloop",
        "http": partial(
            Protocol,
            head_timeout_s=settings.body_timeout_s,
            shutdown_s=settings.shutdown_grace_s + LAST_WORDS_S,
            most=_most_connections(settings.poe_connections),
        ),
        "ws": "none",
        "proxy_headers": False,  # X-Forwarded-For is whatever a stranger says; TRUSTED_PROXIES tell who is none
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "backlog": _BACKLOG,
        "timeout_keep_alive": _KEEP_ALIVE_S,
        "timeout_graceful_shutdown": int(settings.shutdown_grace_s) + MARGIN_S,
    }
    with _listener(settings) as listener:
        app = create_or_exit(settings)  # for workers too: faults are told once, before there are many to repeat them
        _announce(settings, listener.getsockname()[1], demo=demo)
        if settings.workers == 1:
            Server(Config(app, **options)).run(sockets=[listener])
        else:
            _supervise(settings, listener, options)


def _most_connections(to_poe: int) -> int:
    """How many clients may be connected, so that files are left for calls of Poe, the database and the log.

    A process may open far more files than it is started with; workers inherit what is raised here.
    """
    wanted, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(allowed, _MOST_FILES) if allowed != resource.RLIM_INFINITY else _MOST_FILES
    if most > wanted != resource.RLIM_INFINITY:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, allowed))
            wanted = most
    files = min(wanted, _MOST_FILES) if wanted != resource.RLIM_INFINITY else _MOST_FILES
    return max(1, files - min(to_poe, files // 2) - _OTHER_FILES)


def _supervise(settings: Settings, listener: socket.socket, options: dict[str, Any]) -> None:
    """Run the workers, which read the settings again: from the environment, where the command line's go as well."""
    from poe_proxy.observe.metrics import FOLDER  # noqa: PLC0415  # faults are told without it

    os.environ.update(HOST=settings.host, PORT=str(settings.port), WORKERS=str(settings.workers))
    with tempfile.TemporaryDirectory(prefix="poe-proxy-metrics-") as folder:
        os.environ[FOLDER] = folder
        supervisor = _Workers(Config("proxy:app", workers=settings.workers, **options), sockets=[listener])
        supervisor.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
        sys.exit(STARTUP_FAILURE)


class _Workers(Multiprocess):
    """uvicorn's supervisor, which takes the dead out of the metrics as it replaces them."""

    _known: frozenset[int | None] = frozenset()

    def keep_subprocess_alive(self) -> None:
        """Replace dead workers. (uvicorn calls this twice a second.)"""
        from poe_proxy.observe.metrics import forget_worker  # noqa: PLC0415  # see above

        super().keep_subprocess_alive()
        alive = frozenset(worker.pid for worker in self.processes)
        for pid in self._known - alive:
            forget_worker(pid)
        self._known = alive


def _listener(settings: Settings) -> socket.socket:
    """Bound before anything is announced; who calls early waits for the app instead of being refused."""
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            end(f"port {settings.port} of {settings.host} is in use: choose another with PORT or --port, or free it")
        end(f"cannot listen on HOST={settings.host}, PORT={settings.port}: {error.strerror}")


def _announce(settings: Settings, port: int, *, demo: bool) -> None:
    mode = "DEMO in front of a stand-in Poe (no account needed, invented answers)" if demo else "in front of Poe"
    key = "your PROXY_API_KEY" if settings.proxy_api_key else "any key"
    with contextlib.suppress(OSError):  # as for the log: where nobody can be told, requests are served all the same
        print(  # noqa: T201
            f"Poe Proxy {__version__}, {mode}\n  point your client at {url(settings, port)}/v1 with {key}; "
            "Anthropic's clients without the /v1",
            file=sys.stderr,
            flush=True,
        )
