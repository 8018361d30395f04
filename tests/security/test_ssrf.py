"""The proxy fetches no URL that a client or Poe names: each leads to a socket that must never be called."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import Proxy, eventually, running_proxy
from tests.talk import Json, chat, post

CHAT, MESSAGES, COUNT = "/v1/chat/completions", "/v1/messages", "/v1/messages/count_tokens"
MODELS = ("gpt-5.4-mini", "claude-sonnet-4.5")  # asked as chat, and as messages


def was_called(listener: socket.socket) -> bool:
    try:
        caller, _ = listener.accept()
    except BlockingIOError:
        return False
    caller.close()
    return True


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """Listens, and must never be called."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.setblocking(False)
        yield listener
        assert not was_called(listener)


def url_of(trap: socket.socket) -> str:
    return f"http://127.0.0.1:{trap.getsockname()[1]}/picture.png"


def test_the_trap_would_notice_a_call() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.setblocking(False)
        with socket.create_connection(listener.getsockname()):
            eventually(lambda: was_called(listener))


# --- URLs that a client names ----------------------------------------------------------------------------------------


def parts_of_chat(url: str) -> list[Json]:
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": url, "file_id": url, "file_url": url}}
    return [
        {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
        {"type": "image_url", "image_url": url},
        {"type": "input_image", "image_url": url},
        {"type": "input_file", "file_url": url},
        {"type": "input_audio", "input_audio": {"data": url, "format": "wav"}},
        {"type": "video_url", "video_url": {"url": url}},
        {"type": "text", "text": f"look at ![it]({url}) and <{url}>"},
        file,
    ]


def parts_of_messages(url: str) -> list[Json]:
    source = {"type": "url", "url": url}
    nested = [{"type": "image", "source": source}, {"type": "document", "source": source}]
    return [
        *nested,
        {"type": "document", "source": {"type": "content", "content": nested}},
        {"type": "document", "source": {"type": "file", "file_id": url}, "title": url},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": url}},
        {"type": "search_result", "source": url, "title": "t", "content": [{"type": "text", "text": url}]},
        {"type": "tool_result", "tool_use_id": "c1", "content": nested},
    ]


def fields(url: str) -> list[Json]:
    """Fields that name a URL, ours or somebody's, at the top of a body."""
    return [
        {"base_url": url, "api_base": url, "endpoint": url, "webhook": url, "callback_url": url},
        {"extra_body": {"base_url": url, "image_url": url}, "metadata": {"url": url}, "user": url},
        {"tools": [{"type": "mcp", "server_url": url, "server_label": "x"}]},
        {"mcp_servers": [{"type": "url", "url": url, "name": "x"}]},
        {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch", "allowed_domains": [url], "url": url}]},
        {
            "tools": [{"type": "image_generation", "input_image_mask": {"image_url": url}}],
            "prediction": {"content": url},
        },
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": url}}}},
        {"model": url},
        {"model": f"openai/{url}"},
        {"web_search_options": {"url": url}, "modalities": ["image"], "audio": {"voice": url}},
    ]


@pytest.mark.parametrize("model", MODELS)
def test_no_url_in_a_chat_is_fetched(proxy: Proxy, trap: socket.socket, model: str) -> None:
    url = url_of(trap)
    bodies = [chat("", model=model, messages=[{"role": "user", "content": [part]}]) for part in parts_of_chat(url)]
    bodies += [{**chat("hi", model=model), **more} for more in fields(url)]
    assert {post(proxy, body, CHAT).status_code for body in bodies} >= {200}


@pytest.mark.parametrize("model", MODELS)
def test_no_url_in_a_message_is_fetched_or_counted_by_looking_at_it(
    proxy: Proxy, trap: socket.socket, model: str
) -> None:
    url = url_of(trap)
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"url": url}}]}
    begun: list[Json] = [{"role": "user", "content": "go"}, call]
    turns = [[*begun, {"role": "user", "content": [part]}] for part in parts_of_messages(url)]
    bodies: list[Json] = [{"model": model, "max_tokens": 9, "messages": turn} for turn in turns]
    bodies += [{**chat("hi", model=model), "max_tokens": 9, **more} for more in fields(url)]
    statuses = {post(proxy, body, path).status_code for body in bodies for path in (MESSAGES, COUNT)}
    assert statuses >= {200}


@pytest.mark.parametrize(
    "name",
    [
        "x-forwarded-host",
        "x-original-url",
        "x-rewrite-url",
        "referer",
        "x-poe-base-url",
        "forwarded",
        "via",
        "x-api-base",
    ],
)
def test_no_header_leads_the_proxy_elsewhere(proxy: Proxy, trap: socket.socket, name: str) -> None:
    assert post(proxy, chat("hi"), **{name: url_of(trap)}).status_code == 200


def test_a_target_that_is_a_whole_url_makes_no_forward_proxy_of_us(proxy: Proxy, trap: socket.socket) -> None:
    where = f"127.0.0.1:{trap.getsockname()[1]}"
    for line in (f"GET http://{where}/v1/models HTTP/1.1", f"CONNECT {where} HTTP/1.1", f"GET //{where}/ HTTP/1.1"):
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
            connection.sendall(f"{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 ")


# --- URLs that Poe names ---------------------------------------------------------------------------------------------


@contextmanager
def leading_to(url: str, status: int) -> Iterator[tuple[str, list[str], list[str]]]:
    """A Poe that sends everybody elsewhere; its address, the paths it was asked for, and cookies that came back."""
    asked: list[str] = []
    cookies: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            cookies.extend(self.headers.get_all("cookie", []))
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response_only(status)
            for name in ("location", "content-location", "refresh", "link", "alt-svc"):
                self.send_header(name, url)
            self.send_header("set-cookie", "a=b")
            self.send_header("content-length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked, cookies
        server.shutdown()


@pytest.mark.parametrize("status", [200, 302, 308])
def test_nowhere_that_poe_leads_to_is_gone_and_no_cookie_is_kept(
    trap: socket.socket, tmp_path: Path, status: int
) -> None:
    with (
        leading_to(url_of(trap), status) as (poe_url, asked, cookies),
        running_proxy(poe_url, tmp_path, RETRY_BUDGET_S=0) as proxy,
    ):
        for path, model in ((CHAT, MODELS[0]), (CHAT, MODELS[1]), (MESSAGES, MODELS[0]), (MESSAGES, MODELS[1])):
            body: dict[str, Any] = {**chat("hi", model=model), "max_tokens": 9}
            for stream in (False, True):
                answer = post(proxy, {**body, "stream": stream}, path)
                assert "location" not in answer.headers
                assert answer.status_code in (200, 502)
        wanted = {"/v1/models", "/usage/current_balance", CHAT, MESSAGES}
        eventually(lambda: {path.partition("?")[0] for path in asked} >= wanted)
    assert cookies == []


def test_a_proxy_of_the_environment_is_not_a_clients_to_name(proxy: Proxy, trap: socket.socket) -> None:
    headers = {"http_proxy": url_of(trap), "proxy": url_of(trap), "proxy-authorization": "Basic x"}
    answer = httpx.post(f"{proxy.url}{CHAT}", json=chat("hi"), headers=headers, trust_env=False)
    assert answer.status_code == 200
