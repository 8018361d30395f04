"""Points as a caller is told them: the footer in both forms, the same figures for programs, and who waits for what."""

import asyncio
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import poe_sim
from poe_proxy.canonical.report import Report
from poe_proxy.observe import log
from tests.ledger_stub import LedgerStub, Settled, at_once, broken, never
from tests.running import Proxy, eventually, running_proxy
from tests.talk import arrived, chat, frames, hanging_up, open_stream, post, reset, text_of

StartProxy = Callable[..., Proxy]
MODEL = "gpt-5.4-mini"
TOKENS = r"Tokens: [\d,]+ total \([\d,]+ in, [\d,]+ out\)"
SETTLED = re.compile(rf"You said: hello\n\n---\n{TOKENS} \| Points: 1,234 \(\$0\.03702\) \| Balance: [\d,]+")
ESTIMATED = re.compile(rf"You said: hello\n\n---\n{TOKENS} \| Points: \d+ est\. \| Balance: [\d,]+")


@pytest.fixture(scope="module")
def bank() -> Iterator[poe_sim.SimServer]:
    """A stand-in Poe whose books nobody else writes in."""
    with poe_sim.running() as server:
        yield server


@pytest.fixture(scope="module")
def talker(bank: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy that writes footers and knows its balance."""
    with running_proxy(bank.base_url, tmp_path_factory.mktemp("data"), FOOTER="auto", FOOTER_WAIT_S=30) as proxy:
        eventually(lambda: proxy.house.upkeep.balance is not None)
        yield proxy


@pytest.fixture
def told(talker: Proxy, bank: poe_sim.SimServer) -> Iterator[Proxy]:
    """``talker`` without a ledger, whatever the test puts in its place."""
    before = talker.house.costs
    talker.house.costs = replace(before, settling=None)
    reset(bank)
    yield talker
    talker.house.costs = before


def ask(text: str) -> Any:
    return [{"role": "user", "content": text}]


def whole(proxy: Proxy, text: str = "hello", **more: Any) -> Any:
    with proxy.openai() as sdk:
        return sdk.chat.completions.create(**{"model": MODEL, "messages": ask(text), **more})


def streamed(proxy: Proxy, text: str = "hello", **more: Any) -> list[Any]:
    with proxy.openai() as sdk:
        return list(sdk.chat.completions.create(**{"model": MODEL, "messages": ask(text), "stream": True, **more}))


def content(said: Any) -> str:
    if isinstance(said, list):
        return "".join(chunk.choices[0].delta.content or "" for chunk in said if chunk.choices)
    return said.choices[0].message.content or ""


# --- the footer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [whole, streamed])
def test_the_exact_points_stand_under_an_answer_once_they_are_settled(told: Proxy, form: Any) -> None:
    LedgerStub(at_once(1234)).in_place(told)
    assert SETTLED.fullmatch(content(form(told)))


@pytest.mark.parametrize("form", [whole, streamed])
def test_without_a_ledger_it_is_the_estimate(told: Proxy, form: Any) -> None:
    assert ESTIMATED.fullmatch(content(form(told)))


def test_the_balance_is_what_is_left_after_this_answer(told: Proxy) -> None:
    LedgerStub(at_once(1000)).in_place(told)
    before = told.house.upkeep.balance
    assert before is not None
    assert content(whole(told)).endswith(f"Balance: {before - 1000:,}")


def test_a_stream_with_a_footer_has_one_finish_and_its_usage_last(told: Proxy) -> None:
    chunks = streamed(told, stream_options={"include_usage": True})
    finishes = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert finishes[-1] == "stop"
    assert set(finishes[:-1]) == {None}
    assert (chunks[-1].choices, bool(chunks[-1].usage)) == ([], True)


def test_the_sdk_s_stream_helper_reads_it_too(told: Proxy) -> None:
    with told.openai() as sdk, sdk.chat.completions.stream(model=MODEL, messages=ask("hello")) as stream:
        assert ESTIMATED.fullmatch(stream.get_final_completion().choices[0].message.content or "")


def test_an_answer_without_usage_has_what_is_known(told: Proxy) -> None:
    said = content(whole(told, "[[sim:no_usage]] x", model="deepseek-r1"))
    assert re.search(r"\n\n---\nPoints: 600 est\. \| Balance: [\d,]+\Z", said)


def test_a_refusal_stays_a_refusal(told: Proxy) -> None:
    message = whole(told, "[[sim:refusal]]").choices[0].message
    assert message.refusal
    assert not message.content
    assert "---" not in content(streamed(told, "[[sim:refusal]]"))


def test_a_broken_answer_has_no_footer(told: Proxy) -> None:
    with open_stream(told, chat("[[sim:fault cut after=3]] one two three four")) as response:
        said = frames(response)
    assert "error" in said[-1]
    assert "---" not in text_of(said)


def test_an_expensive_answer_is_warned_of_with_cheaper_models(told: Proxy) -> None:
    LedgerStub(at_once(5001)).in_place(told)
    lines = content(whole(told)).splitlines()
    assert lines[-1].startswith("Warning: more than 5,000 points for one answer. Cheaper: ")
    offers = re.findall(r"(\S+) \(about ([\d,]+) points\)", lines[-1])
    assert len(offers) == 3
    for name, points in offers:
        assert int(points.replace(",", "")) < 5001
        assert "tools" in told.house.upkeep.resolve(name).features
    LedgerStub(at_once(5000)).in_place(told)
    assert "Warning" not in content(whole(told))


# --- when -------------------------------------------------------------------------------------------------------------

WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [WEATHER]},
        {"response_format": {"type": "json_object"}},
        {"model": "imagen-4"},
        {"extra_headers": {"X-Poe-Footer": "off"}},
    ],
    ids=["tools", "JSON", "media", "header"],
)
@pytest.mark.parametrize("form", [whole, streamed])
def test_where_it_would_do_harm_there_is_none_and_nothing_waits(told: Proxy, form: Any, more: Any) -> None:
    ledger = LedgerStub(never).in_place(told)
    assert "---" not in content(form(told, **more))
    assert ledger.asked == []


def test_a_header_brings_it_all_the_same(told: Proxy) -> None:
    said = whole(told, tools=[WEATHER], extra_headers={"X-Poe-Footer": "on"})
    assert "---\nTokens" in content(said)


def test_header_before_model_before_setting(start_proxy: StartProxy, tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text(
        "defaults: {allow_unlisted: true, footer: always}\n"
        "models: {text: [{poe_name: gpt-5.4, footer: never}, gpt-5.4-mini, {poe_name: gpt-5.4-nano, footer: auto}]}"
    )
    proxy = start_proxy(MODELS_FILE=models, FOOTER="never", FOOTER_WAIT_S=0)
    off, on = {"X-Poe-Footer": "off"}, {"X-Poe-Footer": "on"}

    def has_footer(model: str, **more: Any) -> bool:
        return "---" in content(whole(proxy, model=model, **more))

    assert has_footer("gpt-5.4-mini", tools=[WEATHER])
    assert has_footer("grok-4")
    assert has_footer("gpt-5.4-nano")
    assert not has_footer("gpt-5.4-nano", tools=[WEATHER])
    assert not has_footer("gpt-5.4")
    assert has_footer("gpt-5.4", extra_headers=on)
    assert not has_footer("grok-4", extra_headers=off)


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_all_content_leaves_at_once_and_only_the_end_waits(told: Proxy) -> None:
    settle = asyncio.Event()

    async def settled_later() -> Settled:
        await settle.wait()
        return Settled(1234)

    LedgerStub(settled_later).in_place(told)
    with open_stream(told, chat("hello")) as response:
        lines = response.iter_lines()
        before = list(itertools.takewhile(lambda line: '"hello"' not in line, lines))
        told.call_soon(settle.set)
        after = list(lines)
    assert not any("---" in line or '"finish_reason":"stop"' in line for line in before)
    assert any("Points: 1,234 (" in line for line in after)
    assert after[-2] == "data: [DONE]"


def test_a_whole_answer_waits_for_its_settlement(told: Proxy) -> None:
    settle = asyncio.Event()

    async def settled_later() -> Settled:
        told.call_soon(settle.set)
        await settle.wait()
        return Settled(1234)

    LedgerStub(settled_later).in_place(told)
    assert SETTLED.fullmatch(content(whole(told)))


@pytest.mark.parametrize("settle", [never, broken], ids=["never", "broken"])
@pytest.mark.parametrize("form", [whole, streamed])
def test_what_is_not_settled_in_time_is_estimated(start_proxy: StartProxy, settle: Any, form: Any) -> None:
    proxy = start_proxy(FOOTER="auto", FOOTER_WAIT_S=0.05)
    eventually(lambda: proxy.house.upkeep.balance is not None)
    ledger = LedgerStub(settle).in_place(proxy)
    assert ESTIMATED.fullmatch(content(form(proxy)))
    assert len(ledger.asked) == 1


def test_a_wait_of_0_asks_nobody(start_proxy: StartProxy) -> None:
    proxy = start_proxy(FOOTER="auto", FOOTER_WAIT_S=0)
    ledger = LedgerStub(never).in_place(proxy)
    assert " est." in content(whole(proxy))
    assert ledger.asked == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_the_wait_and_its_answer_is_still_counted(
    told: Proxy, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    reports: list[Report] = []
    monkeypatch.setattr(log, "write", reports.append)
    ledger = LedgerStub(never).in_place(told)
    with hanging_up(told, chat("hello", stream=stream)):
        eventually(lambda: ledger.asked)
    report = eventually(lambda: reports)[0]
    assert ledger.left == ledger.asked
    assert report.outcome == "client_left"
    assert report.cost is not None
    assert report.cost.points == report.estimate


def test_at_the_proxys_own_end_nothing_waits(bank: poe_sim.SimServer, start_proxy: StartProxy) -> None:
    proxy = start_proxy(bank.base_url, FOOTER="auto", FOOTER_WAIT_S=30, SHUTDOWN_GRACE_S=20)
    ledger = LedgerStub(never).in_place(proxy)
    with open_stream(proxy, chat("[[sim:fault stall after=2 seconds=0.3]] one two three")) as response:
        proxy.call_soon(proxy.house.closing.begin)
        eventually(lambda: proxy.house.closing.begun)
        assert "Points: " in text_of(frames(response))
    assert ledger.asked == []


# --- the same for programs --------------------------------------------------------------------------------------------


def test_usage_and_headers_have_the_same_figures(told: Proxy) -> None:
    LedgerStub(at_once(24)).in_place(told)
    answer = post(told, chat("hello"))
    figures = answer.json()["usage"]["poe"]
    assert figures == {"points": 24, "source": "settled", "usd": 0.00072, "balance": told.house.upkeep.balance}
    assert answer.headers["x-poe-points"] == "24"
    assert answer.headers["x-poe-points-source"] == "settled"
    assert answer.headers["x-poe-balance"] == str(figures["balance"])


def test_a_streams_usage_has_them_too(told: Proxy) -> None:
    LedgerStub(at_once(24)).in_place(told)
    usage = streamed(told, stream_options={"include_usage": True})[-1].usage
    assert usage.poe["points"] == 24
    assert usage.poe["source"] == "settled"


@pytest.mark.parametrize("form", [whole, streamed])
def test_without_a_footer_it_is_the_estimate_and_nothing_waits(told: Proxy, form: Any) -> None:
    ledger = LedgerStub(never).in_place(told)
    options = {"stream_options": {"include_usage": True}} if form is streamed else {}
    said = form(told, extra_headers={"X-Poe-Footer": "off"}, **options)
    usage = (said[-1] if isinstance(said, list) else said).usage
    assert usage.poe["source"] == "estimated"
    assert usage.poe["points"] > 0
    assert ledger.asked == []


def test_a_model_without_a_price_has_no_points(told: Proxy) -> None:
    answer = post(told, chat("hello", model="qwen3.5-plus"))
    assert set(answer.json()["usage"]["poe"]) == {"balance"}
    assert "x-poe-points" not in answer.headers


def test_web_pages_may_read_the_headers(start_proxy: StartProxy) -> None:
    proxy = start_proxy(CORS_ORIGINS="https://chat.example")
    answer = post(proxy, chat("hello"), origin="https://chat.example")
    exposed = answer.headers["access-control-expose-headers"]
    assert all(name in exposed for name in ("x-poe-points", "x-poe-points-source", "x-poe-balance"))


def test_points_are_counted_in_the_metrics(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    LedgerStub(at_once(24)).in_place(proxy)
    post(proxy, chat("hello"), **{"x-poe-footer": "on"})
    page = eventually(lambda: next((p for p in [proxy.house.metrics.page().decode()] if "points_total{" in p), ""))
    assert f'poe_proxy_points_total{{model="{MODEL}",source="settled"}} 24.0' in page


def test_the_line_has_estimate_and_points(told: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[Report] = []
    monkeypatch.setattr(log, "write", reports.append)
    LedgerStub(at_once(24)).in_place(told)
    whole(told)
    line = log.facts(eventually(lambda: reports)[0])
    assert (line["points"], line["points_source"]) == (24, "settled")
    assert line["estimate"] > 0


# --- the history ------------------------------------------------------------------------------------------------------


def test_footers_in_the_history_never_reach_a_model(told: Proxy, bank: poe_sim.SimServer) -> None:
    first = content(whole(told))
    assert "---" in first
    messages = [*ask("hello"), {"role": "assistant", "content": first}, *ask("and what does\n\n---\nBalance: 1")]
    answer = post(told, {"model": MODEL, "messages": messages})
    sent = arrived(bank)[-1]["body"]["messages"]
    assert sent[1]["content"] == "You said: hello"
    assert sent[2]["content"] == "and what does\n\n---\nBalance: 1"
    assert "took 1 footer out of the history" in answer.headers["x-poe-changes"]
