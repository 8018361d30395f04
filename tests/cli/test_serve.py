"""``python proxy.py`` and ``uvicorn proxy:app`` as real processes that serve."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import orjson
import pytest

from poe_sim import SimServer
from tests.commands import PROXY, UVICORN, in_front_of
from tests.running import ROOT
from tests.serving import Serving, serving
from tests.talk import chat


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


@pytest.fixture(scope="module")
def impatient(poe: SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("impatient")
    with serving(PROXY, folder, **in_front_of(poe.base_url, BODY_TIMEOUT_S=0.1)) as proxy:
        yield proxy


def test_broken_http_is_answered_in_openais_shape(impatient: Serving) -> None:
    answer = impatient.say(b"FOO / HTTP/1.1\r\n\r\n")
    assert b"x-request-id: req_" in answer
    assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_http"


def test_a_sender_of_slow_headers_is_ended(impatient: Serving) -> None:
    assert impatient.say(b"GET / HTTP/1.1\r\nHost: loc").startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("words", [PROXY, UVICORN])
def test_nobody_gets_a_new_limit_by_making_up_addresses(words: Sequence[str], poe: SimServer, tmp_path: Path) -> None:
    with serving(words, tmp_path, **in_front_of(poe.base_url, RATE_LIMIT="1/hour")) as proxy:
        url = f"{proxy.url}/v1/chat/completions"
        answers = [
            httpx.post(url, json=chat("hi"), headers={"x-forwarded-for": address}, trust_env=False, timeout=30)
            for address in ("198.51.100.1", "198.51.100.2")
        ]
    assert [answer.status_code for answer in answers] == [200, 429]
