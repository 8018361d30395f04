"""When Poe's history is looked at, and how often: in time for a footer, and no more than Poe's minute holds."""

from itertools import pairwise

import pytest

from poe_proxy.ledger.pace import AGES_S, Bucket, next_look

NOW = 1_776_000_000.0


def test_rows_are_looked_for_when_they_become_final_and_then_ever_more_seldom() -> None:
    looks, now = [], NOW
    while now < NOW + 20:
        now = next_look(NOW, now)
        looks.append(round(now - NOW, 2))
    assert looks[:4] == [1.0, 1.2, 1.4, 1.9]
    gaps = [later - earlier for earlier, later in pairwise(looks)]
    assert gaps[3:] == sorted(gaps[3:])


def test_three_looks_fall_into_the_time_that_a_footer_waits() -> None:
    assert sum(age < 1.5 for age in AGES_S) == 3


@pytest.mark.parametrize(("calls", "a_second"), [(0, 3.0), (100, 3.0), (400, 1.5), (450, 0.8), (5000, 0.8)])
def test_the_looks_take_what_calls_of_models_leave_of_poes_minute(calls: int, a_second: float) -> None:
    bucket = Bucket()
    for _ in range(calls):
        bucket.called(NOW)
    for _ in range(15):
        assert bucket.wait_s(NOW) == 0
    assert bucket.wait_s(NOW) == pytest.approx(1 / a_second)


def test_calls_of_more_than_a_minute_ago_no_longer_count() -> None:
    bucket = Bucket()
    for _ in range(450):
        bucket.called(NOW)
    for _ in range(15):
        bucket.wait_s(NOW + 61)
    assert bucket.wait_s(NOW + 61) == pytest.approx(1 / 3)
