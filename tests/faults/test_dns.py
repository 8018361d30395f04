"""A Poe whose name, port or certificate is not there: said with what to do, and over as soon as it is there."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiohttp.abc import ResolveResult
from aiohttp.resolver import DefaultResolver

import poe_sim
from poe_proxy import upkeep
from tests.running import Proxy, eventually
from tests.services import free_port, program
from tests.talk import chat, post

StartProxy = Callable[..., Proxy]
SETTINGS = {"RETRY_BUDGET_S": 0}


def ready(proxy: Proxy) -> str:
    return proxy.house.upkeep.readiness().key


def test_a_name_that_is_not_found_is_told_and_the_proxy_starts(start_proxy: StartProxy) -> None:
    proxy = start_proxy("http://poe.invalid", **SETTINGS)
    answer = post(proxy, chat("hi"))
    assert answer.status_code == 502
    assert "its name was not found" in answer.json()["error"]["message"]
    assert "nothing was charged" in answer.json()["error"]["message"]
    eventually(lambda: "its name was not found" in ready(proxy))


async def known(_: object, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
    """This machine, whatever name is asked for."""
    return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]


def test_a_name_that_is_known_again_is_used_at_once(
    start_proxy: StartProxy, poe: poe_sim.SimServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = start_proxy(poe.base_url.replace("127.0.0.1", "poe.invalid"), **SETTINGS)
    assert post(proxy, chat("hi")).status_code == 502
    monkeypatch.setattr(DefaultResolver, "resolve", known)
    assert post(proxy, chat("hi")).status_code == 200


def test_a_poe_that_comes_back_is_found_by_itself(start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_SOON_S", 0.05)
    port = free_port()
    proxy = start_proxy(f"http://127.0.0.1:{port}", **SETTINGS)
    answer = post(proxy, chat("hi"))
    assert answer.status_code == 502
    assert "connect" in answer.json()["error"]["message"]
    with poe_sim.running(port=port):
        assert post(proxy, chat("hi")).status_code == 200
        eventually(lambda: ready(proxy) == "the Poe key is valid")


class _Silent(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[str]:
    """A server with a certificate that nobody has signed but itself."""
    openssl = program("openssl", "openssl", "openssl")
    files = [str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")]
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files[0], "-out", files[1]]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Silent)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_certificate_that_is_not_trusted_is_told_with_its_cure(start_proxy: StartProxy, stranger: str) -> None:
    proxy = start_proxy(stranger, **SETTINGS)
    answer = post(proxy, chat("hi"))
    assert answer.status_code == 502
    assert "its certificate is not trusted here" in answer.json()["error"]["message"]
    assert "SSL_CERT_FILE" in answer.json()["error"]["message"]
