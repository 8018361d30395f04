"""Headers of all answers, and what those see of us who have no key."""

from collections.abc import Iterator

import httpx
import pytest

from poe_sim import SimServer
from tests.running import Proxy, eventually, running_proxy
from tests.security.paths import PAGES
from tests.talk import chat, frames, open_stream, post

KEY = "Hq3-adas-own-key-4711"
SHOWN = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}


def has(answer: httpx.Response, wanted: dict[str, str]) -> bool:
    """Each header once, as it should be."""
    return {name: answer.headers.get_list(name) for name in wanted} == {name: [said] for name, said in wanted.items()}


@pytest.fixture(scope="module")
def keyed(poe: SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with running_proxy(poe.base_url, tmp_path_factory.mktemp("data"), PROXY_API_KEY=KEY) as server:
        yield server


# --- headers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("path", [*PAGES, "/v1/chat/completions", "/nothing/here", "/v1/models/none-of-ours"])
def test_what_a_browser_can_be_led_to_is_not_framed_sniffed_kept_or_loaded_elsewhere(
    proxy: Proxy, method: str, path: str
) -> None:
    assert has(httpx.request(method, proxy.url + path, trust_env=False), SHOWN)


def test_refusals_say_so_too(keyed: Proxy) -> None:
    for headers in ({}, {"host": "evil.example"}, {"origin": "https://evil.example"}):
        answer = httpx.get(f"{keyed.url}/v1/usage", headers=headers, trust_env=False)
        assert answer.status_code in (401, 403)
        assert has(answer, SHOWN)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("directive", ["", "[[sim:fault 400plain]]"])
def test_nobody_keeps_what_was_said_and_what_it_cost(proxy: Proxy, path: str, directive: str) -> None:
    answer = post(proxy, chat(directive, max_tokens=50), path)
    assert has(answer, {name: SHOWN[name] for name in ("cache-control", "x-content-type-options")})


def test_nor_a_stream(proxy: Proxy) -> None:
    with open_stream(proxy, chat("hi")) as answer:
        frames(answer)
    assert has(answer, {name: SHOWN[name] for name in ("cache-control", "x-content-type-options")})


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_html_or_names_a_script(proxy: Proxy, path: str) -> None:
    answer = httpx.get(proxy.url + path, trust_env=False)
    assert answer.headers["content-type"].partition(";")[0] in ("application/json", "text/plain")
    assert "<script" not in answer.text
    assert (
        "server" not in answer.headers or answer.headers["server"] == "uvicorn"
    )  # that of the tests, see cli/serve.py


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect", "/.env", "/models.yaml", "/..%2f.env"])
def test_there_are_no_pages_that_load_from_elsewhere_and_no_files(proxy: Proxy, path: str) -> None:
    assert httpx.get(proxy.url + path, trust_env=False).status_code == 404


# --- what strangers see ----------------------------------------------------------------------------------------------


def test_a_stranger_learns_from_ready_whether_it_is_ready_and_nothing_of_points_files_or_databases(
    keyed: Proxy,
) -> None:
    def said(**headers: str) -> set[str]:
        return set(httpx.get(f"{keyed.url}/ready", headers=headers, trust_env=False).json())

    assert said() == said(authorization="Bearer wrong") == {"ready", "key", "catalogue"}
    assert said(authorization=f"Bearer {KEY}") >= {"ready", "key", "catalogue", "models", "balance", "limits", "ledger"}


def test_on_ones_own_machine_ready_tells_all(proxy: Proxy) -> None:
    assert "balance" in httpx.get(f"{proxy.url}/ready", trust_env=False).json()


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/gpt-5.4", "/v1/models/none", "/v1/usage", "/metrics", "/models"]
)
def test_a_stranger_who_knocks_with_head_is_not_even_told_how_long_the_answer_would_be(keyed: Proxy, path: str) -> None:
    answer = httpx.head(keyed.url + path, trust_env=False)
    assert (answer.status_code, answer.headers["content-length"]) == (200, "0")


def test_who_has_a_key_is_told_by_head_what_get_would_say(keyed: Proxy) -> None:
    bearer = {"authorization": f"Bearer {KEY}"}
    eventually(
        lambda: httpx.head(f"{keyed.url}/v1/usage", headers=bearer, trust_env=False).headers["content-length"] != "0"
    )
    assert httpx.head(f"{keyed.url}/v1/models/none-of-ours", headers=bearer, trust_env=False).status_code == 404
