"""``statusline``: what Claude Code's status line shows of points. It is asked often, and neither hangs nor fails.

Claude Code runs it with a JSON object on stdin (``session_id``, ``model`` …) and shows the first line that it prints.
"""

import http.client
import json
import os
import select
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from poe_proxy.policy.claude_names import unadorned

PATIENCE_S = 0.3


def statusline(patience_s: float = PATIENCE_S) -> int:
    """Print one line of what is known; reading and asking each take ``patience_s`` seconds at most."""
    told = _parsed(_read(0, patience_s))
    session = told.get("session_id")
    answers: list[Mapping[str, Any]] = []

    def ask() -> None:
        answers.append(_usage(session if isinstance(session, str) else "", patience_s))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(patience_s)  # a look-up of a name, or an answer that trickles in, knows no timeout of its own
    print(line(told, answers[0] if answers else {}), flush=True)  # noqa: T201
    return 0


def line(told: Mapping[str, Any], used: Mapping[str, Any]) -> str:
    """The line, from what Claude Code tells and what ``GET /v1/usage`` answered; what neither knows is left out."""
    session, today, balance = (
        _count(used, "session", "points"),
        _count(used, "points", "today"),
        _count(used, "balance"),
    )
    parts = [
        _model(told.get("model")),
        f"{session} points this session" if session else "",
        f"{today} today" if today else "",
        f"balance {balance}" if balance else "",
    ]
    return " · ".join(filter(None, parts))


def _model(model: object) -> str:
    if not isinstance(model, dict):
        return ""
    name = model.get("id") or model.get("display_name")
    return unadorned(name) if isinstance(name, str) else ""


def _count(said: object, *keys: str) -> str:
    for key in keys:
        said = said.get(key) if isinstance(said, dict) else None
    return f"{said:,}" if isinstance(said, int) and not isinstance(said, bool) else ""


def _usage(session: str, timeout_s: float) -> Mapping[str, Any]:
    """What the proxy answers; empty where it does not. Whatever goes wrong here is nothing for a status line."""
    try:
        url, key = _proxy()
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=timeout_s)
        path = f"{parts.path.rstrip('/')}/v1/usage?session={quote(session)}"
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        return _parsed(answer.read()) if answer.status == 200 else {}
    except Exception:
        return {}


def _proxy() -> tuple[str, str]:
    """Where Claude Code itself sends its requests, else where the settings say that the proxy is."""
    if url := os.environ.get("ANTHROPIC_BASE_URL"):
        return url, os.environ.get("ANTHROPIC_AUTH_TOKEN") or os.environ.get("ANTHROPIC_API_KEY") or ""
    from poe_proxy.cli.address import address_of, settings_at_home  # noqa: PLC0415  # most of the time it takes

    address = address_of(settings_at_home())
    return address.url, address.key


def _read(descriptor: int, patience_s: float) -> bytes:
    """All that comes until its end, or for as long as we are patient: who forgets to close it must not hang us."""
    read, deadline = b"", time.monotonic() + patience_s
    try:
        while select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            if not (part := os.read(descriptor, 65536)):
                break
            read += part
    except OSError:
        pass
    return read


def _parsed(text: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
