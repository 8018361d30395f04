"""A soak of seconds instead of minutes: after random requests with random faults all is right, and nothing is left."""

import orjson
import pytest

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
