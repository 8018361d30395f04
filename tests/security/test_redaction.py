"""Keys and messages stay where they belong: after traffic of every kind, all that the proxy left behind is searched."""

import io
import json
import logging
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

import poe_sim
from poe_proxy.ledger.ledger import Ledger
from poe_proxy.observe import log
from poe_proxy.observe.metrics import Metrics
from poe_proxy.poe.client import PoeClient
from poe_proxy.settings import SettingsError, load_settings
from poe_proxy.upkeep import Upkeep
from tests.commands import PROXY, in_front_of, run, started
from tests.golden.scripted_poe import Recorded, ScriptedPoe, scripted_poe
from tests.running import Proxy, eventually, running_proxy
from tests.security.secrets import files_in, found
from tests.talk import Json, chat, post

POE_KEY = poe_sim.KEYS[0]
ADA, BOB = "Hq3-adas-own-key-4711", "Wz9-bobs-own-key-0815"
STRANGER = "Xk5-a-strangers-guess-1234"
KEYS = (POE_KEY, ADA, BOB, STRANGER)
MESSAGE = 'Grüße+"an" die Tante/Ölmühle 77'
IN_TOOLS, IN_RESULT, IN_SYSTEM, IN_FIELDS = "Werkzeug-q7x", "Ergebnis-k2v", "Auftrag-m8z", "Beiwerk-t4j"
BY_POE = "Poes-eigene-Worte-9d"
SAID = (MESSAGE, IN_TOOLS, IN_RESULT, IN_SYSTEM, IN_FIELDS)
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
FAULTS = (
    *("400plain", "400context", "400moderation", "400param", "nested", "401", "402", "403", "404", "408", "413", "429"),
    *("500", "502html", "529", "html_200", "error_200", "json_for_stream", "closed", "reset", "bad_http"),
    *("cut", "reset_mid", "garbage", "no_done", "no_finish", "event_error", f"error_mid message={BY_POE}"),
)
SCRIPTS = ("", "[[sim:tool]]", "[[sim:reasoning]]", "[[sim:refusal]]", "[[sim:no_usage]]")


def chat_body(directive: str, **more: Any) -> Json:
    function = {"name": "look", "description": IN_TOOLS, "parameters": {"type": "object", "title": IN_TOOLS}}
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": json.dumps({"at": IN_TOOLS})}}
    history = [
        {"role": "system", "content": IN_SYSTEM},
        {"role": "user", "content": MESSAGE},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": IN_RESULT},
        {"role": "user", "content": f"{directive} {MESSAGE}"},
    ]
    extra = {"user": IN_FIELDS, "metadata": {"note": IN_FIELDS}, "stop": [IN_FIELDS]}
    return {**chat(""), "messages": history, "tools": [{"type": "function", "function": function}], **extra, **more}


def messages_body(directive: str, model: str, **more: Any) -> Json:
    tool = {"name": "look", "description": IN_TOOLS, "input_schema": {"type": "object", "title": IN_TOOLS}}
    history = [
        {"role": "user", "content": MESSAGE},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"at": IN_TOOLS}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": IN_RESULT}]},
        {"role": "assistant", "content": "so"},
        {"role": "user", "content": f"{directive} {MESSAGE}"},
    ]
    extra = {"system": IN_SYSTEM, "metadata": {"user_id": IN_FIELDS}, "stop_sequences": [IN_FIELDS]}
    return {"model": model, "max_tokens": 100, "messages": history, "tools": [tool], **extra, **more}


# --- everything that a running proxy leaves behind ------------------------------------------------------------------


@dataclass
class Left:
    """What was left behind: the log, the pages, the bodies of errors, and the files under DATA_DIR."""

    places: dict[str, bytes] = field(default_factory=dict)
    errors: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    statuses: set[int] = field(default_factory=set)


def requests() -> Iterator[tuple[str, Json, str]]:
    """Traffic of every kind, in both dialects, native and translated, streamed and whole: path, body, what is asked."""
    for directive in (*SCRIPTS, *(f"[[sim:fault {fault}]]" for fault in FAULTS)):
        for stream in (False, True):
            yield CHAT, chat_body(directive, stream=stream), directive
            yield MESSAGES, messages_body(directive, "claude-sonnet-4.5", stream=stream), directive
        yield MESSAGES, messages_body(directive, "gpt-5.4-mini", stream=True), directive


def talk_to(client: httpx.Client, left: Left, part: int) -> None:
    """Every second request, from the ``part``-th, and all that is wrong with one; the bodies of errors are kept."""
    for path, body, what in [*requests()][part::2]:
        ask(client, left, path, body, what)
    ask(client, left, CHAT, chat_body("", model="no-such-model"), "unknown model")
    ask(client, left, f"{MESSAGES}/count_tokens", messages_body("", "gpt-5.4"), "count")
    ask(client, left, CHAT, {"messages": MESSAGE}, "no model")
    ask(client, left, CHAT, chat_body("", messages=[{"role": "user", "content": 7, "x": MESSAGE}]), "bad content")
    for headers in ({"authorization": f"Bearer {STRANGER}"}, {"x-api-key": STRANGER}, {"x-api-key": f"{BOB}x"}):
        keep(left, f"{headers}", client.post(CHAT, json=chat_body(""), headers={"authorization": "", **headers}))
    keep(left, "no JSON", client.post(CHAT, content=f'{{"model": "{MESSAGE}'.encode()))
    keep(left, "a path", client.get(f"/v1/{STRANGER}", params={"key": STRANGER}, headers={"origin": "http://evil"}))


def ask(client: httpx.Client, left: Left, path: str, body: Json, what: str) -> None:
    keep(left, f"{path} {what} {body.get('stream')}", client.post(path, json=body))


def keep(left: Left, what: str, answer: httpx.Response) -> None:
    """Of an answer that is one only its headers: what a model says is the caller's."""
    left.statuses.add(answer.status_code)
    _, error, words = answer.text.partition('"error"')
    left.errors[what] = f"{answer.headers} {error} {words if error else ''}".encode()


@pytest.fixture(scope="module", params=["text", "json"])
def left(request: pytest.FixtureRequest, poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What was left behind by `python proxy.py` at LOG_LEVEL=debug, while it ran and after its end."""
    folder, left = tmp_path_factory.mktemp(request.param), Left()
    keys = {"PROXY_API_KEY": f"{ADA},{BOB}", "LOG_LEVEL": "debug", "LOG_FORMAT": request.param, "PORT": 0}
    with started(
        PROXY, folder, in_front_of(poe.base_url, RETRY_BUDGET_S=0, FOOTER="auto", FOOTER_WAIT_S=0, **keys)
    ) as command:
        url = command.wait_for_words(r"client at (http://[^ /]+)")
        bearer = {"authorization": f"Bearer {ADA}", "x-session-id": "a-session"}
        with httpx.Client(base_url=url, headers=bearer, timeout=30, trust_env=False) as client:
            talk_to(client, left, part=["text", "json"].index(request.param))
            for page in ("/metrics", "/ready", "/v1/usage", "/", "/openapi.json", "/v1/models"):
                left.places[page] = client.get(page).content
        left.places |= {f"{name} while it ran": said for name, said in files_in(folder / "data").items()}
        left.modes = {
            str(path): path.stat().st_mode & 0o777 for path in [folder / "data", *(folder / "data").rglob("*")]
        }
        command.send(signal.SIGTERM)
        assert command.end().code == 0
        left.places["log"] = command.said.encode()
    return Left(left.places | files_in(folder / "data"), left.errors, left.modes, left.statuses)


def test_the_traffic_was_what_it_should_be_and_left_its_traces(left: Left) -> None:
    assert left.statuses >= {200, 400, 401, 402, 403, 404, 408, 429, 500, 502, 529}
    assert left.places["log"].count(b"request_id") > 80
    assert b"claude-sonnet-4.5" in left.places["/metrics"]
    assert any("wal" in name for name in left.places)
    assert any(b"a-session" in said for name, said in left.places.items() if "ledger" in name)


def test_no_key_and_nothing_of_a_message_is_in_the_log_the_pages_or_any_file(left: Left) -> None:
    assert found((*KEYS, *SAID, BY_POE), left.places) == []


def test_no_error_tells_a_key_or_a_message(left: Left) -> None:
    assert found((*KEYS, *SAID), left.errors) == []


@pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")
def test_what_is_kept_on_disk_is_for_its_owner_alone(left: Left) -> None:
    assert len(left.modes) > 3
    assert {name: oct(mode) for name, mode in left.modes.items() if mode & 0o077} == {}


# --- what Poe says of our key ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ScriptedPoe, Proxy, Path]]:
    folder, models = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("models") / "models.yaml"
    models.write_text("models: {text: [gpt-5.4-mini, {poe_name: claude-sonnet-4.5, via: messages}]}")  # after a 404 too
    with scripted_poe() as poe, running_proxy(poe.url, folder, MODELS_FILE=models, RETRY_BUDGET_S=0) as proxy:
        yield poe, proxy, folder


JSON_TYPE, EVENTS = {"content-type": "application/json"}, {"content-type": "text/event-stream"}
SHORTENED = f"{POE_KEY[:11]}…{POE_KEY[-3:]}"
ERROR = {"message": f"{POE_KEY} no {SHORTENED}", "type": f"t-{POE_KEY}", "code": POE_KEY, "param": f"p.{POE_KEY}"}
QUOTING = json.dumps({"error": {**ERROR, "metadata": {POE_KEY: [f"Bearer {POE_KEY}"]}}}).encode()
NESTED = json.dumps({"type": "error", "error": {"type": "api_error", "message": QUOTING.decode()}}).encode()
CHUNK = b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"so"}}]}\n\n'
START = b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","role":"assistant","content":[]}}\n\n'
IN_PIECES = [(b"event: error\ndata: " + NESTED + b"\n\n")[at : at + 5] for at in range(0, len(NESTED) + 21, 5)]


@pytest.mark.parametrize(
    "answer",
    [
        *(Recorded(status, JSON_TYPE, [QUOTING]) for status in (400, 401, 402, 403, 404, 413, 422, 429, 500, 529)),
        Recorded(400, JSON_TYPE, [NESTED]),
        Recorded(502, {"content-type": "text/html"}, [f"<title>{POE_KEY}</title>".encode()]),
        Recorded(500, {"content-type": "text/plain"}, [f"the key {POE_KEY}".encode()]),
        Recorded(302, {"location": f"http://127.0.0.1:1/?key={POE_KEY}"}, [b"moved"]),
        Recorded(200, JSON_TYPE, [QUOTING]),
        Recorded(200, EVENTS, [b"data: " + QUOTING + b"\n\n"]),
        Recorded(200, EVENTS, [CHUNK, b"data: " + QUOTING + b"\n\n"]),
        Recorded(200, EVENTS, [START, *IN_PIECES]),
    ],
    ids=lambda answer: f"{answer.status}-{len(answer.pieces)}",
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "model"), [(CHAT, "gpt-5.4-mini"), (MESSAGES, "claude-sonnet-4.5"), (MESSAGES, "gpt-5.4-mini")]
)
def test_what_poe_says_of_our_key_is_masked_whole_or_in_part(
    scripted: tuple[ScriptedPoe, Proxy, Path], answer: Recorded, stream: bool, path: str, model: str
) -> None:
    poe, proxy, folder = scripted
    poe.answer = answer
    told = post(proxy, {**chat("hi", model=model, max_tokens=9), "stream": stream}, path)
    places = {"body": told.content, "headers": str(told.headers.raw).encode(), **files_in(folder)}
    assert found([POE_KEY, POE_KEY[:8]], places) == []


@pytest.mark.parametrize("status", [200, 400])
def test_headers_of_poes_that_are_passed_on_carry_nothing_but_text(
    scripted: tuple[ScriptedPoe, Proxy, Path], status: int
) -> None:
    poe, proxy, _ = scripted
    said = {
        "anthropic-ratelimit-requests-limit": "a\x1b[31mb",
        "anthropic-ratelimit-x": "日".encode().decode("latin-1"),
    }
    poe.answer = Recorded(status, {**JSON_TYPE, **said}, [b'{"error": {"message": "no"}}'])
    told = post(proxy, {**chat("hi", model="claude-sonnet-4.5"), "max_tokens": 9}, MESSAGES)
    assert told.headers["anthropic-ratelimit-requests-limit"] == "a?[31mb"
    assert set(told.headers["anthropic-ratelimit-x"]) == {"?"}


# --- faults of our own ----------------------------------------------------------------------------------------------


@pytest.fixture(params=["text", "json"])
def logged(request: pytest.FixtureRequest, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """All that is logged, by us and by libraries, as a server's own start sets it up."""
    before, stream, servers = structlog.get_config(), io.StringIO(), logging.getLogger("uvicorn.error")
    level = servers.level  # the stand-in, in the same process, has made it silent
    monkeypatch.setattr(log, "log", structlog.get_logger())
    monkeypatch.setattr(logging.root, "handlers", [])
    log.configure("debug", request.param, stream)
    servers.setLevel(logging.NOTSET)
    yield stream
    servers.setLevel(level)
    structlog.configure(**before)


@pytest.mark.parametrize(
    ("room", "name"), [(Upkeep, "resolve"), (Ledger, "begin"), (PoeClient, "post"), (Metrics, "count")]
)
def test_a_fault_of_ours_is_told_by_its_place_and_kind_not_by_its_words(
    proxy: Proxy, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch, room: type, name: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError(f"{MESSAGE} {POE_KEY} {ADA}")

    with monkeypatch.context() as patch:
        patch.setattr(room, name, broken)
        answer = post(proxy, chat(MESSAGE))
        eventually(lambda: "ValueError" in logged.getvalue())
    told = answer.content if answer.status_code >= 500 else b""
    assert found([MESSAGE, POE_KEY, ADA], {"log": logged.getvalue().encode(), "answer": told}) == []
    assert "test_redaction.py" in logged.getvalue()


# --- names that others made up --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["\x1b]0;owned\x07", "a\x9b31mb", "a\nrequest status=200", "a\u2028b", "a\u202eb", "\x00", "\x7f"]
)
def test_no_name_that_a_caller_made_up_steers_a_terminal_or_begins_a_line(
    proxy: Proxy, logged: io.StringIO, name: str
) -> None:
    post(proxy, chat("hi", model=name))
    lines = [line for line in logged.getvalue().split("\n") if "UnknownModel" in line]
    assert len(lines) == 1
    assert lines[0].isprintable()


# --- settings and commands ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"POE_API_KEY": f"$({STRANGER})"},
        {"POE_API_KEY": f"{STRANGER} {STRANGER}"},
        {"PROXY_API_KEY": f"{ADA},{STRANGER} x"},
        {"PROXY_API_KEY": f"<{STRANGER}>"},
        {"POE_BASE_URL": f"https://me:{STRANGER}@api.example"},
        {"DATABASE_URL": f"mysql://me:{STRANGER}@host/db"},
        {"REDIS_URL": f"http://:{STRANGER}@host"},
    ],
)
def test_a_fault_in_a_setting_quotes_no_secret(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(settings, Path("/nonexistent/.env"))
    assert found([STRANGER, ADA], {"faults": str(caught.value).encode()}) == []


def test_a_command_that_fails_tells_no_key(tmp_path: Path) -> None:
    settings = in_front_of(
        poe_sim.refused_url(), DATABASE_URL=f"mysql://me:{STRANGER}@host/db", PROXY_API_KEY=f"{ADA},x"
    )
    ended = run((*PROXY, "check"), tmp_path, settings)
    assert ended.code == 2
    assert found(KEYS, {"output": ended.said.encode()}) == []
