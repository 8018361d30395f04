"""Who may come in: hosts and origins that no foreign web page can have, and callers with a key.

It reads what a request says of itself, and answers nobody.
"""

import hmac
import ipaddress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from poe_proxy.canonical.errors import Forbidden, ProxyError, Unauthorized
from poe_proxy.limits.limits import name_of
from poe_proxy.settings import LOOPBACK_NAMES, Settings, is_loopback
from poe_proxy.web.browsers import is_from_foreign_page

OPEN_PATHS = frozenset({"/", "/health", "/ready", "/api/hello"})
"""What anybody may ask, with a key or without."""
_CONTAINER_HOST = "host.docker.internal"


@dataclass(frozen=True, slots=True)
class Holder:
    """A caller with one of our keys: ``shown`` is the key's place in PROXY_API_KEY, ``name`` what limits count by.

    Neither tells anything of the key.
    """

    shown: str
    name: str


class Visitors:
    """Who may come in: hosts and origins that no foreign web page can have, and callers with a key."""

    def __init__(self, settings: Settings) -> None:
        keys = enumerate(settings.proxy_api_key, 1)
        self._keys = {key.encode(): Holder(f"key {place}", name_of(key)) for place, key in keys}
        self._published_on_loopback = settings.published_on_loopback
        self._hosts = {_CONTAINER_HOST, settings.host.lower(), *(host.lower() for host in settings.allowed_hosts)}
        self._origins = {origin.rstrip("/").lower() for origin in settings.cors_origins}

    @property
    def has_keys(self) -> bool:
        return bool(self._keys)

    def refusal(self, scope: Any, headers: dict[str, str], holder: Holder | None = None) -> ProxyError | None:
        """Why the request is turned away, None where it may go on."""
        if not self._keys and not self._is_local(scope):
            return Forbidden(
                "This proxy has no PROXY_API_KEY and so serves this machine only. Set PROXY_API_KEY and send it as "
                "`Authorization: Bearer …`."
            )
        host = _hostname(headers.get("host", ""))
        if host and not self._knows_host(host):
            return Forbidden(
                f"The Host {host[:200]!r} is not one that this proxy answers to. "
                "If it should be, add it to ALLOWED_HOSTS."
            )
        origin = headers.get("origin", "").rstrip("/").lower()
        known = self._knows_origin(origin, headers.get("host", "")) if origin else not is_from_foreign_page(headers)
        if not known:
            return Forbidden(
                "Web pages of other origins may not use this proxy. Name the origin in CORS_ORIGINS to allow it."
            )
        return self._without_key(scope, headers) if holder is None else None

    def _is_local(self, scope: Any) -> bool:
        server = scope.get("server") or ("", None)
        return self._published_on_loopback or not server[1] or is_loopback(server[0])

    def _knows_host(self, host: str) -> bool:
        if "*" in self._hosts or host in self._hosts or host in LOOPBACK_NAMES or host.endswith(".localhost"):
            return True
        # With a key there is nothing to win by rebinding a name; what cannot be bought as a domain needs no setting.
        return bool(self._keys) and ("." not in host or _is_address(host))

    def _knows_origin(self, origin: str, host: str) -> bool:
        return "*" in self._origins or origin in self._origins or _netloc(origin) == host.lower()

    def _without_key(self, scope: Any, headers: dict[str, str]) -> ProxyError | None:
        if not self._keys or scope["path"] in OPEN_PATHS or scope["method"] == "HEAD":
            return None
        said = "The key is not one of this proxy's" if any(_keys_given(headers)) else "This proxy needs a key"
        return Unauthorized(f"{said}: send PROXY_API_KEY as `Authorization: Bearer …` or `x-api-key`.")

    def holder(self, headers: dict[str, str]) -> Holder | None:
        """Who comes with one of our keys; None without one."""
        if not self._keys:
            return None
        return next((found for key in _keys_given(headers) if key and (found := self._known(key)) is not None), None)

    def _known(self, given: str) -> Holder | None:
        """Compared with every key, each in constant time, so that the time tells nothing of which came near."""
        sent = given.encode("latin-1", "replace")
        matches = [holder for key, holder in self._keys.items() if hmac.compare_digest(sent, key)]
        return matches[0] if matches else None


def _keys_given(headers: dict[str, str]) -> tuple[str, str]:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else "", headers.get("x-api-key", "").strip()


def _hostname(host: str) -> str:
    """The host of a Host header, without port and brackets, lower case."""
    if host.startswith("["):
        address, _, rest = host[1:].partition("]")
        return address.lower() if not rest or rest.startswith(":") else host.lower()
    return host.partition(":")[0].lower().rstrip(".")


def _netloc(origin: str) -> str | None:
    """Host and port of an origin; None for ``null`` and nonsense, which are like no host at all."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
