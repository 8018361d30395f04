"""What all tests share: a guard against the outside, a stand-in Poe and the real proxy in front of it, on sockets."""

import functools
import gc
import importlib
import os
import signal
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpcore2
import hypothesis
import pytest
from openai import OpenAI

import poe_sim
from poe_proxy.observe import log
from tests import services
from tests.running import Proxy, running_proxy
from tests.talk import reset

_OFFLINE = Path(__file__).parent / "offline"
sys.path.insert(0, str(_OFFLINE))
assert Path(importlib.import_module("sitecustomize").__file__ or "").parent == _OFFLINE
os.environ["PYTHONPATH"] = os.pathsep.join([str(_OFFLINE), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
for _name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(_name, None)

# A script's shell has what it runs in the background ignore Ctrl-C, and so would every command that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Each client of httpx, each SDK and each proxy would read all certificates, which takes 20 ms, a thousand times.
_once: Any = functools.cache
httpcore2.default_ssl_context = _once(httpcore2.default_ssl_context)
ssl.create_default_context = _once(ssl.create_default_context)

gc.disable()  # until all tests are found, which makes a million objects that stay

# Enough for each change; what takes longer to find is looked for by hand: `--hypothesis-profile=long`.
hypothesis.settings.register_profile("suite", max_examples=40, deadline=None)
hypothesis.settings.register_profile("long", max_examples=5000, deadline=None)
hypothesis.settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _fresh_log() -> Iterator[None]:
    """The house's one logger is made for good at its first use; a test that listens to it needs it made anew."""
    yield
    vars(log.log).pop("bind", None)


@pytest.fixture(scope="session")
def poe() -> Iterator[poe_sim.SimServer]:
    """A stand-in Poe for tests that do not change it for others."""
    with poe_sim.running() as server:
        yield server


@pytest.fixture(scope="session")
def proxy(poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The proxy with its default settings in front of ``poe``."""
    with running_proxy(poe.base_url, tmp_path_factory.mktemp("data")) as server:
        yield server


@pytest.fixture(scope="module")
def _poe_of_module() -> Iterator[poe_sim.SimServer]:
    with poe_sim.running() as server:
        yield server


@pytest.fixture(scope="module")
def _proxy_of_module(_poe_of_module: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with running_proxy(_poe_of_module.base_url, tmp_path_factory.mktemp("data")) as server:
        yield server


@pytest.fixture
def own_poe(_poe_of_module: poe_sim.SimServer) -> poe_sim.SimServer:
    """A stand-in whose queue of faults and list of requests belong to one test."""
    reset(_poe_of_module)
    return _poe_of_module


@pytest.fixture
def own_proxy(own_poe: poe_sim.SimServer, _proxy_of_module: Proxy) -> Proxy:
    """A proxy with its default settings in front of ``own_poe``; it remembers what it learned in this module."""
    return _proxy_of_module


@pytest.fixture
def start_proxy(poe: poe_sim.SimServer, tmp_path: Path) -> Iterator[Callable[..., Proxy]]:
    """Start further proxies with settings of their own: ``start_proxy(FIRST_EVENT_S=0.2)``."""
    with ExitStack() as stack:

        def start(base_url: str = poe.base_url, **settings: object) -> Proxy:
            return stack.enter_context(running_proxy(base_url, tmp_path, **settings))

        yield start


@pytest.fixture
def client(proxy: Proxy) -> Iterator[OpenAI]:
    """The official SDK pointed at ``proxy``, without retries of its own."""
    with proxy.openai() as sdk:
        yield sdk


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[services.RedisServer]:
    """A Redis server of the test's own; see ``tests/services.py`` for where there is none."""
    with services.running_redis(tmp_path) as server:
        yield server


def pytest_collection_finish() -> None:
    """Spare the garbage collector the thousands of tests, as the proxy spares it what is there from the start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was skipped and why, so that nobody takes a skipped test for one that passed."""
    reasons = {str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])}
    for reason in sorted(reasons):
        terminalreporter.write_line(f"SKIPPED: {reason.removeprefix('Skipped: ')}", red=True, bold=True)
