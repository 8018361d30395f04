"""What a web page in the user's browser can do: nothing. (Hosts, origins and keys one by one: tests/test_access.py.)"""

import socket
from collections.abc import Callable

import httpx
import orjson
import pytest

from poe_sim import SimServer
from tests.running import Proxy
from tests.security.paths import CALLS, PAGES
from tests.talk import chat

StartProxy = Callable[..., Proxy]
SPENDING = orjson.dumps({**chat("spend my points"), "max_tokens": 10})


def ask(proxy: Proxy, method: str, path: str, content: bytes = b"", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(method, proxy.url + path, content=content, headers=named, trust_env=False, timeout=30)


def calls(poe: SimServer) -> int:
    """How many calls of models Poe has seen."""
    return len(poe.poe.charges)


# --- a name that is made to mean this machine -----------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_no_page_can_be_read_under_a_rebound_name(proxy: Proxy, path: str) -> None:
    for host in (
        "evil.example:9876",
        "127.0.0.1.nip.example",
        "LOCALHOST.evil.example.",
        "[::1].evil.example",
        "0.0.0.0",
    ):
        assert ask(proxy, "GET", path, host=host).status_code == 403


@pytest.mark.parametrize("path", CALLS)
def test_no_point_can_be_spent_under_a_rebound_name(own_proxy: Proxy, own_poe: SimServer, path: str) -> None:
    """To the page it is of its own origin, so that the browser holds nothing back."""
    answer = ask(
        own_proxy, "POST", path, SPENDING,
        host="evil.example:9876", origin="http://evil.example:9876", sec_fetch_site="same-origin",
    )  # fmt: skip
    assert answer.status_code == 403
    assert calls(own_poe) == 0


@pytest.mark.parametrize("host", [b"evil.example", b"evil.example:80", b""])
def test_a_target_that_is_a_whole_url_does_not_hide_the_host(proxy: Proxy, host: bytes) -> None:
    request = b"GET http://localhost/v1/usage HTTP/1.1\r\nHost: %b\r\nOrigin: http://evil.example\r\n" % host
    assert raw(proxy, request + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 403 ")


def raw(proxy: Proxy, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(65536)


# --- requests that a page may send without asking --------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
@pytest.mark.parametrize(
    "said",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},  # a sandboxed frame, a file, a redirect
        {"origin": "https://evil.example", "sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "empty"},
        {"sec_fetch_site": "same-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "empty"},  # another port of here
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"},
    ],
    ids=str,
)
def test_a_form_or_a_simple_request_of_a_page_spends_nothing(
    own_proxy: Proxy, own_poe: SimServer, content_type: str, said: dict[str, str]
) -> None:
    for path in CALLS:
        answer = ask(own_proxy, "POST", path, SPENDING, content_type=content_type, **said)
        assert answer.status_code == 403
    assert calls(own_poe) == 0


@pytest.mark.parametrize("kind", ["image", "script", "style", "iframe", "frame", "object", "embed", "empty", "audio"])
def test_nothing_of_ours_can_be_loaded_into_a_page(proxy: Proxy, kind: str) -> None:
    for path in PAGES:
        answer = ask(proxy, "GET", path, sec_fetch_site="cross-site", sec_fetch_mode="no-cors", sec_fetch_dest=kind)
        assert answer.status_code == 403


def test_a_person_may_follow_a_link_or_type_the_address(proxy: Proxy) -> None:
    for site in ("cross-site", "none", "same-origin"):
        answer = ask(proxy, "GET", "/", sec_fetch_site=site, sec_fetch_mode="navigate", sec_fetch_dest="document")
        assert answer.status_code == 200


def test_a_page_that_was_allowed_is_not_stopped_by_being_foreign(start_proxy: StartProxy) -> None:
    proxy = start_proxy(CORS_ORIGINS="https://chat.example")
    said = {
        "origin": "https://chat.example",
        "sec_fetch_site": "cross-site",
        "sec_fetch_mode": "cors",
        "sec_fetch_dest": "empty",
    }
    answer = ask(proxy, "POST", "/v1/chat/completions", SPENDING, **said)
    assert answer.status_code == 200
    assert "access-control-allow-credentials" not in answer.headers


def test_what_a_get_does_costs_nothing_and_changes_nothing(own_proxy: Proxy, own_poe: SimServer) -> None:
    """So nothing is won by leading a browser to one."""
    before = ask(own_proxy, "GET", "/v1/usage").json()["requests"]
    for path in (*PAGES, *CALLS):
        for method in ("GET", "HEAD", "OPTIONS"):
            ask(own_proxy, method, f"{path}?model=gpt-5.4&stream=true")
    assert calls(own_poe) == 0
    assert ask(own_proxy, "GET", "/v1/usage").json()["requests"] == before


# --- what a browser asks for beforehand ------------------------------------------------------------------------------


@pytest.mark.parametrize("cors", ["", "https://chat.example"])
def test_a_foreign_page_gets_no_leave_from_a_preflight(start_proxy: StartProxy, cors: str) -> None:
    proxy = start_proxy(CORS_ORIGINS=cors)
    for origin in ("https://evil.example", "null", "https://chat.example.evil.example", "http://chat.example"):
        asked = {
            "access_control_request_method": "POST",
            "access_control_request_headers": "content-type,authorization",
        }
        answer = ask(proxy, "OPTIONS", "/v1/chat/completions", b"", origin=origin, **asked)
        assert answer.status_code in (400, 403)
        assert "access-control-allow-origin" not in answer.headers


def test_no_page_of_the_internet_is_let_into_the_private_network(start_proxy: StartProxy) -> None:
    proxy = start_proxy(CORS_ORIGINS="https://chat.example")
    asked = {"access_control_request_method": "POST", "access_control_request_private_network": "true"}
    answer = ask(proxy, "OPTIONS", "/v1/chat/completions", b"", origin="https://chat.example", **asked)
    assert "access-control-allow-private-network" not in answer.headers


def test_no_websocket_is_opened_for_which_a_browser_would_not_ask(proxy: Proxy) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    for path in (b"/", b"/v1/chat/completions", b"/v1/responses"):
        answer = raw(
            proxy, b"GET %b HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n" % path + upgrade + b"\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 403 ")
