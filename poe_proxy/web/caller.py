"""From which address a request really came. It believes X-Forwarded-For from TRUSTED_PROXIES, and from nobody else."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from poe_proxy.settings import UNIX_SOCKET

_FORWARDED_FOR = b"x-forwarded-for"
_FORWARDED_PROTO = b"x-forwarded-proto"
_SCHEMES = {b"http": "http", b"https": "https"}
_LOOPBACK = "127.0.0.1"
_MAX_HOPS = 32
_V6_NETWORK = 64


class Callers:
    """Reads addresses, as one who knows which proxies stand in front."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        """``trusted_proxies`` are addresses and networks, and ``unix`` for whoever calls through a Unix socket."""
        self._unix = UNIX_SOCKET in trusted_proxies
        self._networks = [ipaddress.ip_network(name, strict=False) for name in trusted_proxies if name != UNIX_SOCKET]

    def address(self, scope: Any) -> str:
        """The caller's address: behind trusted proxies the right-most hop that is none of them.

        Where a trusted proxy tells nonsense, its own address stands for whoever is behind it. A trusted proxy's
        ``X-Forwarded-Proto`` becomes the scope's scheme.
        """
        headers = scope["headers"]
        said = [value for name, value in headers if name == _FORWARDED_FOR]
        hops = b",".join(said).decode("latin-1").rsplit(",", _MAX_HOPS)[-_MAX_HOPS:] if said else []
        address = _peer(scope, hops)
        if not self._trusts(address):
            return address
        for name, value in headers:
            if name == _FORWARDED_PROTO and value in _SCHEMES:
                scope["scheme"] = _SCHEMES[value]
        return self._behind(address, hops)

    def _behind(self, address: str, hops: Sequence[str]) -> str:
        for hop in reversed(hops):
            if not self._trusts(address) or (before := _address(_split_port(hop)[0])) is None:
                break
            address = before
        return address

    def _trusts(self, address: str) -> bool:
        if not self._networks or address == UNIX_SOCKET:
            return self._unix and address == UNIX_SOCKET
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(known in network for network in self._networks)


@lru_cache(maxsize=4096)
def household(address: str) -> str:
    """What a limit counts as one caller: of public IPv6 addresses one household has 2**64, so its network counts."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4 or not known.is_global:
        return address
    return str(ipaddress.ip_network((known, _V6_NETWORK), strict=False))


def _peer(scope: Any, hops: Sequence[str]) -> str:
    """Who holds the other end of the connection.

    Under ``uvicorn proxy:app`` uvicorn believes X-Forwarded-For from this machine by itself and writes a hop over the
    peer. That trust is not ours: such a request came from this machine.
    """
    client = scope.get("client")
    if not client:
        return UNIX_SOCKET
    if hops and (client[1] == 0 or tuple(client) == _uvicorns_choice(hops)):
        return _LOOPBACK
    return _known(client[0])


def _uvicorns_choice(hops: Sequence[str]) -> tuple[str, int]:
    """The hop that uvicorn takes by default: the right-most that is not this machine, else the left-most."""
    split = [_split_port(hop) for hop in hops]
    return next((hop for hop in reversed(split) if hop[0] not in (_LOOPBACK, "::1")), split[0])


def _split_port(hop: str) -> tuple[str, int]:
    """``192.0.2.1:80`` and ``[2001:db8::1]:80`` as host and port; a port that is not there is 0."""
    host, _, port = hop.strip().rpartition(":") if hop.count(":") == 1 or "]:" in hop else (hop.strip(), "", "")
    return host.strip("[]"), int(port) if port.isascii() and port.isdigit() else 0


@lru_cache(maxsize=4096)
def _known(host: str) -> str:
    return _address(host) or host


def _address(host: str) -> str | None:
    """The plain form of an address, None for what is none; IPv4 within IPv6 is the same caller as without."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
