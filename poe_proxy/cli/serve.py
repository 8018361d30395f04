"""``serve``: uvicorn with our settings, in front of Poe or, for the demo, of the stand-in."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

from poe_proxy import __version__
from poe_proxy.cli.start import create_or_exit, end, has_key, settings_or_exit
from poe_proxy.settings import Settings

_MARGIN_S = 5  # uvicorn must not cut what our own grace period is about to end with an error event
_KEEP_ALIVE_S = 75  # longer than the pools of clients keep connections: who closes first must not be us
_BACKLOG = 4096


def serve(*, host: str | None, port: int | None, demo: bool, demo_without_key: bool, workers: int) -> None:
    """Serve until a signal; exits 0 after SIGTERM or Ctrl-C."""
    if demo_without_key and not demo and not has_key():
        print("No Poe key is set (POE_API_KEY, in .env or the environment): serving the demo.", file=sys.stderr)  # noqa: T201
        demo = True
    with _stand_in(demo) as stand_in:
        settings = settings_or_exit(host=host, port=port, **stand_in)
        if (exposure := settings.exposure()) is not None:
            end(exposure)
        _announce(settings, demo=demo)
        # uvicorn gives the signal back to us when it is done; it has been heeded by then
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        _run(settings, workers)


@contextlib.contextmanager
def _stand_in(demo: bool) -> Iterator[dict[str, str]]:
    """For the demo the stand-in Poe on a free port of this machine, and the settings that lead to it, for workers too."""
    if not demo:
        yield {}
        return
    from poe_sim import KEYS, running

    with running() as stand_in:
        there = {"POE_BASE_URL": stand_in.base_url, "POE_API_KEY": next(iter(KEYS))}
        os.environ.update(there)
        yield {"poe_base_url": there["POE_BASE_URL"], "poe_api_key": there["POE_API_KEY"]}


def _announce(settings: Settings, *, demo: bool) -> None:
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    mode = "DEMO in front of a stand-in Poe (no account needed, invented answers)" if demo else "in front of Poe"
    key = "your PROXY_API_KEY" if settings.proxy_api_key else "any key"
    print(  # noqa: T201
        f"Poe Proxy {__version__}, {mode}\n  point your client at http://{shown}:{settings.port}/v1 with {key}",
        file=sys.stderr,
        flush=True,
    )


def _run(settings: Settings, workers: int) -> None:
    import uvicorn

    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "loop": "uvloop",
        "http": "httptools",
        "ws": "none",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "backlog": _BACKLOG,
        "timeout_keep_alive": _KEEP_ALIVE_S,
        "timeout_graceful_shutdown": int(settings.shutdown_grace_s) + _MARGIN_S,
    }
    if workers > 1:
        create_or_exit(settings)  # a fault in models.yaml is told once, before there are workers to repeat it
        uvicorn.run("proxy:app", workers=workers, **options)
    else:
        uvicorn.Server(uvicorn.Config(create_or_exit(settings), **options)).run()
