"""The tests' guard: no name is looked up and no host but this machine is called, in this process and in every child.

Python imports a module of this name at its start; ``tests/conftest.py`` puts this folder on every child's PYTHONPATH.
Names end as if no resolver knew them, which is also how the tests see a failing look-up; calls beyond loopback are an
error that nobody mistakes for a network fault.
"""

import ipaddress
import socket
import sys
from typing import Any


class WentOutsideError(BaseException):
    """A test called a host beyond this machine."""


def _is_here(host: object) -> bool:
    if host in (None, "", b""):
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.getaddrinfo", "socket.gethostbyname") and not _is_here(arguments[0]):
        raise socket.gaierror(socket.EAI_NONAME, "the tests look up no names")
    if (
        event in ("socket.connect", "socket.sendto")
        and isinstance(arguments[1], tuple)
        and not _is_here(arguments[1][0])
    ):
        raise WentOutsideError(f"the tests call no host but this one, and this was {arguments[1]!r}")


sys.addaudithook(_guard)
