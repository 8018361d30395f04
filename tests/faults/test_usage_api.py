"""Poe's usage API and catalogue failing, alone, together and with the database: answers go on, and all recovers."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import poe_sim
from poe_proxy import upkeep
from poe_proxy.ledger import pace, poller, store, writer
from poe_sim.demand import Demands
from tests.faults.serving import charges
from tests.ledger.rows import rows_in
from tests.running import Proxy, eventually
from tests.talk import chat, post, queue

StartProxy = Callable[..., Proxy]
HISTORY, BALANCE, MODELS = "/usage/points_history", "/usage/current_balance", "/v1/models"
MANY = 1000


@pytest.fixture
def poe(quick_poe: poe_sim.SimServer) -> poe_sim.SimServer:
    return quick_poe


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for ages in (pace, poller):
        monkeypatch.setattr(ages, "AGES_S", (0.1, 0.2, 0.4, 0.8, *pace.AGES_S))
    monkeypatch.setattr(poller, "_LONGEST_BACK_OFF_S", 0.1)
    monkeypatch.setattr(upkeep, "_SOON_S", 0.1)
    monkeypatch.setattr(upkeep, "_AFTER_COSTS_S", 0.1)
    monkeypatch.setattr(writer, "_RETRY_S", 0.05)
    monkeypatch.setattr(writer, "_LONGEST_RETRY_S", 0.05)
    monkeypatch.setattr(store, "_LOCK_TIMEOUT_S", 0.05)


def ready(proxy: Proxy) -> httpx.Response:
    return httpx.get(f"{proxy.url}/ready", trust_env=False)


def usage(proxy: Proxy) -> Any:
    return httpx.get(f"{proxy.url}/v1/usage", trust_env=False, timeout=30).json()


def answers(proxy: Proxy) -> None:
    assert post(proxy, chat("hi")).status_code == 200
    assert '"finish_reason":"stop"' in post(proxy, chat("hi", stream=True)).text


def settled(proxy: Proxy, poe: poe_sim.SimServer, count: int) -> bool:
    """Whether every row has its points, and all of them are what Poe charged."""
    rows = rows_in(Path(proxy.house.settings.database))
    told = sum(row["points"] or 0 for row in rows)
    return len(rows) == count and {row["source"] for row in rows} == {"settled"} and told == spent(poe)


def spent(poe: poe_sim.SimServer) -> int:
    return sum(charge["points"] for charge in charges(poe))


FAULTS = ["500", "429 retry_after=30", "html_200", "reset"]


@pytest.mark.parametrize("fault", FAULTS)
def test_points_are_settled_when_the_usage_api_is_back(
    start_proxy: StartProxy, poe: poe_sim.SimServer, fault: str
) -> None:
    proxy = start_proxy()
    queue(poe, fault, MANY, path=HISTORY)
    answers(proxy)
    eventually(lambda: "points are estimates" in ready(proxy).json()["settling"])
    assert usage(proxy)["points"]["unsettled"] > 0
    mended(poe)
    eventually(lambda: settled(proxy, poe, 2))
    assert ready(proxy).json()["settling"] == "points are settled from Poe's usage history"


def mended(poe: poe_sim.SimServer) -> None:
    """Nothing that was queued happens any more."""
    poe.poe.demands = Demands()


def test_with_all_of_it_failing_answers_go_on_and_all_of_it_recovers(
    start_proxy: StartProxy, poe: poe_sim.SimServer
) -> None:
    for path in (HISTORY, BALANCE, MODELS):
        queue(poe, "500", MANY, path=path)
    proxy = start_proxy()
    eventually(lambda: proxy.house.ledger.readiness()["ledger"] == "requests are kept")
    with contextlib.closing(sqlite3.connect(str(proxy.house.settings.database), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        answers(proxy)
        eventually(lambda: "locked" in ready(proxy).json()["ledger"])
        eventually(lambda: "points are estimates" in ready(proxy).json()["settling"])
        said = ready(proxy)
        assert said.status_code == 503
        assert "could not be checked: Poe answered 500" in said.json()["key"]
        assert "not yet fetched from Poe" in said.json()["catalogue"]
        assert httpx.get(f"{proxy.url}/health", trust_env=False).status_code == 200
        assert httpx.get(f"{proxy.url}/v1/models", trust_env=False).json()["data"]
        answers(proxy)
        other.execute("ROLLBACK")
    mended(poe)
    eventually(lambda: settled(proxy, poe, 4))
    eventually(lambda: ready(proxy).status_code == 200)
    assert "fetched from Poe" in ready(proxy).json()["catalogue"]
    assert usage(proxy)["points"]["settled"] == spent(poe)
