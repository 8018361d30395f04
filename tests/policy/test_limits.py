"""The pace of calls to Poe: never more in a minute than allowed, and what Poe says of its own limit."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.policy.limits import WINDOW_S, Pace, Said, read

PER_MINUTE = st.integers(1, 6)
PAUSES = st.lists(st.floats(0, 40, allow_nan=False), min_size=1, max_size=40)


def sent(pace: Pace, arrivals: list[float]) -> list[float]:
    """When calls that arrive at these moments go out, one after the other."""
    moments: list[float] = []
    for arrival in arrivals:
        now = pace.free_at(max([arrival, *moments[-1:]]))
        pace.send(now)
        moments.append(now)
    return moments


class TestASlidingMinute:
    @given(PER_MINUTE, PAUSES)
    def test_never_holds_more_calls_than_allowed(self, per_minute: int, pauses: list[float]) -> None:
        moments = sent(Pace(per_minute), list(accumulate(pauses)))
        for first, beyond in zip(moments, moments[per_minute:], strict=False):
            assert beyond >= first + WINDOW_S

    @given(PER_MINUTE, PAUSES)
    def test_lets_a_call_go_at_the_first_moment_that_it_can(self, per_minute: int, pauses: list[float]) -> None:
        arrivals = list(accumulate(pauses))
        moments = sent(Pace(per_minute), arrivals)
        for number, moment in enumerate(moments):
            reasons = [arrivals[number], *moments[max(0, number - 1) : number]]
            if number >= per_minute:
                reasons.append(moments[number - per_minute] + WINDOW_S)
            assert moment == max(reasons)

    @given(PER_MINUTE, PAUSES, st.integers(0, 20))
    def test_tells_everybody_in_the_queue_the_moment_that_it_will_be(
        self, per_minute: int, pauses: list[float], ahead: int
    ) -> None:
        pace = Pace(per_minute)
        now = sent(pace, list(accumulate(pauses)))[-1]
        promised = [pace.free_at(now, place) for place in range(ahead + 1)]
        assert sent(pace, [now] * (ahead + 1)) == pytest.approx(promised)

    def test_gives_a_call_back_that_was_not_made(self) -> None:
        pace = Pace(2)
        sent(pace, [0, 1])
        pace.take_back(1)
        assert pace.free_at(2) == 2
        pace.send(2)
        assert pace.free_at(3) == WINDOW_S

    def test_knows_a_call_no_more_that_is_older_than_the_window(self) -> None:
        pace = Pace(1)
        sent(pace, [0, WINDOW_S])
        pace.take_back(0)
        assert pace.free_at(WINDOW_S) == 2 * WINDOW_S

    def test_may_be_given_another_size(self) -> None:
        pace = Pace(4)
        sent(pace, [0, 1, 2, 3])
        pace.per_minute = 2
        assert [pace.free_at(4), pace.free_at(4, 1)] == [WINDOW_S + 2, WINDOW_S + 3]


class TestWhatPoeSays:
    def test_is_believed_about_what_is_left(self) -> None:
        pace = Pace(450)
        pace.send(0)
        pace.heard(Said(2, 30), 0, 1)
        assert [pace.free_at(1), pace.free_at(1, 1), pace.free_at(1, 2)] == [1, 1, 30]

    def test_counts_from_the_moment_of_the_call_that_it_answers(self) -> None:
        pace = Pace(450)
        pace.send(0)
        pace.heard(Said(0, 30), 0, 29)
        assert pace.free_at(29) == 30
        assert pace.free_at(30) == 30

    def test_is_counted_down_with_every_call(self) -> None:
        pace = Pace(450)
        pace.send(0)
        pace.heard(Said(1, 30), 0, 1)
        pace.send(1)
        assert pace.free_at(2) == 30

    def test_counts_a_call_that_was_not_made_as_left(self) -> None:
        pace = Pace(450)
        pace.send(0)
        pace.heard(Said(1, 30), 0, 1)
        pace.send(2)
        pace.take_back(2)
        assert pace.free_at(3) == 3

    def test_is_older_if_it_answers_an_earlier_call_however_late_it_comes(self) -> None:
        pace = Pace(450)
        pace.send(0)
        pace.send(1)
        pace.heard(Said(0, 60), 1, 2)
        pace.heard(Said(400, 60), 0, 3)
        assert pace.free_at(4) == 61

    def test_is_newer_if_it_answers_a_later_call(self) -> None:
        pace = Pace(450)
        pace.send(0)
        pace.send(1)
        pace.heard(Said(0, 60), 0, 2)
        pace.heard(Said(400, 60), 1, 3)
        assert pace.free_at(4) == 4

    def test_a_refusal_holds_all_calls_from_now_on(self) -> None:
        pace = Pace(450)
        pace.send(0)
        pace.heard(Said(0, 12, refused=True), 0, 5)
        assert [pace.free_at(6), pace.free_at(6, 448)] == [17, 17]

    def test_a_longer_refusal_outlasts_a_shorter_one(self) -> None:
        pace = Pace(450)
        pace.heard(Said(0, 30, refused=True), 0, 0)
        pace.heard(Said(0, 1, refused=True), 0, 1)
        assert pace.free_at(2) == 30


class TestReadingHeaders:
    @pytest.mark.parametrize(
        ("reset", "seconds"),
        [("7", 7), ("0.5", 0.5), ("1s", 1), ("250ms", 0.25), ("1m30s", 60), ("12.5s", 12.5), ("0", 0), ("9999", 60)],
    )
    def test_numbers_and_durations_are_seconds_and_never_more_than_a_minute(self, reset: str, seconds: float) -> None:
        headers = {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": reset}
        assert read(200, headers) == Said(3, seconds)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"x-ratelimit-remaining-requests": "3"},
            {"x-ratelimit-reset-requests": "3"},
            {"x-ratelimit-remaining-requests": "", "x-ratelimit-reset-requests": "60"},
            {"x-ratelimit-remaining-requests": "many", "x-ratelimit-reset-requests": "60"},
            {"x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "60"},
            {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"},
            {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "nan"},
            {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "inf"},
        ],
    )
    def test_what_cannot_be_read_was_not_said(self, headers: dict[str, str]) -> None:
        assert read(200, headers) is None

    def test_a_429_says_how_long(self) -> None:
        assert read(429, {"retry-after": "3"}) == Said(0, 3, refused=True)
        assert read(429, {"retry-after": "86400"}) == Said(0, WINDOW_S, refused=True)

    def test_a_429_with_nothing_left_may_say_it_as_a_reset(self) -> None:
        headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9"}
        assert read(429, headers) == Said(0, 9, refused=True)

    def test_a_429_without_a_time_is_left_to_the_back_off(self) -> None:
        assert read(429, {}) is None

    def test_a_429_that_leaves_calls_is_a_models_own_trouble(self) -> None:
        headers = {"x-ratelimit-remaining-requests": "480", "x-ratelimit-reset-requests": "9", "retry-after": "30"}
        assert read(429, headers) == Said(480, 9)

    def test_the_retry_after_of_another_error_is_not_about_the_limit(self) -> None:
        assert read(503, {"retry-after": "30"}) is None
