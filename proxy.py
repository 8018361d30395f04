"""Poe Proxy's front door: ``python proxy.py [command]``, or ``uvicorn proxy:app``."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Make ``app`` on first access: importing this module never reads settings and never exits."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from poe_proxy.cli.start import app_or_exit  # noqa: PLC0415  # so that importing us reads nothing

    globals()["app"] = app_or_exit()
    return globals()["app"]


if __name__ == "__main__":
    from poe_proxy.cli.main import main

    main()
