"""Who may call: keys, hosts and origins. No web page and no stranger can spend the user's points."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from poe_proxy.web.visitors import Visitors
from poe_sim import SimServer
from tests.running import Proxy, running_proxy, settings_for
from tests.talk import chat, post

KEY, OTHER_KEY = "correct-horse-battery", "staple-battery-horse-2"
StartProxy = Callable[..., Proxy]


@pytest.fixture(scope="module")
def keyed(poe: SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with running_proxy(poe.base_url, tmp_path_factory.mktemp("data"), PROXY_API_KEY=f"{KEY}, {OTHER_KEY}") as server:
        yield server


def get(proxy: Proxy, path: str, **headers: str) -> httpx.Response:
    return httpx.get(proxy.url + path, headers=headers, trust_env=False)


# --- keys -----------------------------------------------------------------------------------------------------------


def test_either_key_opens_as_bearer_or_as_x_api_key(keyed: Proxy) -> None:
    for headers in ({"authorization": f"Bearer {KEY}"}, {"authorization": f"bearer {OTHER_KEY}"}, {"x-api-key": KEY}):
        assert get(keyed, "/v1/models", **headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": "Bearer"},
        {"x-api-key": "correct-horse"},
        {"x-api-key": "ké"},
    ],
)
def test_anything_else_is_401_in_openais_shape(keyed: Proxy, headers: dict[str, str]) -> None:
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    answer = httpx.get(f"{keyed.url}/v1/models", headers=raw, trust_env=False)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_the_sdk_raises_its_authentication_error(keyed: Proxy) -> None:
    with keyed.openai(api_key="wrong") as sdk, pytest.raises(openai.AuthenticationError):
        sdk.models.list()


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/health", 200), ("/metrics", 401), ("/v1/models", 401)])
def test_only_what_tells_nothing_is_open(keyed: Proxy, path: str, status: int) -> None:
    assert get(keyed, path).status_code == status


def test_ready_and_head_need_no_key(keyed: Proxy) -> None:
    assert get(keyed, "/ready").status_code in (200, 503)
    assert httpx.head(f"{keyed.url}/v1/models", trust_env=False).status_code == 200


# --- hosts and origins ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9876", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_a_foreign_host_is_refused_with_the_cure(proxy: Proxy, host: str) -> None:
    answer = get(proxy, "/v1/models", host=host)
    assert answer.status_code == 403
    assert "ALLOWED_HOSTS" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:9876", "[::1]:9876", "app.localhost", "host.docker.internal"]
)
def test_names_of_this_machine_are_known(proxy: Proxy, host: str) -> None:
    assert get(proxy, "/v1/models", host=host).status_code == 200


def test_a_foreign_host_is_refused_with_a_key_too_but_not_an_address_or_a_name_no_one_can_buy(keyed: Proxy) -> None:
    authorization = f"Bearer {KEY}"
    statuses = {
        host: get(keyed, "/v1/models", host=host, authorization=authorization).status_code
        for host in ("evil.example", "192.168.1.7:9876", "poe-proxy:8080")
    }
    assert statuses == {"evil.example": 403, "192.168.1.7:9876": 200, "poe-proxy:8080": 200}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "file://", "http://[::1"])
def test_a_foreign_origin_is_refused_and_nothing_is_spent(proxy: Proxy, origin: str) -> None:
    answer = post(proxy, chat("hi"), origin=origin)
    assert answer.status_code == 403
    assert "CORS_ORIGINS" in answer.json()["error"]["message"]
    assert "access-control-allow-origin" not in answer.headers


def test_our_own_origin_is_not_foreign(proxy: Proxy) -> None:
    assert post(proxy, chat("hi"), origin=proxy.url).status_code == 200


def test_exceptions_can_be_named(start_proxy: StartProxy) -> None:
    proxy = start_proxy(ALLOWED_HOSTS="proxy.example", CORS_ORIGINS="https://chat.example")
    assert get(proxy, "/v1/models", host="proxy.example").status_code == 200
    answer = post(proxy, chat("hi"), origin="https://chat.example")
    assert answer.headers["access-control-allow-origin"] == "https://chat.example"
    assert post(proxy, chat("hi"), origin="https://other.example").status_code == 403


def test_a_preflight_of_an_allowed_origin_needs_no_key(start_proxy: StartProxy) -> None:
    proxy = start_proxy(CORS_ORIGINS="https://chat.example", PROXY_API_KEY=KEY)
    asked = {"origin": "https://chat.example", "access-control-request-method": "POST"}
    answer = httpx.options(f"{proxy.url}/v1/chat/completions", headers=asked, trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://chat.example"
    assert "x-request-id" in answer.headers


def test_an_allowed_page_can_read_why_it_was_refused(start_proxy: StartProxy) -> None:
    proxy = start_proxy(CORS_ORIGINS="https://chat.example", PROXY_API_KEY=KEY)
    answer = post(proxy, chat("hi"), origin="https://chat.example")
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "https://chat.example"


# --- without a key, this machine only -------------------------------------------------------------------------------


def refusal(server: tuple[str, int] | None, tmp_path: Path, **settings: object) -> Any:
    scope = {"server": server, "path": "/v1/models", "method": "GET"}
    return Visitors(settings_for("http://127.0.0.1:1", tmp_path, **settings)).refusal(scope, {"host": "localhost"})


@pytest.mark.parametrize("address", ["192.168.1.7", "0.0.0.0", "2001:db8::1", "proxy.example"])
def test_a_server_that_others_can_reach_serves_nobody_without_a_key(address: str, tmp_path: Path) -> None:
    found = refusal((address, 9876), tmp_path)
    assert found.status == 403
    assert "PROXY_API_KEY" in found.message


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_on_loopback_no_key_is_needed(address: str, tmp_path: Path) -> None:
    assert refusal((address, 9876), tmp_path) is None


def test_in_a_container_it_counts_where_the_port_is_published(tmp_path: Path) -> None:
    assert refusal(("172.17.0.2", 8080), tmp_path, PUBLISH_ADDR="127.0.0.1") is None
    assert refusal(("172.17.0.2", 8080), tmp_path, PUBLISH_ADDR="0.0.0.0").status == 403


def test_websockets_are_turned_away(proxy: Proxy) -> None:
    sent: list[Any] = []

    async def run() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        await proxy.app({"type": "websocket", "path": "/v1/responses", "headers": [], "app": proxy.app}, receive, send)

    asyncio.run(run())
    assert sent == [{"type": "websocket.close", "code": 1008}]
