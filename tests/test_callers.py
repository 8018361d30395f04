"""From which address a request came: X-Forwarded-For counts only where TRUSTED_PROXIES vouch for it."""

import asyncio
from typing import Any

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from poe_proxy.web.caller import Callers, household

PEER = ("192.0.2.9", 54321)
NGINX = ("127.0.0.1", 40000)


def scope(client: tuple[str, int] | None, *forwarded: str, proto: str = "") -> dict[str, Any]:
    headers = [(b"host", b"localhost"), *((b"x-forwarded-for", value.encode()) for value in forwarded)]
    if proto:
        headers.append((b"x-forwarded-proto", proto.encode()))
    return {"type": "http", "client": client, "scheme": "http", "headers": headers}


def address(trusted: str, client: tuple[str, int] | None, *forwarded: str) -> str:
    return Callers(tuple(trusted.split())).address(scope(client, *forwarded))


def under_uvicorn(trusted: str, client: tuple[str, int], *forwarded: str, allow: str = "127.0.0.1,::1") -> str:
    """The address after uvicorn has had its say, as under ``uvicorn proxy:app``."""
    found: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(Callers(tuple(trusted.split())).address(scope))

    asyncio.run(ProxyHeadersMiddleware(app, allow)(scope(client, *forwarded), None, None))  # type: ignore[arg-type]
    return found[0]


def test_without_proxies_it_is_the_peer() -> None:
    assert address("", PEER) == "192.0.2.9"


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8", "unix"])
def test_what_a_stranger_says_of_itself_means_nothing(trusted: str) -> None:
    assert address(trusted, PEER, "198.51.100.7") == "192.0.2.9"


@pytest.mark.parametrize(
    ("trusted", "client", "forwarded", "found"),
    [
        ("127.0.0.1", NGINX, ["198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", NGINX, ["203.0.113.1, 198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", NGINX, ["203.0.113.1", "198.51.100.7"], "198.51.100.7"),
        ("127.0.0.0/8 10.0.0.0/8", NGINX, ["203.0.113.1, 198.51.100.7, 10.1.2.3"], "198.51.100.7"),
        ("127.0.0.1 10.0.0.0/8", NGINX, ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ("127.0.0.1", NGINX, ["198.51.100.7:1234"], "198.51.100.7"),
        ("127.0.0.1", NGINX, ["[2001:db8::7]:1234"], "2001:db8::7"),
        ("127.0.0.1", NGINX, ["2001:DB8:0::7"], "2001:db8::7"),
        ("127.0.0.1", NGINX, ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ("::ffff:127.0.0.1", 40000), ["198.51.100.7"], "198.51.100.7"),
        ("::1", ("::1", 40000), ["198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", NGINX, [], "127.0.0.1"),
        ("unix", None, ["198.51.100.7"], "198.51.100.7"),
    ],
)
def test_behind_trusted_proxies_it_is_the_right_most_hop_that_is_none_of_them(
    trusted: str, client: tuple[str, int] | None, forwarded: list[str], found: str
) -> None:
    assert address(trusted, client, *forwarded) == found


@pytest.mark.parametrize("nonsense", ["unknown", "", ",", "198.51.100.7, ", "1.2.3.4.5", "é", "a" * 9000, "," * 9000])
def test_where_a_trusted_proxy_tells_nonsense_its_own_address_stands(nonsense: str) -> None:
    assert address("127.0.0.1", NGINX, nonsense) == "127.0.0.1"


def test_a_unix_socket_is_one_caller() -> None:
    assert address("", None, "198.51.100.7") == "unix"


@pytest.mark.parametrize(
    "forwarded", ["198.51.100.7", "198.51.100.7:1234", "[2001:db8::7]:80", "1.1.1.1, 198.51.100.7"]
)
class TestUnderUvicornItself:
    """``uvicorn proxy:app`` believes the header from this machine unless told otherwise."""

    def test_its_trust_is_not_ours(self, forwarded: str) -> None:
        assert under_uvicorn("", NGINX, forwarded) == "127.0.0.1"

    def test_ours_decides_all_the_same(self, forwarded: str) -> None:
        expected = "2001:db8::7" if "2001" in forwarded else "198.51.100.7"
        assert under_uvicorn("127.0.0.1", NGINX, forwarded) == expected

    def test_a_peer_from_elsewhere_is_the_peer(self, forwarded: str) -> None:
        assert under_uvicorn("", PEER, forwarded) == "192.0.2.9"
        assert under_uvicorn("127.0.0.1", PEER, forwarded) == "192.0.2.9"


def test_a_stranger_cannot_pass_for_one_whom_uvicorn_believed() -> None:
    assert under_uvicorn("127.0.0.1", PEER, "192.0.2.9:54321, 198.51.100.7") == "192.0.2.9"
    assert under_uvicorn("127.0.0.1", PEER, "198.51.100.7, 192.0.2.9:54321") == "192.0.2.9"


def test_the_scheme_is_believed_from_trusted_proxies_only() -> None:
    for trusted, scheme in (("127.0.0.1", "https"), ("", "http")):
        seen = scope(NGINX, "198.51.100.7", proto="https")
        Callers(tuple(trusted.split())).address(seen)
        assert seen["scheme"] == scheme


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2606:4700:1:2::1", "2606:4700:1:2:ffff::9", True),
        ("2606:4700:1:2::1", "2606:4700:1:3::1", False),
        ("fd00::1", "fd00::2", False),
        ("fe80::1", "fe80::2", False),
        ("8.8.8.8", "8.8.8.9", False),
        ("unix", "unix", True),
    ],
)
def test_a_public_ipv6_network_is_one_household(one: str, other: str, same: bool) -> None:
    assert (household(one) == household(other)) is same
