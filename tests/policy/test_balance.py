"""The balance between two answers of Poe's: each cost counts once, whichever comes first."""

from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.policy.balance import STALE_S, Balance


def told(points: int, at: float) -> Balance:
    """A balance that Poe told in answer to a question of that time."""
    balance = Balance()
    balance.ask(at)
    balance.take(points)
    return balance


def test_it_is_unknown_until_poe_tells_it() -> None:
    balance = Balance()
    assert balance.points(0) is None
    balance.spend(5, at=0)
    assert balance.points(0) is None


def test_it_falls_by_what_is_spent() -> None:
    balance = told(1000, at=10)
    balance.spend(24, at=11)
    balance.spend(1, at=12)
    assert balance.points(13) == 975


def test_an_answer_of_poes_holds_what_was_spent_before_the_question() -> None:
    balance = told(1000, at=10)
    balance.spend(24, at=11)
    balance.ask(12)
    balance.take(976)
    assert balance.points(13) == 976


def test_what_is_spent_while_poe_is_asked_counts_on_top() -> None:
    balance = told(1000, at=10)
    balance.ask(12)
    balance.spend(24, at=13)
    balance.take(1000)
    assert balance.points(14) == 976


def test_a_cost_that_is_told_late_counts_once() -> None:
    balance = told(1000, at=10)
    balance.ask(12)
    balance.take(976)
    balance.spend(24, at=11)  # the answer ended before the question, its cost was worked out after it
    assert balance.points(13) == 976


def test_a_cost_that_is_told_late_is_part_of_the_answer_under_way() -> None:
    balance = told(1000, at=10)
    balance.ask(12)
    balance.spend(24, at=11)
    assert balance.points(12) == 976
    balance.take(976)
    assert balance.points(13) == 976


def test_a_question_without_an_answer_changes_nothing() -> None:
    balance = told(1000, at=10)
    balance.spend(24, at=11)
    balance.ask(12)
    balance.ask(13)
    balance.spend(1, at=14)
    assert balance.points(15) == 975


def test_it_grows_old_and_never_negative() -> None:
    balance = told(10, at=0)
    balance.spend(24, at=1)
    assert balance.points(STALE_S) == 0
    assert balance.points(STALE_S + 1) is None
    assert told(-5, at=0).points(0) == 0


moves = st.lists(st.sampled_from(["spend", "ask", "answer", "fail"]), max_size=40)


@given(moves)
def test_it_is_always_what_poe_has_where_costs_are_told_at_once(moves: list[str]) -> None:
    """Poe answers with its books as they stood when the question left."""
    balance, left, asked = told(1000, at=0), 1000, None
    for now, move in enumerate(moves, 1):
        match move:
            case "spend":
                left -= 1
                balance.spend(1, at=now)
            case "ask":
                asked = left
                balance.ask(now)
            case "answer" if asked is not None:
                balance.take(asked)
                asked = None
            case _:
                asked = None
        assert balance.points(now) == left
