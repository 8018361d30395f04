"""What the proxy says of itself: endpoints, log and metrics, and that they never hold a key or a message."""

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import structlog

import poe_sim
from poe_proxy.observe import log
from tests.running import Proxy, eventually
from tests.talk import chat, frames, hanging_up, open_stream, post, queue

StartProxy = Callable[..., Proxy]
SECRET = "the-secret-of-the-user"


def get(proxy: Proxy, path: str) -> Any:
    return httpx.get(proxy.url + path, trust_env=False).json()


# --- endpoints ------------------------------------------------------------------------------------------------------


def test_the_root_says_where_to_point_a_client(proxy: Proxy) -> None:
    assert get(proxy, "/")["point_your_client_at"]["base_url"] == f"{proxy.url}/v1"


def test_health_is_alive(proxy: Proxy) -> None:
    assert get(proxy, "/health")["status"] == "ok"


def test_ready_says_in_words_that_key_and_catalogue_are_there(proxy: Proxy) -> None:
    said = eventually(lambda: (said := get(proxy, "/ready"))["ready"] and "fetched" in said["catalogue"] and said)
    assert said["key"] == "the Poe key is valid"


def test_ready_says_that_poe_refuses_the_key(start_proxy: StartProxy) -> None:
    proxy = start_proxy(POE_API_KEY="not-a-key-of-poe")
    said = eventually(lambda: next((s for s in [get(proxy, "/ready")] if "refuses" in s["key"]), None))
    assert said["ready"] is False
    assert "POE_API_KEY" in said["key"]


def test_without_poe_it_starts_says_so_and_answers_with_an_error(start_proxy: StartProxy) -> None:
    proxy = start_proxy(poe_sim.refused_url(), RETRY_BUDGET_S=0)
    said = eventually(lambda: next((s for s in [get(proxy, "/ready")] if "could not be checked" in s["key"]), None))
    assert said["ready"] is False
    answer = post(proxy, chat("hi"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "poe_not_reached")
    assert len(get(proxy, "/v1/models")["data"]) > 50


def test_models_are_listed_with_facts_and_found_by_any_name(client: openai.OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert listed["gpt-5.4"].owned_by == "OpenAI"
    for name in ("gpt-5.4", "GPT-5.4", "openai/gpt-5.4", "poe/gpt-5.4"):
        assert client.models.retrieve(name).id == "gpt-5.4"


def test_a_models_facts_are_what_a_person_chooses_by(proxy: Proxy) -> None:
    card = get(proxy, "/v1/models/gpt-5.4")
    assert card["modality"] == "text"
    assert card["context_length"] > 100_000
    assert card["pricing"]["prompt"] == "0.0000022"
    assert "tools" in card["features"]


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model-at-all")


def test_a_changed_models_yaml_is_taken_over_and_a_broken_one_is_not(start_proxy: StartProxy, tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text("models: {text: [gpt-5.4]}")
    proxy = start_proxy(MODELS_FILE=file)
    file.write_text("models: {text: [gpt-5.4, claude-opus-4.6]}")
    eventually(lambda: len(get(proxy, "/v1/models")["data"]) == 2)
    file.write_text("models: {txt: [gpt-5.4]}")
    assert "txt" in eventually(lambda: next((s for s in [get(proxy, "/ready")["models"]] if "refused" in s), ""))
    assert len(get(proxy, "/v1/models")["data"]) == 2


def test_a_catalogue_that_is_gone_breaks_nothing(start_proxy: StartProxy, own_poe: poe_sim.SimServer) -> None:
    queue(own_poe, "500", times=3, path="/v1/models")
    proxy = start_proxy(own_poe.base_url)
    assert post(proxy, chat("hi")).status_code == 200
    assert "seed" in get(proxy, "/ready")["catalogue"]


def test_the_catalogue_is_kept_on_disk_for_the_next_start(start_proxy: StartProxy, tmp_path: Path) -> None:
    start_proxy()
    kept = tmp_path / "catalogue.json"
    eventually(kept.exists)
    assert len(json.loads(kept.read_bytes())["body"]["data"]) > 300


def test_openapi_tells_the_endpoints(proxy: Proxy) -> None:
    assert {"/v1/chat/completions", "/v1/models", "/health"} <= set(get(proxy, "/openapi.json")["paths"])


# --- request ids, log, metrics --------------------------------------------------------------------------------------


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Any]]]:
    """The log's lines of this test, as JSON."""
    before, stream = structlog.get_config(), io.StringIO()
    monkeypatch.setattr(log, "log", structlog.get_logger())  # the one before has kept its first configuration
    log.configure("debug", "json", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.configure(**before)


def line_of(logged: Callable[[], list[Any]], request_id: str) -> Any:
    return eventually(lambda: next((line for line in logged() if line.get("request_id") == request_id), None))


def test_every_answer_has_an_id_and_a_line_with_the_same(
    start_proxy: StartProxy, logged: Callable[[], list[Any]]
) -> None:
    answer = post(start_proxy(), chat("hi"))
    line = line_of(logged, answer.headers["x-request-id"])
    assert (line["status"], line["model"], line["outcome"]) == (200, "gpt-5.4-mini", "ok")
    assert line["tokens_in"] > 0
    assert line["tokens_out"] > 0
    assert {"seconds", "first_event_s", "attempts", "route"} <= set(line)


def test_a_callers_own_id_is_kept_if_it_is_sane(proxy: Proxy) -> None:
    assert post(proxy, chat("hi"), **{"x-request-id": "my-id.7"}).headers["x-request-id"] == "my-id.7"
    assert post(proxy, chat("hi"), **{"x-request-id": "a b{}"}).headers["x-request-id"].startswith("req_")


def test_attempts_and_what_went_wrong_stand_in_the_line(
    own_poe: poe_sim.SimServer, start_proxy: StartProxy, logged: Callable[[], list[Any]]
) -> None:
    queue(own_poe, "closed")
    answer = post(start_proxy(own_poe.base_url), chat("hi"))
    line = line_of(logged, answer.headers["x-request-id"])
    assert line["attempts"] == 2
    assert "maybe charged" in line["notes"][0]


@pytest.mark.parametrize(
    "directive",
    [
        "",
        "[[sim:fault 401]]",
        "[[sim:fault 402]]",
        "[[sim:fault 400plain]]",
        "[[sim:fault closed]]",
        "[[sim:fault cut after=2]]",
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_no_line_holds_a_key_or_a_message(
    start_proxy: StartProxy, logged: Callable[[], list[Any]], directive: str, stream: bool
) -> None:
    key = "a-key-that-nobody-may-read"
    proxy = start_proxy(PROXY_API_KEY=key)
    body = chat(f"{directive} {SECRET}", stream=stream, user=SECRET, metadata={"a": SECRET})
    answer = post(proxy, body, authorization=f"Bearer {key}")
    line_of(logged, answer.headers["x-request-id"])
    said = json.dumps(logged())
    assert SECRET not in said
    assert key not in said
    assert poe_sim.KEYS[0] not in said


def test_a_crash_of_ours_is_500_and_its_line_quotes_nothing(
    start_proxy: StartProxy, logged: Callable[[], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError(SECRET)

    proxy = start_proxy()
    monkeypatch.setattr(proxy.house.upkeep, "resolve", broken)
    answer = post(proxy, chat("hi"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    eventually(lambda: any(line["event"] == "internal error" for line in logged()))
    assert SECRET not in json.dumps(logged())
    assert SECRET not in answer.text


def test_metrics_count_requests_and_tokens(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    post(proxy, chat("hi"))
    with open_stream(proxy, chat("hi")) as response:
        frames(response)
    said = eventually(lambda: next((s for s in [metrics(proxy)] if 'status="200"} 2.0' in s), ""))
    assert 'poe_proxy_tokens_total{kind="prompt",model="gpt-5.4-mini"}' in said
    assert 'poe_proxy_attempts_total{model="gpt-5.4-mini"} 2.0' in said


def test_names_that_callers_make_up_become_no_labels(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    post(proxy, chat("hi", model="invented-by-a-caller"))
    httpx.get(f"{proxy.url}/invented/too", trust_env=False)
    assert "invented" not in metrics(proxy)


def test_metrics_tell_how_many_tasks_there_are_now(own_poe: poe_sim.SimServer, own_proxy: Proxy) -> None:
    def tasks() -> float:
        return float(re.findall(r"^poe_proxy_tasks (\S+)$", metrics(own_proxy), re.MULTILINE)[0])

    before = tasks()
    with hanging_up(own_proxy, chat("[[sim:fault slow_headers seconds=60]] hi")):
        eventually(lambda: tasks() > before)
    eventually(lambda: tasks() <= before)


def metrics(proxy: Proxy) -> str:
    return httpx.get(f"{proxy.url}/metrics", trust_env=False).text
