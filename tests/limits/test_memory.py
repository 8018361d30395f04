"""Counting in memory: exactly, and bounded however many callers there are."""

import asyncio
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.limits.inbound import Inbound, Standing
from poe_proxy.limits.memory import Recent

ADA, BOB = [("address", "192.0.2.1")], [("address", "192.0.2.2")]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def admit(inbound: Inbound, callers: list[tuple[str, str]]) -> Standing:
    return asyncio.run(inbound.admit(callers))


@given(st.integers(1, 5), st.lists(st.tuples(st.floats(0, 30), st.sampled_from("abc")), max_size=60))
def test_no_window_holds_more_requests_than_allowed_and_no_room_goes_unused(
    limit: int, hits: list[tuple[float, str]]
) -> None:
    clock = Clock()
    inbound = Inbound(f"{limit}/minute", 1, clock=clock)
    granted: dict[str, list[float]] = {"a": [], "b": [], "c": []}
    for pause, who in hits:
        clock.now += pause
        recent = [moment for moment in granted[who] if moment > clock.now - 60]
        standing = admit(inbound, [("address", who)])
        assert standing.granted == (len(recent) < limit)
        assert standing.left == max(0, limit - len(recent) - 1)
        assert standing.reset_s == pytest.approx((recent[0] if recent else clock.now) + 60 - clock.now)
        if standing.granted:
            granted[who].append(clock.now)


def test_many_callers_do_not_make_it_grow_without_end() -> None:
    clock = Clock()
    inbound = Inbound("600/minute", 1, clock=clock)

    async def flood(start: int, count: int) -> None:
        for number in range(start, start + count):
            await inbound.admit([("address", str(number))])

    asyncio.run(flood(0, 12_000))  # more than are remembered
    tracemalloc.start()
    asyncio.run(flood(12_000, 30_000))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 20 * 2**20


def recent(who: str, **bounds: int) -> Recent:
    """Requests of callers named by a letter each, all at the same moment."""
    seen = Recent(60, Clock(), **bounds)
    for caller in who:
        seen.add(caller)
    return seen


def test_beyond_the_bound_the_one_who_was_silent_longest_is_forgotten() -> None:
    seen = recent("abae", max_keys=2)
    assert [seen.seen(who)[0] for who in "abe"] == [2, 0, 1]


def test_many_requests_of_few_callers_are_bounded_too() -> None:
    seen = recent("aabb", max_hits=3)
    assert [seen.seen(who)[0] for who in "ab"] == [0, 2]


def test_each_caller_has_a_limit_of_its_own() -> None:
    inbound = Inbound("1/minute", 1, clock=Clock())
    assert admit(inbound, ADA).granted
    assert not admit(inbound, ADA).granted
    assert admit(inbound, BOB).granted


def test_a_standing_tells_what_is_left_and_when_there_is_more() -> None:
    clock = Clock()
    inbound = Inbound("2/minute", 1, clock=clock)
    assert admit(inbound, ADA) == Standing(True, 2, 1, 60, "address")
    clock.now += 10
    assert admit(inbound, ADA) == Standing(True, 2, 0, 50, "address")
    clock.now += 10
    assert admit(inbound, ADA) == Standing(False, 2, 0, 40, "address")
    clock.now += 40
    assert admit(inbound, ADA) == Standing(True, 2, 0, 10, "address")


def test_address_and_key_both_count_and_the_tighter_one_is_told() -> None:
    inbound = Inbound("2/minute", 1, clock=Clock())
    key = ("key", "k")
    admit(inbound, [*ADA, key])
    admit(inbound, [*BOB, key])
    standing = admit(inbound, [("address", "192.0.2.3"), key])
    assert (standing.granted, standing.whose) == (False, "key")


def test_what_is_refused_for_one_counts_for_none() -> None:
    inbound = Inbound("1/minute", 1, clock=Clock())
    admit(inbound, [*ADA, ("key", "k")])
    assert not admit(inbound, [*BOB, ("key", "k")]).granted
    assert admit(inbound, BOB).granted


def test_each_worker_grants_its_part_and_at_least_one() -> None:
    assert admit(Inbound("600/minute", 4), ADA).limit == 150
    assert admit(Inbound("3/minute", 4), ADA).limit == 1
