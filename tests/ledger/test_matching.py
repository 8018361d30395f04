"""The cheapest matching, and how much dearer the next best is: compared with trying everything."""

import random
from collections.abc import Iterator
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poe_proxy.ledger.matching import Matching

Costs = list[dict[int, float]]
_COST = st.sampled_from([0.0, 1.0, 2.5, 4.0, 9.0])


@st.composite
def tables(draw: st.DrawFn) -> tuple[Costs, list[float]]:
    claims = draw(st.integers(1, 4))
    costs = [draw(st.dictionaries(st.integers(0, 4), _COST)) for _ in range(claims)]
    return costs, [draw(st.sampled_from([0.0, 3.0, 20.0])) for _ in range(claims)]


def all_matchings(costs: Costs, alone: list[float], claim: int = 0) -> Iterator[tuple[float, tuple[int, ...]]]:
    if claim == len(costs):
        yield 0.0, ()
        return
    for cost, columns in all_matchings(costs, alone, claim + 1):
        yield cost + alone[claim], (~claim, *columns)
        for column, own in costs[claim].items():
            if column not in columns:
                yield cost + own, (column, *columns)


def cost_of(columns: list[int], costs: Costs, alone: list[float]) -> float:
    return sum(alone[claim] if column < 0 else costs[claim][column] for claim, column in enumerate(columns))


@given(tables())
def test_no_matching_is_cheaper_and_no_column_is_taken_twice(table: tuple[Costs, list[float]]) -> None:
    costs, alone = table
    matching = Matching(costs, alone)
    assert len(set(matching.column)) == len(costs)
    assert cost_of(matching.column, costs, alone) == min(cost for cost, _ in all_matchings(costs, alone))


@given(tables(), st.sets(st.integers(0, 4)))
@settings(max_examples=120, derandomize=True)  # it is a lower bound by contract, and equal in all that was tried
def test_slack_is_what_another_column_would_cost_more(table: tuple[Costs, list[float]], unwanted: set[int]) -> None:
    costs, alone = table
    matching = Matching(costs, alone)
    everything = list(all_matchings(costs, alone))
    cheapest = min(cost for cost, _ in everything)
    for claim, own in enumerate(matching.column):
        others = (cost for cost, columns in everything if columns[claim] != own and columns[claim] not in unwanted)
        assert matching.slack(claim, lambda column: column not in unwanted) == min(others, default=inf) - cheapest


def contested(claims: int, columns: int, seed: int) -> tuple[Costs, list[float]]:
    """Each claim fits twelve columns at any cost, so that no two matchings cost the same."""
    chance = random.Random(seed)
    costs = [{column: chance.uniform(0, 20) for column in chance.sample(range(columns), 12)} for _ in range(claims)]
    return costs, [chance.uniform(10, 60) for _ in range(claims)]


@pytest.mark.parametrize(("claims", "columns"), [(80, 40), (60, 60), (40, 80)])
@pytest.mark.parametrize("seed", range(3))
def test_who_comes_first_makes_no_difference(claims: int, columns: int, seed: int) -> None:
    costs, alone = contested(claims, columns, seed)
    one, other = Matching(costs, alone, margin=14), Matching(costs[::-1], alone[::-1], margin=14)
    assert [max(column, -1) for column in one.column] == [max(column, -1) for column in other.column[::-1]]
    for claim in range(claims):
        mirrored = other.slack(claims - 1 - claim, lambda column: column >= 0)
        assert one.slack(claim, lambda column: column >= 0) == pytest.approx(mirrored)


def test_slack_beyond_the_margin_is_not_told_apart() -> None:
    costs = [{0: 0.0, 1: 9.0}], [50.0]
    assert Matching(*costs).slack(0, lambda _: True) == 9
    assert Matching(*costs, margin=9.5).slack(0, lambda _: True) == 9
    assert Matching(*costs, margin=9).slack(0, lambda _: True) == inf


def test_a_fixed_claim_does_not_take_over_the_column_that_becomes_free() -> None:
    matching = Matching([{0: 0.0, 1: 0.0}, {0: 0.0, 1: 0.0}], [50.0, 50.0])
    assert matching.slack(0, lambda _: True) == 0
    assert matching.slack(0, lambda column: column >= 0, fixed=[1]) == 50
