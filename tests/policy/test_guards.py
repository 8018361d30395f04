"""The guards: when no model is asked, what the caller is told instead, and what a request is likely to cost."""

import pytest

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.events import Finished, Text, Used
from poe_proxy.canonical.usage import Usage
from poe_proxy.policy.guards import foreseen, is_paused, is_too_expensive, paused, too_expensive

NOW = 1_790_000_000.0  # 21 September 2026
DAY = 86400.0
CARD = ModelCard("a", "a", context=10_000, max_output=3000)


@pytest.mark.parametrize(
    ("balance", "cutoff", "result"),
    [(99_999, 100_000, True), (100_000, 100_000, False), (0, 0, False), (0, 1, True), (None, 100_000, False)],
)
def test_paused_below_the_cutoff_and_never_on_an_unknown_balance(
    balance: int | None, cutoff: int, result: bool
) -> None:
    assert is_paused(balance, cutoff) is result


def said(grant_at: float | None) -> str:
    (text,) = [event.text for event in paused("id", NOW, 42_000, 100_000, grant_at) if isinstance(event, Text)]
    return text


def test_the_answer_tells_what_is_left_and_which_setting_decides() -> None:
    assert "42,000" in said(None)
    assert "100,000" in said(None)
    assert "POINTS_CUTOFF" in said(None)


def test_it_says_when_points_come_back() -> None:
    assert said(NOW + 10 * DAY).endswith("New points come on 1 October 2026 at 14:13 UTC.")


@pytest.mark.parametrize("grant_at", [None, NOW - 1, NOW * 1000, 0, -1e17, 1e17])
def test_it_says_nothing_of_times_that_cannot_be(grant_at: float | None) -> None:
    assert "New points" not in said(grant_at)


def test_it_is_an_ordinary_answer_that_used_nothing() -> None:
    events = paused("id", NOW, 0, 1, None)
    assert Finished("stop") in events
    assert Used(Usage(), cost=Cost(balance=0)) in events


# --- before sending ---------------------------------------------------------------------------------------------------


def ask(text: object) -> list[object]:
    return [{"role": "user", "content": text}]


def test_four_bytes_are_a_token() -> None:
    assert foreseen({"messages": ask("x" * 4000)}, CARD).prompt == pytest.approx(1000, abs=5)
    assert foreseen({"messages": ask("日" * 4000)}, CARD).prompt == pytest.approx(3000, abs=5)


def test_tools_count_too() -> None:
    assert foreseen({"messages": ask("hi"), "tools": [{"description": "x" * 4000}]}, CARD).prompt > 1000


def test_an_image_counts_as_a_thousand_tokens_however_large() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 3_000_000}}
    assert foreseen({"messages": ask([part])}, CARD).prompt == pytest.approx(1000, abs=20)


def test_other_files_count_by_their_size() -> None:
    part = {"type": "file", "file": {"file_data": "data:application/pdf;base64," + "A" * 500_000}}
    assert foreseen({"messages": ask([part])}, CARD).prompt == pytest.approx(6000, abs=20)


def test_what_is_beyond_the_context_is_not_sent_and_not_paid() -> None:
    assert foreseen({"messages": ask("x" * 400_000)}, CARD).prompt == 10_000


@pytest.mark.parametrize(
    ("asked", "prompt", "completion"),
    [
        ({"max_tokens": 500}, "hi", 500),
        ({"max_completion_tokens": 600, "max_tokens": 700}, "hi", 600),
        ({"max_tokens": 1_000_000}, "hi", 3000),
        ({"max_tokens": None}, "hi", 200),
        ({"max_tokens": -5}, "hi", 0),
        ({}, "hi", 200),
        ({}, "x" * 16_000, 1000),
        ({}, "x" * 400_000, 2500),
    ],
)
def test_the_answer_is_as_long_as_asked_for_or_a_share_of_the_prompt(
    asked: dict[str, object], prompt: str, completion: int
) -> None:
    assert foreseen({"messages": ask(prompt), **asked}, CARD).completion == pytest.approx(completion, abs=5)


@pytest.mark.parametrize(("points", "most"), [(100, 100), (100, 0), (None, 1), (0, 1)])
def test_what_is_within_the_limit_or_not_known_is_sent(points: int | None, most: int) -> None:
    assert not is_too_expensive(points, most)


def test_the_refusal_has_the_figure_the_limit_and_a_way_out() -> None:
    assert is_too_expensive(12_345, 5000)
    refusal = too_expensive(12_345, 5000, "nano (about 12 points)")
    assert (refusal.status, refusal.may_retry) == (402, False)
    for words in ("12,345", "5,000", "MAX_POINTS_PER_MESSAGE", "max_tokens", "nano (about 12 points)"):
        assert words in refusal.message
    assert too_expensive(2, 1, "").message.endswith("lower max_tokens.")


# --- what is told -----------------------------------------------------------------------------------------------------


def test_unknown_figures_are_left_out() -> None:
    assert Cost(24, "settled", 9).shown() == {"points": 24, "source": "settled", "usd": 0.00072, "balance": 9}
    assert Cost(balance=9).shown() == {"balance": 9}
    assert Cost().shown() == {}
