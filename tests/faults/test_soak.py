"""A soak of seconds instead of minutes: after random requests with random faults all is right, and nothing is left."""

import orjson
import pytest

from benchmarks.soak.books import compared
from benchmarks.soak.outcome import Outcome, Plan, verdicts
from benchmarks.soak.report import as_json, as_text
from benchmarks.soak.run import soak

_SHORT = Plan(
    seed=5,
    clients=16,
    seconds=3.0,
    warm_s=0.1,
    pause_s=0.2,
    weather_s=0.3,
    sample_s=0.5,
    patience_s=20.0,
    settling_s=1.0,
    settle_scale=0.05,
    budget_s=2.0,
    hurried=True,
)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return soak(_SHORT, tmp_path_factory.mktemp("soak"))


def test_a_short_soak_ends_every_request_as_it_may_settles_rightly_and_leaves_nothing_behind(short: Outcome) -> None:
    failed = [verdict for verdict in verdicts(short) if not verdict.holds]
    assert not failed, as_text(short)


def test_a_short_soak_asks_in_both_dialects_and_finds_charges_for_its_rows(short: Outcome) -> None:
    kinds = " ".join(short.kinds)
    assert all(word in kinds for word in ("chat", "messages", "stream", "whole"))
    assert short.books.settled > short.books.free
    assert orjson.loads(as_json(short))["books"]["settled"] == short.books.settled


def test_of_what_is_not_settled_only_what_told_all_of_itself_and_was_charged_is_unexplained() -> None:
    told = {"request_id": "one", "history": "[]", "source": "estimated", "points": 3, "estimate": 3}
    told |= {"outcome": "ok", "first_token_s": 0.1, "tokens_in": 5}
    without_usage, left = {**told, "tokens_in": None}, {**told, "outcome": "client_left"}
    charge = {"tag": "one", "points": 4}
    assert compared([told], [charge]).unexplained == 1
    assert [compared([row], [charge]).unexplained for row in (without_usage, left)] == [0, 0]
    assert compared([told], []).unexplained == 0
