"""How many of its own tokens a model makes of one that is counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.canonical.usage import Usage
from poe_proxy.policy.factors import Factors, factor_of


@pytest.mark.parametrize(
    ("model", "factor"),
    [
        ("gpt-5.4", 1.0),
        ("gemini-3.1-pro", 1.0),
        ("claude-haiku-3", 1.18),
        ("claude-3.5-sonnet", 1.18),
        ("claude-sonnet-4-20250514", 1.18),
        ("claude-haiku-4-5-20251001", 1.18),
        ("Claude-Opus-4.6", 1.18),
        ("claude-opus-4.7", 1.53),
        ("Claude-Opus-4-7", 1.53),
        ("claude-opus-4.10", 1.53),
        ("claude-opus-5", 1.53),
        ("claude-code", 1.18),
        ("claude-instant-100k", 1.18),
    ],
)
def test_claude_makes_more_tokens_and_since_opus_4_7_many_more(model: str, factor: float) -> None:
    assert factor_of(model) == Factors().of(model) == factor


class TestLearning:
    def test_goes_towards_what_is_reported(self) -> None:
        factors = Factors()
        for _ in range(20):
            factors.learn("Claude-Opus-4.7", 10_000, Usage(prompt=13_000))
        assert factors.of("claude-opus-4.7") == pytest.approx(1.3, rel=0.06)
        assert factors.of("claude-opus-4.6") == 1.18

    def test_a_single_report_weighs_little(self) -> None:
        factors = Factors()
        factors.learn("gpt-5.4", 10_000, Usage(prompt=20_000))
        assert 1.2 < factors.of("gpt-5.4") < 1.4

    def test_small_differences_change_nothing_since_each_change_moves_the_cut(self) -> None:
        factors = Factors()
        for prompt in (10_300, 9_800, 10_200, 10_400):
            factors.learn("gpt-5.4", 10_000, Usage(prompt=prompt))
        assert factors.of("gpt-5.4") == 1.0

    def test_cached_tokens_are_tokens_of_the_prompt_also_where_they_are_told_apart(self) -> None:
        together, apart = Factors(), Factors()
        together.learn("m", 10_000, Usage(prompt=15_000, cached=14_000))
        apart.learn("m", 10_000, Usage(prompt=1_000, cached=14_000))
        assert together.of("m") == apart.of("m") > 1.1

    def test_a_factor_that_is_too_low_rises_sooner_than_one_that_is_too_high_falls(self) -> None:
        factors = Factors()
        for _ in range(20):
            factors.learn("low", 10_000, Usage(prompt=10_400))
            factors.learn("high", 10_000, Usage(prompt=9_600))
        assert factors.of("low") > 1.02
        assert factors.of("high") == 1.0

    @pytest.mark.parametrize(("counted", "prompt"), [(999, 5000), (10_000, 0), (0, 10)])
    def test_from_little_or_nothing_nothing_is_learned(self, counted: int, prompt: int) -> None:
        factors = Factors()
        factors.learn("m", counted, Usage(prompt=prompt))
        assert factors.of("m") == 1.0

    @given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**9), st.integers(0, 10**9))))
    def test_stays_within_half_and_twice_the_table(self, reports: list[tuple[int, int, int]]) -> None:
        factors = Factors()
        for counted, prompt, cached in reports:
            factors.learn("claude-sonnet-4.5", counted, Usage(prompt=prompt, cached=cached))
        assert 0.59 <= factors.of("claude-sonnet-4.5") <= 2.36

    def test_remembers_so_many_models_and_no_more(self) -> None:
        factors = Factors()
        for number in range(1001):
            factors.learn(f"model-{number}", 10_000, Usage(prompt=20_000))
        assert factors.of("model-0") == 1.0
        assert factors.of("model-1") > 1.0
