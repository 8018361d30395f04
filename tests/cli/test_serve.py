"""``python proxy.py`` and ``uvicorn proxy:app`` as real processes, from start to end."""

import shutil
import signal
import socket
import sys
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import orjson
import pytest

from poe_proxy import __version__
from poe_proxy.cli.start import NO_KEY
from poe_sim import SimServer
from tests.commands import PROXY, UVICORN, Command, in_front_of, run, started
from tests.running import ROOT
from tests.talk import Json, chat

TWO_WORKERS = ("--workers", "2")
KEY = {"POE_API_KEY": "a-key-that-is-never-sent"}


@dataclass(frozen=True, slots=True)
class Serving:
    """A command that answers at ``url``."""

    command: Command
    url: str

    def ask(self, text: str) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/chat/completions", json=chat(text), trust_env=False, timeout=30)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def say(self, data: bytes) -> bytes:
        """All that comes back until the proxy closes the connection, while we never do."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            return b"".join(iter(partial(connection.recv, 65536), b""))

    @contextmanager
    def stream(self, text: str) -> Iterator["Stream"]:
        body: Json = chat(text, stream=True)
        with (
            httpx.Client(trust_env=False, timeout=30) as client,
            client.stream("POST", f"{self.url}/v1/chat/completions", json=body) as response,
        ):
            yield Stream(response.iter_lines())


class Stream:
    """The ``data:`` of a stream, one after the other. A body without its proper end is an error of httpx."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._data = (line.removeprefix("data: ") for line in lines if line.startswith("data: "))

    def wait_for_text(self) -> None:
        next(data for data in self._data if '"content":"t' in data or '"content":"q' in data)

    def rest(self) -> list[str]:
        return list(self._data)


@contextmanager
def serving(words: Sequence[str], folder: Path, **settings: object) -> Iterator[Serving]:
    """Run ``words`` on a free port, as soon as it says where it serves."""
    with started([*words, "--port", "0"], folder, settings) as command:
        yield Serving(command, command.wait_for_words(r"(?:client at|running on) (http://[^ /]+)"))


# --- without what it needs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [PROXY, (*PROXY, *TWO_WORKERS), UVICORN])
def test_without_a_key_it_ends_with_2_and_one_sentence(words: Sequence[str], tmp_path: Path) -> None:
    ended = run(words, tmp_path)
    assert (ended.code, ended.said) == (2, f"poe-proxy: {NO_KEY}\n")


def test_uvicorns_own_workers_without_a_key_are_not_started_again_and_again(tmp_path: Path) -> None:
    """Its parent process never sees our code: so the workers tell, and uvicorn gives up. (Its exit code is 0.)"""
    ended = run((*UVICORN, *TWO_WORKERS, "--port", "0"), tmp_path)
    assert 1 <= ended.said.count(NO_KEY) <= 2
    assert "stopping the parent process" in ended.said


def test_importing_the_front_door_reads_nothing_and_exits_never(tmp_path: Path) -> None:
    importing = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import proxy; hasattr(proxy, 'application')"
    ended = run((sys.executable, "-c", importing), tmp_path, {"PORT": "not a port"})
    assert (ended.code, ended.said) == (0, "")


@pytest.mark.parametrize("words", [PROXY, UVICORN])
def test_bad_values_end_the_start_with_2_all_at_once(words: Sequence[str], tmp_path: Path) -> None:
    ended = run(words, tmp_path, {**KEY, "PORT": "99999", "LOG_LEVEL": "loud", "PROXY_API_KEY": "short"})
    assert ended.code == 2
    assert [line.split()[:2] for line in ended.said.splitlines()] == [
        ["poe-proxy:", "PORT"],
        ["poe-proxy:", "LOG_LEVEL"],
        ["poe-proxy:", "PROXY_API_KEY"],
    ]


@pytest.mark.parametrize("words", [PROXY, (*PROXY, *TWO_WORKERS), UVICORN])
def test_a_broken_models_file_ends_the_start_with_2_and_the_line_of_each_fault(
    words: Sequence[str], tmp_path: Path
) -> None:
    models = tmp_path / "models.yaml"
    models.write_text("defaults:\n  allow_unlistd: true\nmodels:\n  text:\n    - poe_nam: glm-5\n")
    ended = run(words, tmp_path, {**KEY, "MODELS_FILE": models, "PORT": "0"})
    assert ended.code == 2
    first, *others = ended.said.splitlines()
    assert "line 2" in first
    assert all("line 5" in fault for fault in others)
    assert others


def test_a_missing_models_file_is_told_with_its_cure(tmp_path: Path) -> None:
    ended = run(PROXY, tmp_path, {**KEY, "MODELS_FILE": "elsewhere.yaml", "PORT": "0"})
    assert ended.code == 2
    assert f"{tmp_path / 'elsewhere.yaml'}: there is no such file" in ended.said
    assert "MODELS_FILE" in ended.said


@pytest.mark.parametrize("how", [("--host", "0.0.0.0"), ("--demo", "--host", "::")])
def test_it_refuses_to_bind_beyond_loopback_without_a_key_of_its_own(how: Sequence[str], tmp_path: Path) -> None:
    ended = run((*PROXY, *how), tmp_path, KEY)
    assert ended.code == 2
    assert "set PROXY_API_KEY" in ended.said
    assert "point your client at" not in ended.said


@pytest.mark.parametrize("more", [(), TWO_WORKERS])
def test_a_port_in_use_is_told_in_one_sentence(more: Sequence[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run((*PROXY, "--port", str(port), *more), tmp_path, KEY)
    assert ended.code == 2
    assert (
        ended.said == f"poe-proxy: port {port} of 127.0.0.1 is in use: choose another with PORT or --port, or free it\n"
    )


def test_an_address_that_is_not_ours_is_told_in_one_sentence(tmp_path: Path) -> None:
    ended = run((*PROXY, "--host", "192.0.2.1"), tmp_path, {**KEY, "PROXY_API_KEY": "3f9a7c51d2e84b60"})
    assert ended.code == 2
    assert ended.said.startswith("poe-proxy: cannot listen on HOST=192.0.2.1, PORT=9876: ")
    assert ended.said.count("\n") == 1


def test_an_unknown_option_ends_with_2(tmp_path: Path) -> None:
    ended = run((*PROXY, "--prot", "80"), tmp_path)
    assert ended.code == 2
    assert "--prot" in ended.said
    assert "--port" in ended.said


def test_a_misspelt_command_ends_with_2_and_the_one_that_is_meant(tmp_path: Path) -> None:
    ended = run((*PROXY, "chekc"), tmp_path)
    assert ended.code == 2
    assert "Did you mean 'check'?" in ended.said


@pytest.mark.parametrize("words", [("--version",), ("--port", "1", "--version"), ("serve", "--version")])
def test_version(words: Sequence[str], tmp_path: Path) -> None:
    ended = run((*PROXY, *words), tmp_path)
    assert (ended.code, ended.said) == (0, f"poe-proxy {__version__}\n")
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__


# --- serving ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def demo(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """What ``./scripts/run`` starts for a newcomer."""
    words = (*PROXY, "serve", "--demo-without-key")
    with serving(words, tmp_path_factory.mktemp("newcomer"), DATA_DIR=data) as proxy:
        yield proxy


def test_without_a_key_the_demo_says_in_one_line_that_it_is_one(demo: Serving) -> None:
    assert demo.command.said.splitlines()[0].startswith("No Poe key is set")


def test_the_demo_says_where_to_point_a_client(demo: Serving) -> None:
    assert f"point your client at {demo.url}/v1 with any key" in demo.command.said
    assert demo.url != "http://127.0.0.1:0"


def test_the_demo_answers_without_an_account(demo: Serving) -> None:
    assert demo.ask("hello").json()["choices"][0]["message"]["content"] == "You said: hello"


def test_the_demo_keeps_its_invented_catalogue_apart(demo: Serving, data: Path) -> None:
    demo.command.wait_for_file(data / "demo" / "catalogue.json")
    assert [path.name for path in data.iterdir()] == ["demo"]


def test_asked_for_the_demo_only_without_a_key_a_key_in_dotenv_leads_to_poe(poe: SimServer, tmp_path: Path) -> None:
    lines = (f"{name}={value}\n" for name, value in in_front_of(poe.base_url).items())
    (tmp_path / ".env").write_text("".join(lines))
    with serving((*PROXY, "serve", "--demo-without-key"), tmp_path) as proxy:
        assert "No Poe key" not in proxy.command.said
        assert "in front of Poe" in proxy.command.said
        assert proxy.ask("hello").status_code == 200


def test_in_a_container_the_published_address_is_announced(tmp_path: Path) -> None:
    published = {"HOST": "0.0.0.0", "PUBLISH_ADDR": "127.0.0.1", "PUBLISH_PORT": "9999"}
    with serving((*PROXY, "--demo"), tmp_path, **published) as demo:
        assert demo.url == "http://127.0.0.1:9999"


def test_a_setting_that_is_nearly_ours_is_warned_of(poe: SimServer, tmp_path: Path) -> None:
    with serving(PROXY, tmp_path, **in_front_of(poe.base_url, MODELS_FILES="x", LITELLM_PORT="4000")) as proxy:
        assert "MODELS_FILES is not a setting; did you mean MODELS_FILE?" in proxy.command.said
        assert "LITELLM_PORT" not in proxy.command.said


def test_started_from_elsewhere_it_finds_what_is_beside_it(poe: SimServer, tmp_path: Path) -> None:
    """A checkout of our own, so that nobody's .env is read, and a working directory with nothing in it."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "poe_proxy", checkout / "poe_proxy", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "proxy.py", checkout)
    lines = (f"{name}={value}\n" for name, value in in_front_of(poe.base_url).items())
    (checkout / ".env").write_text("".join(lines))
    (checkout / "models.yaml").write_text("models:\n  text: [gpt-5.4-mini]\n")
    (tmp_path / "elsewhere").mkdir()
    there = 'cd elsewhere && unset MODELS_FILE DATA_DIR && exec "$@"'
    with serving(("/bin/sh", "-c", there, "sh", sys.executable, str(checkout / "proxy.py")), tmp_path) as proxy:
        listed = httpx.get(f"{proxy.url}/v1/models", trust_env=False).json()["data"]
        proxy.command.wait_for_file(checkout / "data" / "catalogue.json")
    assert [model["id"] for model in listed] == ["gpt-5.4-mini"]


# --- what is no request -----------------------------------------------------------------------------------------------


def test_broken_http_is_answered_in_openais_shape(poe: SimServer, tmp_path: Path) -> None:
    with serving(PROXY, tmp_path, **in_front_of(poe.base_url)) as proxy:
        answer = proxy.say(b"FOO / HTTP/1.1\r\n\r\n")
    assert b"x-request-id: req_" in answer
    assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_http"


def test_a_sender_of_slow_headers_is_ended(poe: SimServer, tmp_path: Path) -> None:
    with serving(PROXY, tmp_path, **in_front_of(poe.base_url, BODY_TIMEOUT_S=0.1)) as proxy:
        assert proxy.say(b"GET / HTTP/1.1\r\nHost: loc").startswith(b"HTTP/1.1 408 ")


# --- the end ----------------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_it_quietly(poe: SimServer, tmp_path: Path) -> None:
    with serving(PROXY, tmp_path, **in_front_of(poe.base_url)) as proxy:
        assert proxy.ask("hello").status_code == 200
        proxy.command.send(signal.SIGINT)
        ended = proxy.command.end()
    assert ended.code == 0
    assert "Traceback" not in ended.said


def test_a_signal_during_the_start_ends_it_too(tmp_path: Path) -> None:
    with started((*PROXY, "serve", "--demo-without-key", "--port", "0"), tmp_path) as command:
        command.wait_for_words("(No Poe key)")
        command.send(signal.SIGTERM)
        ended = command.end()
    assert ended.code == 0
    assert "Traceback" not in ended.said


def test_a_stream_that_fits_into_the_grace_is_finished_while_nobody_else_is_let_in(
    poe: SimServer, tmp_path: Path
) -> None:
    with (
        serving(PROXY, tmp_path, **in_front_of(poe.base_url)) as proxy,
        proxy.stream("[[sim:long tokens=20 rate=20]]") as stream,
    ):
        stream.wait_for_text()
        proxy.command.send(signal.SIGTERM)
        proxy.command.wait_until_nobody_listens(proxy.url)
        rest = stream.rest()
        assert proxy.command.end().code == 0
    assert '"finish_reason":"stop"' in rest[-2]
    assert rest[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(PROXY, 0, id="python proxy.py"),
        pytest.param((*PROXY, *TWO_WORKERS), 0, id="python proxy.py --workers 2"),
        pytest.param(UVICORN, -signal.SIGTERM, id="uvicorn proxy:app"),
    ],
)
def test_a_stream_beyond_the_grace_ends_with_an_error_event_and_not_with_a_cut(
    words: Sequence[str], code: int, poe: SimServer, tmp_path: Path
) -> None:
    with (
        serving(words, tmp_path, **in_front_of(poe.base_url, SHUTDOWN_GRACE_S=0.3)) as proxy,
        proxy.stream("[[sim:long tokens=2000 rate=20]]") as stream,
    ):
        stream.wait_for_text()
        proxy.command.send(signal.SIGTERM)
        error = next(data for data in stream.rest() if data.startswith('{"error"'))
        ended = proxy.command.end()
    assert "shutting down" in orjson.loads(error)["error"]["message"]
    assert ended.code == code
    assert "Traceback" not in ended.said


def test_an_answer_beyond_the_grace_ends_with_503(own_poe: SimServer, tmp_path: Path) -> None:
    with (
        serving(PROXY, tmp_path, **in_front_of(own_poe.base_url, SHUTDOWN_GRACE_S=0.3)) as proxy,
        ThreadPoolExecutor(1) as other,
    ):
        asked = other.submit(proxy.ask, "[[sim:fault slow_headers seconds=60]]")
        own_poe.wait_for(lambda poe: [record for record in poe.log.records if record.path == "/v1/chat/completions"])
        proxy.command.send(signal.SIGTERM)
        answer = asked.result()
    assert answer.status_code == 503
    assert "shutting down" in answer.json()["error"]["message"]
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("more", [(), TWO_WORKERS])
def test_a_client_that_reads_nothing_does_not_hold_up_the_end(
    more: Sequence[str], own_poe: SimServer, tmp_path: Path
) -> None:
    """The answer is far larger than what fits into all the buffers on the way."""
    body = orjson.dumps(chat("[[sim:long tokens=100000 rate=0]]", stream=True))
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    with (
        serving((*PROXY, *more), tmp_path, **in_front_of(own_poe.base_url, SHUTDOWN_GRACE_S=1)) as proxy,
        socket.socket() as client,
    ):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that the proxy is stuck at once
        client.connect(("127.0.0.1", proxy.port))
        client.sendall(head + body)
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        proxy.command.send(signal.SIGTERM)
        ended = proxy.command.end()
    assert ended.code == 0
    assert "Traceback" not in ended.said
    assert "exceeded" not in ended.said


def test_a_redis_url_with_an_impossible_option_ends_the_start_with_2(tmp_path: Path) -> None:
    ended = run(PROXY, tmp_path, {**KEY, "PORT": "0", "REDIS_URL": "redis://:word@localhost?max_connections=many"})
    assert ended.code == 2
    assert "poe-proxy: REDIS_URL cannot be used" in ended.said
    assert "word" not in ended.said


@pytest.mark.parametrize("words", [PROXY, UVICORN])
def test_nobody_gets_a_new_limit_by_making_up_addresses(words: Sequence[str], poe: SimServer, tmp_path: Path) -> None:
    with serving(words, tmp_path, **in_front_of(poe.base_url, RATE_LIMIT="1/hour")) as proxy:
        url = f"{proxy.url}/v1/chat/completions"
        answers = [
            httpx.post(url, json=chat("hi"), headers={"x-forwarded-for": address}, trust_env=False, timeout=30)
            for address in ("198.51.100.1", "198.51.100.2")
        ]
    assert [answer.status_code for answer in answers] == [200, 429]
