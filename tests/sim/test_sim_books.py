"""Points, rows, and the balance: what a request costs and when the account says so."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

import poe_sim
from poe_sim import catalogue, prices
from poe_sim.answer import Usage

KEY, OTHER_KEY = poe_sim.KEYS[:2]
LONG = "lorem ipsum " * 3000


class Clock:
    """A clock that goes only when told."""

    def __init__(self) -> None:
        self.now = 1_776_123_189.878077

    def __call__(self) -> float:
        return self.now


class Account:
    """The stand-in's account with a clock of its own."""

    def __init__(self, base_url: str, clock: Clock, pool: httpx.Client) -> None:
        self.base_url, self.clock, self.pool = base_url, clock, pool

    def get(self, path: str, key: str = KEY) -> Any:
        return self.pool.get(self.base_url + path, headers={"authorization": f"Bearer {key}"}).json()

    def post(self, path: str, body: Any, *, key: str = KEY, tag: str = "t") -> Any:
        headers = {"authorization": f"Bearer {key}", "anthropic-version": "2023-06-01", "x-sim-tag": tag}
        return self.pool.post(self.base_url + path, json=body, headers=headers).json()

    def chat(self, model: str = "gpt-5.4-mini", text: str = "hello", **options: Any) -> Any:
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        return self.post("/v1/chat/completions", body, **options)

    def rows(self, query: str = "limit=100") -> list[Any]:
        return list(self.get(f"/usage/points_history?{query}")["data"])


@pytest.fixture(scope="module")
def _running() -> Iterator[tuple[poe_sim.SimServer, Clock, httpx.Client]]:
    clock = Clock()
    settings = poe_sim.Settings(clock=clock, off_catalogue=False)
    with poe_sim.running(settings) as sim, httpx.Client(trust_env=False) as pool:
        yield sim, clock, pool


@pytest.fixture
def account(_running: tuple[poe_sim.SimServer, Clock, httpx.Client]) -> Account:
    sim, clock, pool = _running
    sim.poe.reset()
    return Account(sim.base_url, clock, pool)


# --- prices ----------------------------------------------------------------------------------------------


def bill(model: str, **used: int) -> prices.Charge:
    return prices.charge(catalogue.cards()[model], Usage(**used), off_catalogue=False)


def test_the_one_real_claude_row_comes_out_to_the_point() -> None:
    charge = bill("claude-haiku-4.5", prompt=8369, completion=4)
    assert charge.breakdown() == {
        "Input": "238 points (8369 tokens)",
        "Output": "1 point (4 tokens)",
        "Total": "239 points",
    }
    assert charge.usd == "0.0072"


def test_a_cache_discount_is_a_line_of_its_own() -> None:
    charge = bill("gpt-5.4-mini", prompt=7661, completion=5, cached=7424)
    assert charge.breakdown()["Cache discount"] == "-151 points (7424 tokens)"
    assert charge.points == 174 + 1 - 151


def test_writing_a_cache_costs_more_than_reading_it() -> None:
    wrote = bill("claude-haiku-4.5", prompt=8400, completion=4, written=8369)
    read = bill("claude-haiku-4.5", prompt=8400, completion=4, cached=8369)
    plain = bill("claude-haiku-4.5", prompt=8400, completion=4)
    assert read.points * 8 < plain.points < wrote.points


def test_models_without_a_price_take_a_fixed_fee() -> None:
    fee = bill("assistant", prompt=1, completion=1)
    assert fee.points == bill("assistant", prompt=9999, completion=9).points > 0


def test_models_priced_by_the_call_ignore_tokens() -> None:
    assert bill("python", prompt=5000, completion=5000).breakdown() == {"Request": "1 point", "Total": "1 point"}


def test_some_models_leave_the_catalogue_in_each_direction() -> None:
    deviations = {prices.deviation(card) for card in catalogue.cards().values()}
    assert {factor for factor, _ in deviations} == {Decimal(1), Decimal("0.9"), Decimal("1.1")}
    assert {extra > 0 for _, extra in deviations} == {True, False}
    deviant = next(c for c in catalogue.cards().values() if c.prices and prices.deviation(c)[0] > 1)
    used = Usage(prompt=1_000_000, completion=0)
    dear = prices.charge(deviant, used, off_catalogue=True).points
    assert dear > prices.charge(deviant, used, off_catalogue=False).points


# --- rows ------------------------------------------------------------------------------------------------


def test_a_row_appears_at_once_without_a_cost_and_settles_later(account: Account) -> None:
    account.chat("gpt-5.4-mini")
    (row,) = account.rows()
    assert (row["cost_points"], row["cost_breakdown_in_points"]) == (0, {})
    account.clock.now += 2.1
    (row,) = account.rows()
    assert row["cost_points"] > 0
    assert row["cost_breakdown_in_points"]["Total"] == f"{row['cost_points']} points"


@pytest.mark.parametrize(
    ("path", "body", "early", "late"),
    [
        ("/v1/responses", {"model": "gpt-5.4-mini", "input": "hi"}, 0.9, 2.1),
        (
            "/v1/messages",
            {"model": "claude-haiku-4.5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
            4.9,
            13.1,
        ),
    ],
)
def test_each_dialect_settles_in_its_own_time(
    account: Account, path: str, body: Any, early: float, late: float
) -> None:
    account.post(path, body)
    account.clock.now += early
    assert account.rows()[0]["cost_points"] == 0
    account.clock.now += late - early
    assert account.rows()[0]["cost_points"] > 0


def test_settling_can_be_sped_up(account: Account) -> None:
    account.post("/_sim/settings", {"settle_scale": 0})
    account.chat()
    assert account.rows()[0]["cost_points"] > 0


def test_a_row_looks_like_a_real_one(account: Account) -> None:
    account.chat("claude-haiku-4.5")
    (row,) = account.rows()
    assert row["creation_time"] == pytest.approx(account.clock.now * 1e6, abs=1), "µs, at the request's arrival"
    assert row["bot_name"] == "Claude-Haiku-4.5"
    assert row["usage_type"] == "API"
    assert row["api_key_name"] == "Default API Key"
    assert row["query_id"]


def test_the_direct_backend_reports_what_the_row_says(account: Account) -> None:
    used = account.chat("gpt-5.4-mini", "how are you?")["usage"]
    account.clock.now += 3
    breakdown = account.rows()[0]["cost_breakdown_in_points"]
    assert f"({used['prompt_tokens']} tokens)" in breakdown["Input"]
    assert f"({used['completion_tokens']} tokens)" in breakdown["Output"]


def test_the_bot_backend_reports_only_a_guess(account: Account) -> None:
    used = account.chat("glm-5", "how are you?")["usage"]
    account.clock.now += 3
    assert f"({used['prompt_tokens']} tokens)" not in account.rows()[0]["cost_breakdown_in_points"]["Input"]


def test_history_is_paged_newest_first(account: Account) -> None:
    for n in range(5):
        account.clock.now += 1
        account.chat(text=f"call {n}")
    everything = account.rows()
    assert [r["creation_time"] for r in everything] == sorted((r["creation_time"] for r in everything), reverse=True)
    page = account.get("/usage/points_history?limit=2")
    assert (page["has_more"], page["length"]) == (True, 2)
    rest = account.get(f"/usage/points_history?limit=3&starting_after={page['data'][-1]['query_id']}")
    assert (rest["has_more"], rest["length"]) == (False, 3)
    assert page["data"] + rest["data"] == everything


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=5&starting_after=nobody"])
def test_a_wrong_page_is_refused(account: Account, query: str) -> None:
    assert "error" in account.get(f"/usage/points_history?{query}")


def test_the_account_needs_a_key(account: Account) -> None:
    for path in ("/usage/current_balance", "/usage/points_history?limit=1"):
        assert account.get(path, key="wrong")["error"]["type"] == "authentication_error"


def test_each_key_is_named_in_its_rows(account: Account) -> None:
    account.chat()
    account.chat(key=OTHER_KEY)
    assert {row["api_key_name"] for row in account.rows()} == {"Default API Key", "Key 2"}


def test_other_people_use_the_same_account(account: Account) -> None:
    account.chat()
    before = account.get("/usage/current_balance")["current_point_balance"]
    account.post("/_sim/rows", {"count": 2, "points": 50})
    account.post("/_sim/rows", {"model": "claude-haiku-4.5", "points": 7, "key_name": "Laptop", "seconds_ago": 1})
    rows = account.rows()
    assert sorted(row["usage_type"] for row in rows) == ["API", "API", "Chat", "Chat"]
    assert {row.get("api_key_name") for row in rows} == {"Default API Key", "Laptop", None}
    assert account.get("/usage/current_balance")["current_point_balance"] == before - 107


def test_the_balance_falls_by_what_was_charged(account: Account) -> None:
    account.chat(tag="first")
    (charge,) = account.get("/_sim/charges")["charges"]
    assert account.get("/usage/current_balance")["current_point_balance"] == 1_000_000 - charge["points"]


def test_the_private_record_ties_a_request_to_its_row(account: Account) -> None:
    account.chat(tag="mine")
    (charge,) = account.get("/_sim/charges")["charges"]
    account.clock.now += 3
    (row,) = account.rows()
    assert charge["tag"] == "mine"
    assert (charge["query_id"], charge["points"]) == (row["query_id"], row["cost_points"])
    assert charge["breakdown"] == row["cost_breakdown_in_points"]


def test_refused_requests_and_failures_leave_no_row(account: Account) -> None:
    account.chat("no-such-model")
    account.chat(text="[[sim:fault 500]]")
    assert account.rows() == []


def test_a_lost_answer_can_be_charged_nonetheless(account: Account) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        account.chat(text="[[sim:fault closed charged=1]]")
    assert len(account.rows()) == 1


def test_a_cut_stream_pays_for_what_left(account: Account) -> None:
    body = {
        "model": "gpt-5.4-mini",
        "stream": True,
        "messages": [{"role": "user", "content": "[[sim:long tokens=99]]"}],
    }
    with pytest.raises(httpx.RemoteProtocolError):
        account.pool.post(
            f"{account.base_url}/v1/chat/completions",
            json=body,
            headers={"authorization": f"Bearer {KEY}", "x-sim-fault": "cut after=11"},
        )
    (charge,) = account.get("/_sim/charges")["charges"]
    assert charge["completion_tokens"] == 10, "eleven events, the first of which only opens the message"


# --- caches ----------------------------------------------------------------------------------------------


def test_gpt_models_cache_by_themselves(account: Account) -> None:
    first, second = (account.chat(text=f"{LONG} {ending} [[sim:prose]]") for ending in ("one", "two"))
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert second["usage"]["prompt_tokens_details"]["cached_tokens"] == 8960, "whole steps of 128"
    points = [charge["points"] for charge in account.get("/_sim/charges")["charges"]]
    assert points[1] * 2 < points[0]


def test_short_prompts_are_not_cached(account: Account) -> None:
    account.chat(text="hello")
    assert account.chat(text="hello")["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


def test_claude_caches_only_on_messages_and_only_what_is_marked(account: Account) -> None:
    def ask(**mark: Any) -> Any:
        content = [{"type": "text", "text": LONG, **mark}, {"type": "text", "text": "go on"}]
        body = {"model": "claude-haiku-4.5", "max_tokens": 20, "messages": [{"role": "user", "content": content}]}
        return account.post("/v1/messages", body)["usage"]

    mark = {"cache_control": {"type": "ephemeral"}}
    plain, wrote, read = ask(), ask(**mark), ask(**mark)
    assert plain["cache_read_input_tokens"] == plain["cache_creation_input_tokens"] == 0
    assert (wrote["cache_creation_input_tokens"], wrote["cache_read_input_tokens"]) == (9000, 0)
    assert (read["cache_creation_input_tokens"], read["cache_read_input_tokens"]) == (0, 9000)
    assert wrote["input_tokens"] == read["input_tokens"] == plain["input_tokens"] - 9000
    account.chat("claude-haiku-4.5", f"{LONG} [[sim:prose]]")
    points = [charge["points"] for charge in account.get("/_sim/charges")["charges"]]
    assert points[2] * 5 < points[0] < points[1]
    assert points[3] > points[2] * 5, "chat completions never cache Claude"
