"""The ledger through the running proxy: each request a row, each row the points that Poe charged for it."""

import asyncio
import contextlib
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest

import poe_sim
from poe_proxy.ledger import pace, poller
from tests.commands import PROXY, in_front_of, started
from tests.ledger.rows import rows_in
from tests.running import Proxy, eventually
from tests.talk import Json, chat, hanging_up, open_stream, post, queue, reset

StartProxy = Callable[..., Proxy]
HISTORY = "/usage/points_history"
OUR_KEYS = ("first-k9x2m7q4w8e1r5t3", "second-b6n3v8c1x5z9l2k7")


@pytest.fixture(scope="module")
def _quick_poe() -> Iterator[poe_sim.SimServer]:
    with poe_sim.running(poe_sim.Settings(settle_scale=0.01)) as server:
        yield server


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are final at once are looked for at once."""
    ages = (0.1, 0.2, 0.4, 0.8, *pace.AGES_S)
    monkeypatch.setattr(pace, "AGES_S", ages)
    monkeypatch.setattr(poller, "AGES_S", ages)


@pytest.fixture
def poe(_quick_poe: poe_sim.SimServer) -> poe_sim.SimServer:
    """A stand-in whose rows are final at once, and whose books belong to one test."""
    reset(_quick_poe)
    return _quick_poe


def rows(proxy: Proxy) -> list[Json]:
    """The ledger's rows, oldest first; none before the tables are there."""
    return rows_in(proxy.house.settings.database)


def settled_rows(proxy: Proxy, count: int, seconds: float = 20) -> list[Json]:
    """The rows, as soon as there are so many and none of them is open."""

    def look() -> list[Json]:
        found = rows(proxy)
        return found if len(found) == count and all(row["source"] for row in found) else []

    found: list[Json] = eventually(look, seconds)
    return found


def charges(poe: poe_sim.SimServer) -> dict[str, Json]:
    """What Poe charged, by Poe's request id."""
    said = httpx.get(f"{poe.base_url}/_sim/charges", trust_env=False).json()["charges"]
    return {charge["request_id"]: charge for charge in said}


def asked(poe: poe_sim.SimServer, path: str) -> int:
    said = httpx.get(f"{poe.base_url}/_sim/requests", trust_env=False).json()["requests"]
    return sum(request["path"] == path for request in said)


def get(proxy: Proxy, path: str, **headers: str) -> httpx.Response:
    return httpx.get(proxy.url + path, headers=headers, timeout=30, trust_env=False)


# --- rows -----------------------------------------------------------------------------------------------------------


def test_a_request_becomes_a_row_with_its_facts(start_proxy: StartProxy, poe: poe_sim.SimServer) -> None:
    key = OUR_KEYS[1]
    proxy = start_proxy(PROXY_API_KEY=",".join(OUR_KEYS))
    answer = post(
        proxy,
        chat("hello", model="openai/GPT-5.4-mini"),
        authorization=f"Bearer {key}",
        **{"session-id": "s1", "x-claude-code-agent-id": "a1"},
    )
    (row,) = settled_rows(proxy, 1)
    used = answer.json()["usage"]
    assert row["request_id"] == answer.headers["x-request-id"]
    assert (row["key"], row["address"], row["session"], row["agent"]) == ("key 2", "127.0.0.1", "s1", "a1")
    assert (row["dialect"], row["asked_model"], row["served_model"]) == (
        "openai_chat",
        "openai/GPT-5.4-mini",
        "gpt-5.4-mini",
    )
    assert (row["tokens_in"], row["tokens_out"]) == (used["prompt_tokens"], used["completion_tokens"])
    assert (row["status"], row["outcome"], row["stream"]) == (200, "ok", 0)
    assert 0 < row["first_token_s"] <= row["duration_s"]
    (attempt,) = orjson.loads(row["attempts"])
    assert attempt["sent_at"] == pytest.approx(row["time"], abs=5)
    charge = charges(poe)[row["poe_request_id"]]
    assert (row["points"], row["source"]) == (charge["points"], "settled")
    assert orjson.loads(row["history"]) == [charge["query_id"]]


def test_nothing_secret_and_nothing_said_is_kept(start_proxy: StartProxy) -> None:
    key = "a-key-of-our-own-0123"
    proxy = start_proxy(PROXY_API_KEY=key)
    post(proxy, chat("a very private question"), authorization=f"Bearer {key}")
    settled_rows(proxy, 1)
    kept = b"".join(file.read_bytes() for file in Path(proxy.house.settings.data_dir).iterdir() if file.is_file())
    for secret in (key, poe_sim.KEYS[0], "private question"):
        assert secret.encode() not in kept


def test_strangers_leave_no_row_and_bad_requests_cost_nothing(start_proxy: StartProxy) -> None:
    key = "a-key-of-our-own-0123"
    proxy = start_proxy(PROXY_API_KEY=key)
    assert post(proxy, chat("hi")).status_code == 401
    assert get(proxy, "/v1/models", authorization=f"Bearer {key}").status_code == 200
    assert post(proxy, b"{", authorization=f"Bearer {key}").status_code == 400
    (row,) = settled_rows(proxy, 1)
    assert (row["status"], row["outcome"], row["points"], row["source"]) == (400, "error", 0, "settled")


# --- settling -------------------------------------------------------------------------------------------------------

MODELS = (
    "gpt-5.4-mini",
    "gpt-5.4",
    "claude-haiku-4.5",
    "gemini-3.1-pro",
    "glm-5",
    "kimi-k2.5",
    "minimax-m2.7",
    "assistant",
)


async def _all_at_once(proxy: Proxy, poe: poe_sim.SimServer, count: int) -> None:
    async with httpx.AsyncClient(timeout=60, trust_env=False, limits=httpx.Limits(max_connections=count + 5)) as client:

        async def ask(number: int) -> None:
            body = chat(f"question {number} " + "word " * (number * 7 % 151), model=MODELS[number % len(MODELS)])
            url = f"{proxy.url}/v1/chat/completions"
            answer = await client.post(url, json={**body, "stream": number % 3 == 0})
            assert answer.status_code == 200

        async def others() -> None:
            for number in range(20):
                wish = {"count": 2, "model": MODELS[number % len(MODELS)], "key_name": (None, "Laptop")[number % 2]}
                await client.post(f"{poe.base_url}/_sim/rows", json=wish)

        await asyncio.gather(others(), *(ask(number) for number in range(count)), others())


def test_of_two_hundred_at_once_each_row_is_what_poe_charged_for_it(
    start_proxy: StartProxy, poe: poe_sim.SimServer
) -> None:
    proxy = start_proxy()
    asyncio.run(_all_at_once(proxy, poe, 200))

    def nearly_all() -> list[Json]:
        found = rows(proxy)
        return found if sum(row["source"] == "settled" for row in found) >= 198 and len(found) == 200 else []

    truth = charges(poe)
    assert len(truth) == 200
    for row in eventually(nearly_all, 20):
        if row["source"]:
            assert row["points"] == truth[row["poe_request_id"]]["points"], row


@pytest.mark.parametrize("model", ["gpt-5.4-mini", "glm-5"])
def test_a_call_that_was_lost_and_charged_counts_too(
    start_proxy: StartProxy, poe: poe_sim.SimServer, model: str
) -> None:
    proxy = start_proxy()
    queue(poe, "closed charged=1")
    assert post(proxy, chat("hi", model=model)).status_code == 200
    (row,) = settled_rows(proxy, 1)
    both = [charge["points"] for charge in charges(poe).values()]
    assert len(both) == len(orjson.loads(row["attempts"])) == 2
    assert (row["points"], row["source"]) == (sum(both), "settled")


def test_a_call_that_was_lost_and_not_charged_does_not(start_proxy: StartProxy, poe: poe_sim.SimServer) -> None:
    proxy = start_proxy()
    queue(poe, "closed")
    assert post(proxy, chat("hi")).status_code == 200
    (row,) = settled_rows(proxy, 1)
    (charge,) = charges(poe).values()
    assert (row["points"], row["source"]) == (charge["points"], "settled")


def test_what_poe_refuses_costs_nothing(start_proxy: StartProxy, poe: poe_sim.SimServer) -> None:
    proxy = start_proxy(RETRY_BUDGET_S=0)
    queue(poe, "402")
    assert post(proxy, chat("hi")).status_code == 402
    (row,) = settled_rows(proxy, 1)
    assert (row["status"], row["points"], row["source"]) == (402, 0, "settled")


def test_a_client_that_leaves_pays_for_what_was_sent(start_proxy: StartProxy, poe: poe_sim.SimServer) -> None:
    proxy = start_proxy()
    with open_stream(proxy, chat("[[sim:long tokens=500 rate=50]]")) as response:
        next(response.iter_raw())
    (row,) = settled_rows(proxy, 1)
    (charge,) = charges(poe).values()
    assert (row["outcome"], row["points"], row["source"]) == ("client_left", charge["points"], "settled")


def test_a_client_that_leaves_before_the_answer_has_a_row_all_the_same(
    start_proxy: StartProxy, poe: poe_sim.SimServer
) -> None:
    proxy = start_proxy()
    post(proxy, chat("hi"))  # without it nobody knows how our key is called, and the row may be anybody's
    settled_rows(proxy, 1)
    with hanging_up(proxy, chat("[[sim:fault slow_headers seconds=30]]")):
        poe.wait_for(lambda state: state.log.in_flight and state.log.records[-1].path == "/v1/chat/completions")
    _, row = settled_rows(proxy, 2)
    assert (row["status"], row["outcome"], row["source"]) == (499, "client_left", "settled")
    assert row["points"] == list(charges(poe).values())[-1]["points"]


def test_an_idle_proxy_asks_nothing(start_proxy: StartProxy, poe: poe_sim.SimServer) -> None:
    proxy = start_proxy()
    post(proxy, chat("hi"))
    settled_rows(proxy, 1)
    before = asked(poe, HISTORY)
    assert get(proxy, "/v1/usage").json()["points"]["unsettled"] == 0
    assert asked(poe, HISTORY) == before <= 3


def test_what_an_earlier_start_left_open_is_settled_further(
    start_proxy: StartProxy, poe: poe_sim.SimServer, tmp_path: Path
) -> None:
    queue(poe, "500", times=50, path=HISTORY)
    proxy = start_proxy()
    post(proxy, chat("hi"))
    eventually(lambda: rows(proxy))
    proxy.server.should_exit = True
    httpx.post(f"{poe.base_url}/_sim/faults", json=[], trust_env=False)
    poe.poe.demands = type(poe.poe.demands)()
    (row,) = settled_rows(start_proxy(), 1)
    (charge,) = charges(poe).values()
    assert (row["points"], row["source"]) == (charge["points"], "settled")


def test_two_proxies_on_one_ledger_settle_each_row_once(start_proxy: StartProxy, poe: poe_sim.SimServer) -> None:
    one, other = start_proxy(), start_proxy()
    for number in range(6):
        post((one, other)[number % 2], chat("word " * (1 + number * 100), model=("glm-5", "gpt-5.4")[number % 2]))
    truth = charges(poe)
    found = settled_rows(one, 6, seconds=30)
    assert {row["poe_request_id"]: row["points"] for row in found} == {
        request: charge["points"] for request, charge in truth.items()
    }
    used = [used for row in found for used in orjson.loads(row["history"])]
    assert len(used) == len(set(used)) == 6


# --- a usage API that fails, lies and is slow -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["500", "429", "502html", "html_200", "error_200", "closed", "slow_headers seconds=2"]
)
def test_a_failing_usage_api_hurts_nobody_and_is_told(
    start_proxy: StartProxy, poe: poe_sim.SimServer, fault: str
) -> None:
    proxy = start_proxy()
    queue(poe, fault, times=2 if fault == "closed" else 1, path=HISTORY)  # aiohttp repeats a GET that was hung up on
    assert post(proxy, chat("hi")).status_code == 200
    if "slow" not in fault:
        eventually(lambda: "cannot be read" in get(proxy, "/ready").json()["settling"])
    assert post(proxy, chat("hi again")).status_code == 200
    found = settled_rows(proxy, 2)
    truth = charges(poe)
    assert all(row["points"] == truth[row["poe_request_id"]]["points"] for row in found)
    assert "are settled" in get(proxy, "/ready").json()["settling"]


# --- a database that fails ------------------------------------------------------------------------------------------


def test_a_locked_database_hurts_nobody_is_told_and_written_later(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    post(proxy, chat("hi"))
    settled_rows(proxy, 1)
    with contextlib.closing(sqlite3.connect(str(proxy.house.settings.database), isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        assert post(proxy, chat("hi again")).status_code == 200
        assert get(proxy, "/v1/usage").status_code == 200, "it waits no longer than until the fault is known"
        eventually(lambda: "locked" in get(proxy, "/ready").json()["ledger"], 20)
        assert get(proxy, "/ready").status_code == 200, "answers need no ledger"
        assert post(proxy, chat("and again")).status_code == 200
        lock.execute("ROLLBACK")
    assert {row["source"] for row in settled_rows(proxy, 3)} == {"settled"}
    eventually(lambda: get(proxy, "/ready").json()["ledger"] == "requests are kept")


def test_a_database_that_cannot_be_opened_is_told_with_its_reason(start_proxy: StartProxy, tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(b"this is no database" * 100)
    proxy = start_proxy()
    assert post(proxy, chat("hi")).status_code == 200
    eventually(lambda: "not a database" in get(proxy, "/ready").json()["ledger"])
    said = get(proxy, "/v1/usage")
    assert (said.status_code, said.json()["error"]["code"]) == (503, "unavailable")


# --- GET /v1/usage --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/usage", "/usage"])
def test_usage_adds_up(start_proxy: StartProxy, poe: poe_sim.SimServer, path: str) -> None:
    keys = OUR_KEYS
    proxy = start_proxy(PROXY_API_KEY=",".join(keys))
    for number in range(3):
        post(proxy, chat("hi"), **{"x-api-key": keys[number // 2]})
    settled_rows(proxy, 3)
    said: Any = get(proxy, path, **{"x-api-key": keys[0]}).json()
    spent = sum(charge["points"] for charge in charges(poe).values())
    assert said["points"] == {"today": spent, "month": spent, "settled": spent, "estimated": 0, "unsettled": 0}
    assert said["requests"] == 3
    assert [part["model"] for part in said["by_model"]] == ["gpt-5.4-mini"]
    assert {part["key"]: part["requests"] for part in said["by_key"]} == {"key 1": 2, "key 2": 1}
    assert eventually(lambda: get(proxy, path, **{"x-api-key": keys[0]}).json()["balance"]) <= 1_000_000


def test_usage_tells_of_one_session_where_it_is_named(start_proxy: StartProxy) -> None:
    proxy, odd = start_proxy(), "ours\0" + "x" * 300
    for session in ("ours", "ours", "theirs"):
        post(proxy, chat("hi"), **{"x-claude-code-session-id": session})
    points = sum(row["points"] for row in settled_rows(proxy, 3) if row["session"] == "ours")
    assert "session" not in get(proxy, "/v1/usage").json()
    assert get(proxy, "/v1/usage?session=ours").json()["session"] == {"points": points, "requests": 2}
    assert get(proxy, f"/v1/usage?session={quote(odd)}").json()["session"] == {"points": 0, "requests": 0}


def test_usage_needs_a_key_where_there_are_keys(start_proxy: StartProxy) -> None:
    assert get(start_proxy(PROXY_API_KEY="a-key-of-our-own-0123"), "/v1/usage").status_code == 401


# --- kill -9 --------------------------------------------------------------------------------------------------------


def test_a_proxy_that_is_killed_loses_no_more_than_the_last_second(poe: poe_sim.SimServer, tmp_path: Path) -> None:
    file = tmp_path / "data" / "ledger.sqlite3"
    with started([*PROXY, "--port", "0"], tmp_path, in_front_of(poe.base_url)) as command:
        url = command.wait_for_words(r"(http://127\.0\.0\.1:\d+)/v1")
        with httpx.Client(trust_env=False) as client:
            answered: list[tuple[float, str]] = []
            while not answered or answered[-1][0] - answered[0][0] < 1.5:
                answer = client.post(f"{url}/v1/chat/completions", json=chat("hi"))
                answered.append((time.monotonic(), answer.headers["x-request-id"]))
        command.send(signal.SIGKILL)
        killed = time.monotonic()
    with contextlib.closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        kept = {request for (request,) in database.execute("SELECT request_id FROM requests")}
    assert kept >= {request for at, request in answered if at < killed - 1}
    assert len(kept) > 10
