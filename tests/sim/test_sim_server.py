"""The stand-in as a server: keys, limits, what it remembers, how it starts and stops."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

import poe_sim
from poe_sim import faults, refusals, script
from tests.services import free_port

HOUSE = Path(poe_sim.__file__).parent
HELLO = {"model": "glm-5", "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic abc", poe_sim.KEYS[0]])
def test_a_wrong_key_is_refused(chat: Any, authorization: str) -> None:
    refused = chat(headers={"authorization": authorization})
    assert refused.status_code == 401
    assert refused.json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("key", poe_sim.KEYS)
def test_each_known_key_is_welcome(chat: Any, key: str) -> None:
    assert chat(headers={"authorization": f"Bearer {key}"}).status_code == 200


def test_the_rate_limit_counts_each_key_by_itself(http: Any, chat: Any) -> None:
    http("POST", "/_sim/settings", json={"requests_per_minute": 2})
    assert [chat().status_code for _ in range(3)] == [200, 200, 429]
    assert chat(headers={"authorization": f"Bearer {poe_sim.KEYS[1]}"}).status_code == 200


def test_what_arrived_can_be_looked_at(http: Any, chat: Any) -> None:
    chat("hello", headers={"x-sim-tag": "mine", "user-agent": "me"}, temperature=1)
    (record,) = http("GET", "/_sim/requests").json()["requests"]
    assert (record["method"], record["path"], record["tag"]) == ("POST", "/v1/chat/completions", "mine")
    assert record["body"] == HELLO | {"temperature": 1}
    assert record["headers"]["user-agent"] == "me"
    assert record["key_name"] == "Default API Key"
    assert poe_sim.KEYS[0] not in json.dumps(record)
    assert (record["status"], record["outcome"], record["disconnected_at"]) == (200, "answered", None)
    assert record["arrived_at"] <= record["finished_at"]


def test_a_mark_in_the_prompt_reaches_the_charge_and_not_the_answer(http: Any, chat: Any) -> None:
    said = chat("[[sim:tag mine]][[sim:reasoning]] hello").json()["choices"][0]["message"]
    assert "reasoning" in said, "a mark is no script"
    assert chat("[[sim:tag other]] hello").json()["choices"][0]["message"]["content"] == "You said: hello"
    assert [charge["tag"] for charge in http("GET", "/_sim/charges").json()["charges"]] == ["mine", "other"]


@pytest.mark.parametrize(
    ("request_fields", "outcome"),
    [({}, "answered"), ({"foo": 1}, "refused"), ({"headers": {"x-sim-fault": "500"}}, "fault")],
)
def test_each_request_has_an_outcome(sim: poe_sim.SimServer, chat: Any, request_fields: Any, outcome: str) -> None:
    chat(**request_fields)
    assert sim.poe.log.records[-1].outcome == outcome


@pytest.mark.parametrize("fault", ["slow_headers seconds=600", "stall after=1 seconds=600"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_is_noticed_in_every_phase(sim: poe_sim.SimServer, fault: str, stream: bool) -> None:
    headers = {"authorization": f"Bearer {poe_sim.KEYS[0]}", "x-sim-fault": fault}
    with httpx.Client(trust_env=False, timeout=0.1) as pool, pytest.raises(httpx.ReadTimeout):
        pool.post(f"{sim.base_url}/v1/chat/completions", json=HELLO | {"stream": stream}, headers=headers)
    record = sim.wait_for(lambda poe: next((r for r in poe.log.records if r.disconnected_at), None))
    assert record.outcome == "disconnected"
    assert sim.wait_for(lambda poe: poe.log.in_flight == 0)


def test_a_client_that_leaves_within_its_own_request_is_noticed(sim: poe_sim.SimServer) -> None:
    with socket.create_connection(("127.0.0.1", sim.port)) as plug:
        plug.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: poe\r\ncontent-length: 100\r\n\r\n{")
        sim.wait_for(lambda poe: poe.log.records)
    assert sim.wait_for(lambda poe: poe.log.records[0].disconnected_at)


def test_a_client_that_reads_to_the_end_did_not_leave(sim: poe_sim.SimServer, chat: Any) -> None:
    for stream in (True, False):
        chat(stream=stream)
    assert sim.wait_for(lambda poe: poe.log.in_flight == 0)
    assert {record.outcome for record in sim.poe.log.records} == {"answered"}


def test_its_state_can_be_looked_at_and_reset(http: Any, chat: Any) -> None:
    chat()
    http("POST", "/_sim/faults", json={"fault": "500", "times": 3})
    state = http("POST", "/_sim/settings", json={"settle_scale": 0.5}).json()
    assert (state["requests"], state["in_flight"], state["queue"][0]["times"]) == (1, 0, 3)
    assert state["open_connections"] >= 1
    assert state["balance"] < 1_000_000
    assert state["settings"]["settle_scale"] == 0.5
    clean = http("POST", "/_sim/reset").json()
    assert (clean["requests"], clean["queue"], clean["balance"]) == (0, [], 1_000_000)
    assert clean["settings"]["settle_scale"] == 1.0


@pytest.mark.parametrize("wish", [{"no_such": 1}, {"keys": {}}, {"clock": 0}])
def test_only_some_settings_change_while_running(http: Any, wish: Any) -> None:
    assert http("POST", "/_sim/settings", json=wish).status_code == 422


def test_many_clients_are_served_at_once(sim: poe_sim.SimServer) -> None:
    statuses: list[int] = []

    def ask() -> None:
        headers = {"authorization": f"Bearer {poe_sim.KEYS[0]}", "x-sim-fault": "slow_first seconds=0.05"}
        with httpx.Client(trust_env=False) as pool:
            url = f"{sim.base_url}/v1/chat/completions"
            statuses.append(pool.post(url, json=HELLO | {"stream": True}, headers=headers).status_code)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 16


def test_servers_share_nothing_and_stop_with_their_clients_still_there() -> None:
    with poe_sim.running() as one, poe_sim.running() as other, httpx.Client(trust_env=False) as pool:
        headers = {"authorization": f"Bearer {poe_sim.KEYS[0]}"}
        assert pool.post(f"{one.base_url}/v1/chat/completions", json=HELLO, headers=headers).status_code == 200
        assert (len(one.poe.log.records), len(other.poe.log.records)) == (1, 0)
        stalled = headers | {"x-sim-fault": "stall after=1 seconds=600"}
        request = pool.build_request(
            "POST", f"{one.base_url}/v1/chat/completions", json=HELLO | {"stream": True}, headers=stalled
        )
        hanging = pool.send(request, stream=True)
    hanging.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(one.base_url, trust_env=False)
    assert not [thread for thread in threading.enumerate() if thread.name == "poe-sim" and not thread.daemon]


def test_without_a_server_of_its_own_it_is_a_plain_app() -> None:
    app = poe_sim.create_app(poe_sim.Settings(balance=5))
    assert app.state.poe.books.balance == 5


def test_fast_mode_streams_twenty_chunks_from_prebuilt_bytes() -> None:
    with poe_sim.running(poe_sim.Settings(fast=True)) as sim, httpx.Client(trust_env=False) as pool:
        url = f"{sim.base_url}/v1/chat/completions"
        streamed = pool.post(url, content=b'{"stream": true}').text
        whole = pool.post(url, content=b'{"stream":false}').json()
        assert streamed.count('"content":') == 20
        assert streamed.endswith("data: [DONE]\n\n")
        assert len(whole["choices"][0]["message"]["content"].split()) == 20
        assert pool.get(f"{sim.base_url}/v1/models").status_code == 200
        assert not [record for record in sim.poe.log.records if record.path.startswith("/v1/chat")]


def test_the_command_serves_until_it_is_told_to_stop() -> None:
    port = free_port()
    command = [sys.executable, "-m", "poe_sim", "--port", str(port)]
    with subprocess.Popen(command, cwd=HOUSE.parent, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr is not None
        assert poe_sim.KEYS[0] in process.stderr.readline()
        answer = _patiently(f"http://127.0.0.1:{port}/v1/models")
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)
    assert answer.status_code == 200


def _patiently(url: str) -> httpx.Response:
    transport = httpx.HTTPTransport(retries=8)
    with httpx.Client(transport=transport, trust_env=False) as pool:
        return pool.get(url)


def test_its_readme_names_every_script_fault_and_style() -> None:
    text = (HOUSE / "README.md").read_text()
    named = set(re.findall(r"`([^`\s]+)", text))
    assert {*script.SCRIPTS, *faults.NAMES, *refusals.PARAMETER_STYLES} <= named


def test_it_imports_nothing_of_the_proxy() -> None:
    imported = set()
    for path in HOUSE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported |= {name.partition(".")[0] for name in names}
    assert "poe_proxy" not in imported
    assert imported <= {"poe_sim", "starlette", "uvicorn", "orjson", *sys.stdlib_module_names}
