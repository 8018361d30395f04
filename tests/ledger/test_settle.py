"""Whose row is whose: each rule by example, and whole imagined days in which everything happens at once."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poe_proxy.canonical.history import HistoryRow
from poe_proxy.ledger.evidence import Claim, Experience, Tokens, relation
from poe_proxy.ledger.settle import ABSENT_S, Verdict, settle
from tests.ledger.world import MODELS, OUR_KEY, Call, Model, World

NOW = 1_776_123_189.0
DIRECT, BOT = MODELS[0], MODELS[2]


def claim(request: str = "a", at: float = NOW, *, told: Tokens | None = None, **more: object) -> Claim:
    usual = {"number": 1, "model": "glm-5", "sent": at, "latest": at + 1, "tokens": told, "age": 5.0}
    return Claim(request=request, **{**usual, **more})  # type: ignore[arg-type]


def row(row_id: str = "r", points: int | None = 24, at: float = NOW + 0.1, **more: object) -> HistoryRow:
    usual = {"model": "GLM-5", "key_name": OUR_KEY}
    return HistoryRow(id=row_id, created=at, points=points, **{**usual, **more})  # type: ignore[arg-type]


def points(claims: list[Claim], rows: list[HistoryRow], experience: Experience | None = None) -> dict[str, int]:
    return {verdict.request: verdict.points for verdict in settle(claims, rows, experience or Experience())}


def known_key() -> Experience:
    experience = Experience()
    experience.keys.extend([OUR_KEY] * 3)
    return experience


# --- one call, some rows --------------------------------------------------------------------------------------------


def test_a_call_and_its_row_go_together_whatever_the_casing() -> None:
    assert points([claim()], [row()]) == {"a": 24}


@pytest.mark.parametrize("other", [{"model": "GLM-4.6"}, {"at": NOW + 30}, {"at": NOW - 30}, {"usage_type": "Chat"}])
def test_rows_of_other_models_other_times_and_chat_are_not_ours(other: dict[str, object]) -> None:
    assert points([claim()], [row(**other)]) == {}  # type: ignore[arg-type]


def test_a_row_without_a_cost_is_not_settled_yet() -> None:
    assert points([claim()], [row(points=None)]) == {}


def test_an_answer_that_cost_nothing_is_settled_at_nothing() -> None:
    assert points([claim()], [row(points=0)]) == {"a": 0}


def test_no_row_is_used_for_two_calls() -> None:
    assert points([claim("a"), claim("b")], [row()]) == {}


def test_the_row_nearest_in_time_is_not_enough_where_points_differ() -> None:
    assert points([claim()], [row("r", 24, NOW + 0.1), row("s", 90, NOW + 0.3)]) == {}


def test_rows_of_the_same_points_are_as_good_as_each_other() -> None:
    rows = [row("r", 24, NOW + 0.1), row("s", 24, NOW + 0.3)]
    assert points([claim("a"), claim("b")], rows) == {"a": 24, "b": 24}
    assert points([claim("a")], rows) == {"a": 24}


def test_time_alone_separates_calls_that_are_seconds_apart() -> None:
    calls = [claim("a", NOW), claim("b", NOW + 1.5)]
    assert points(calls, [row("r", 24, NOW + 0.1), row("s", 90, NOW + 1.6)]) == {"a": 24, "b": 90}


def test_settled_rows_are_named_with_their_calls() -> None:
    one, its = claim(), row()
    assert settle([one], [its], Experience()) == [Verdict("a", 24, ((one, its),))]


# --- tokens ---------------------------------------------------------------------------------------------------------


def test_exact_tokens_prove_whose_row_it_is() -> None:
    calls = [claim("a", told=Tokens(100, 5, 0), exact=True), claim("b", told=Tokens(900, 5, 0), exact=True)]
    rows = [row("r", 90, tokens_in=900, tokens_out=5), row("s", 24, tokens_in=100, tokens_out=5)]
    assert points(calls, rows) == {"a": 24, "b": 90}


def test_exact_tokens_that_differ_forbid_a_row_until_patience_ends() -> None:
    one = claim(told=Tokens(100, 5, 0), exact=True)
    other = row(tokens_in=101, tokens_out=5)
    assert points([one], [other]) == {}
    assert points([replace(one, age=31)], [other]) == {"a": 24}


def test_a_proof_does_not_wait_for_rows_that_are_not_settled() -> None:
    one = claim(told=Tokens(100, 5, 0), exact=True)
    assert points([one], [row("r", 24, tokens_in=100, tokens_out=5), row("s", None)]) == {"a": 24}


def test_an_answer_leaves_the_row_of_a_lost_call_with_the_same_prompt_to_that_call() -> None:
    experience = known_key()
    experience.lags.extend([0.1] * 6)
    lost = claim("a", number=1, told=Tokens(100), exact=True, sure=False)
    again = claim("a", NOW + 1.2, number=2, told=Tokens(100, 5, 0), exact=True)
    free = claim("b", NOW + 1.2, sure=False)
    first, second = row("r", tokens_in=100, tokens_out=5), row("s", None, NOW + 1.3)
    assert "a" not in points([lost, again, free], [first, second], experience), "the answer's own is not final yet"
    second = replace(second, points=24, tokens_in=100, tokens_out=5)
    assert points([lost, again, free], [first, second], experience) == {"a": 48, "b": 0}


def test_providers_may_count_cached_or_reasoning_tokens_apart() -> None:
    one = claim(told=Tokens(8400, 50, 8000, 40), exact=True)
    assert points([one], [row(tokens_in=400, tokens_out=90)]) == {"a": 24}


def test_estimated_tokens_are_a_hint() -> None:
    calls = [claim("a", told=Tokens(100, 50)), claim("b", told=Tokens(5000, 50))]
    rows = [row("r", 160, tokens_in=5600, tokens_out=52), row("s", 4, tokens_in=112, tokens_out=55)]
    assert points(calls, rows) == {"a": 4, "b": 160}


def test_a_hint_does_not_decide_between_counts_that_are_close() -> None:
    calls = [claim("a", told=Tokens(100, 50)), claim("b", told=Tokens(104, 50))]
    rows = [row("r", 5, tokens_in=111, tokens_out=50), row("s", 4, tokens_in=107, tokens_out=50)]
    assert points(calls, rows) == {}


def test_how_estimates_become_counts_is_learnt_from_many() -> None:
    sizes = range(100, 180, 4)
    calls = [claim(f"q{size}", told=Tokens(size, 50)) for size in sizes]
    rows = [row(f"r{size}", size, tokens_in=size + 7, tokens_out=50) for size in sizes]
    assert points(calls, rows[::-1]) == {f"q{size}": size for size in sizes}


@given(st.floats(0.5, 2), st.integers(0, 100), st.sets(st.integers(1, 5000), min_size=8))
def test_a_straight_line_is_found(slope: float, shift: int, told: set[int]) -> None:
    line = relation([(one, round(slope * one) + shift) for one in told])
    assert all(abs(line.distance(one, round(slope * one) + shift)) < 4 for one in told)


def test_an_estimate_that_leaves_reasoning_out_does_not_outweigh_time() -> None:
    sizes = range(20, 40, 2)
    calls = [claim(f"q{size}", NOW + 5 * size, told=Tokens(size, 7)) for size in sizes]
    rows = [row(f"r{size}", 2, NOW + 5 * size, tokens_in=size + 7, tokens_out=7) for size in sizes]
    calls += [claim("thinker", told=Tokens(9, 7)), claim("silent", NOW + 0.86)]
    rows += [row("own", 5, NOW, tokens_in=16, tokens_out=34), row("other", 2, NOW + 0.87, tokens_in=16, tokens_out=7)]
    assert points(calls, rows, known_key()).get("thinker") in (None, 5)


# --- whose key ------------------------------------------------------------------------------------------------------


def test_rows_of_another_key_are_not_ours_once_ours_is_known() -> None:
    rows = [row("r", 24), row("s", 90, key_name="Laptop")]
    assert points([claim()], rows) == {}
    assert points([claim()], rows, known_key()) == {"a": 24}


def test_our_key_is_known_by_a_call_that_has_no_other_row() -> None:
    calls = [claim("a"), claim("b", NOW + 60)]
    rows = [row("r", 24), row("s", 90, key_name="Laptop"), row("t", 30, NOW + 60.1)]
    assert points(calls, rows) == {"a": 24, "b": 30}


def test_a_key_that_was_renamed_is_learnt_anew() -> None:
    renamed = row(key_name="New name")
    assert points([claim()], [renamed], known_key()) == {}
    assert points([claim(age=31)], [renamed], known_key()) == {"a": 24}


def test_an_estimated_prompt_alone_does_not_settle_who_left_beside_it() -> None:
    left, with_tools = claim("a"), claim("b", NOW + 0.05, told=Tokens(23, 0))
    rows = [row("r", 8, tokens_in=34, tokens_out=53), row("s", 12, NOW + 0.15, tokens_in=600, tokens_out=9)]
    assert points([left, with_tools], rows, known_key()) == {}, "Poe's estimate may have left the tools out"


# --- running, repeated and unanswered calls --------------------------------------------------------------------------


def test_a_running_call_is_not_settled_and_owns_a_row_that_is_not_final() -> None:
    running = claim("b", running=True, age=0)
    rows = [row("r", 24), row("s", None, NOW + 0.2)]
    assert points([claim("a"), running], rows, known_key()) == {"a": 24}


def test_a_request_costs_the_sum_of_its_calls() -> None:
    lost = claim(number=1, sure=False)
    again = claim(number=2, at=NOW + 0.4)
    assert points([lost, again], [row("r", 10), row("s", 24, NOW + 0.5)], known_key()) == {"a": 34}


def test_a_call_that_was_not_answered_and_has_no_row_cost_nothing() -> None:
    lost = claim(number=1, sure=False, age=ABSENT_S)
    again = claim(number=2, at=NOW + 0.4, age=ABSENT_S)
    assert points([lost, again], [row("s", 24, NOW + 0.5)], known_key()) == {"a": 24}
    assert points([lost], [], known_key()) == {"a": 0}


def test_its_row_might_still_appear_at_first() -> None:
    assert points([claim(sure=False, age=0.5)], []) == {}


def test_an_answered_call_without_a_row_waits() -> None:
    assert points([claim(age=200)], []) == {}


# --- imagined days --------------------------------------------------------------------------------------------------


def burst(seed: int, calls: int, spread_s: float, foreign: int, jitter_s: float) -> World:
    chance = random.Random(seed)
    world = World(chance, jitter_s=jitter_s)
    for _ in range(calls):
        world.ask(
            chance.choice(MODELS),
            NOW + chance.uniform(0, spread_s),
            prompt=chance.randint(10, 400),
            completion=chance.randint(1, 200),
            seconds=chance.uniform(0.1, 4),
        )
    for _ in range(foreign):
        key = chance.choice(["Laptop", None])
        at = NOW + chance.uniform(-2, spread_s + 4)
        world.others(chance.choice(MODELS), at, key, prompt=chance.randint(10, 400), completion=chance.randint(1, 200))
    return world


def right(world: World, **options: float) -> int:
    """How many were settled; each of them, and with a row of its own, at what it cost."""
    settled = list(world.settled(**options))
    for call, told, rows in settled:
        assert call.row is not None
        assert told == call.row.points, (call, rows)
    return len(settled)


@given(
    seed=st.integers(0, 10**6),
    calls=st.integers(1, 60),
    spread_s=st.floats(0, 30),
    foreign=st.integers(0, 40),
    jitter_s=st.floats(0.01, 1),
)
@settings(max_examples=25, deadline=None)
def test_nobody_is_told_points_of_somebody_else(
    seed: int, calls: int, spread_s: float, foreign: int, jitter_s: float
) -> None:
    right(burst(seed, calls, spread_s, foreign, jitter_s))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("spread_s", "jitter_s"), [(0.05, 0.3), (5, 1)])
def test_of_hundreds_at_once_nearly_all_are_settled_within_twenty_seconds(
    seed: int, spread_s: float, jitter_s: float
) -> None:
    assert right(burst(seed, 200, spread_s, 100, jitter_s), step_s=2.0) >= 198


@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["turns", "share", "tools", "nothing"]))
@settings(max_examples=12, deadline=None)
def test_poor_hints_lead_to_patience_and_not_to_errors(seed: int, kind: str) -> None:
    chance = random.Random(seed)
    world = burst(seed, 60, 2, 20, 0.3)
    for call in world.calls:
        if not call.claim.exact and call.claim.tokens is not None:
            call.claim = replace(call.claim, tokens=_poorer(kind, call.claim.tokens, chance))
    right(world)


def _poorer(kind: str, told: Tokens, chance: random.Random) -> Tokens | None:
    match kind:
        case "turns":
            return Tokens(max(1, told.prompt - 4 * chance.randint(0, 8)), told.completion)
        case "share":
            return Tokens(int(told.prompt * chance.uniform(0.75, 0.9)), told.completion)
        case "tools":
            return Tokens(told.prompt, 0)
        case _:
            return None


def test_identical_requests_are_settled_at_once() -> None:
    world = World(random.Random(1), jitter_s=0.5)
    for _ in range(100):
        world.ask(BOT, NOW, prompt=50, completion=20)
    assert right(world, step_s=3.0) == 100


def test_a_lost_call_among_many_is_counted_where_it_belongs() -> None:
    chance = random.Random(7)
    world = World(chance)
    for number in range(20):
        world.ask(DIRECT, NOW + number * 0.05, prompt=100 + number, completion=9)
    first = world.calls[4]
    lost = replace(first.claim, number=0, sent=first.claim.sent - 0.4, sure=False, tokens=Tokens(104))
    extra = world.row(Model(DIRECT.name, direct=True), lost.sent + 0.02, 104, 2, OUR_KEY)
    now = NOW + 20
    claims = [*world.claims(now, set()), replace(lost, age=15.0)]
    found = points(claims, [*world.history(now), extra], known_key())
    own = {call.claim.request: _cost(call) for call in world.calls}
    assert found == own | {first.claim.request: own[first.claim.request] + (extra.points or 0)}


def _cost(call: Call) -> int:
    assert call.row is not None
    assert call.row.points is not None
    return call.row.points


def test_a_row_beside_a_call_that_poe_failed_is_nobodys_proof_and_no_row_means_no_charge() -> None:
    failed = claim(sure=False, failed=True, age=200.0)
    assert points([failed], [row(points=109)], known_key()) == {}
    assert points([failed], [], known_key()) == {"a": 0}
