"""Turns to call Poe: in order of arrival, given up by who leaves, and refused as soon as they would come too late."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.canonical.errors import TooManyRequests
from poe_proxy.limits.turns import Turns
from tests.virtual_time import run

PATIENCE_S = 1000.0


class Queue:
    """Callers of one Poe key, in a time of their own."""

    def __init__(self, per_minute: int, part: int | None = None, shared: "Shared | None" = None) -> None:
        self.now = asyncio.get_running_loop().time
        self.turns = Turns(per_minute, part or per_minute, self.now, shared)
        self.went: list[tuple[str, float]] = []
        self.refused: list[tuple[str, float, float | None]] = []

    def call(self, name: str, patience_s: float = PATIENCE_S) -> asyncio.Task[None]:
        return asyncio.create_task(self._call(name, patience_s))

    async def _call(self, name: str, patience_s: float) -> None:
        try:
            moment = await self.turns.take(patience_s)
        except TooManyRequests as error:
            self.refused.append((name, self.now(), error.retry_after))
        else:
            assert moment == pytest.approx(self.now())
            self.went.append((name, round(moment, 6)))

    async def settle(self) -> None:
        """Let everybody go as far as they can at this moment."""
        for _ in range(10):
            await asyncio.sleep(0)


def in_virtual_time(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def runs() -> None:
        run(test())  # type: ignore[arg-type]

    runs.__doc__ = test.__doc__
    return runs


@in_virtual_time
async def test_within_the_limit_nobody_waits() -> None:
    queue = Queue(3)
    await asyncio.gather(*(queue.call(name) for name in "abc"))
    assert queue.went == [("a", 0), ("b", 0), ("c", 0)]


@in_virtual_time
async def test_without_a_limit_nobody_ever_waits() -> None:
    queue = Queue(0, 1)
    await asyncio.gather(*(queue.call(str(number)) for number in range(1000)))
    queue.turns.heard(0.0, 429, {"retry-after": "60"})
    await queue.call("last")
    assert {moment for _, moment in queue.went} == {0}


@in_virtual_time
async def test_beyond_it_turns_come_in_order_of_arrival() -> None:
    queue = Queue(2)
    await asyncio.gather(*(queue.call(name) for name in "abcdef"))
    assert queue.went == [("a", 0), ("b", 0), ("c", 60), ("d", 60), ("e", 120), ("f", 120)]


@in_virtual_time
async def test_who_comes_later_does_not_overtake_even_if_there_is_room() -> None:
    queue = Queue(1)
    await queue.call("a")
    waiting = [queue.call("b")]
    await asyncio.sleep(59.5)
    waiting.append(queue.call("c"))
    await asyncio.gather(*waiting)
    assert queue.went == [("a", 0), ("b", 60), ("c", 120)]


@in_virtual_time
async def test_who_leaves_gives_the_place_up_at_once() -> None:
    queue = Queue(1)
    await queue.call("a")
    leaving, staying = queue.call("b"), queue.call("c")
    await asyncio.sleep(10)
    leaving.cancel()
    await staying
    assert queue.went == [("a", 0), ("c", 60)]


@in_virtual_time
async def test_a_turn_that_comes_as_its_owner_leaves_goes_to_the_next() -> None:
    queue = Queue(1)
    await queue.call("a")
    leaving, staying = queue.call("b"), queue.call("c")
    await queue.settle()
    asyncio.get_running_loop().call_at(60 + 1e-10, leaving.cancel)  # the turn is given, its owner not yet awake
    await staying
    assert leaving.cancelled()
    assert queue.went == [("a", 0), ("c", 60)]


@in_virtual_time
async def test_who_would_wait_longer_than_patience_is_told_at_once_for_how_long() -> None:
    queue = Queue(1)
    await queue.call("a")
    await asyncio.sleep(15)
    await queue.call("b", patience_s=20)
    assert queue.refused == [("b", 15, 45)]
    await asyncio.sleep(30)
    await queue.call("c", patience_s=20)
    assert queue.went == [("a", 0), ("c", 60)]


@in_virtual_time
async def test_patience_counts_the_whole_queue() -> None:
    queue = Queue(1)
    await queue.call("a")
    await asyncio.sleep(50)
    waiting = queue.call("b", patience_s=20)
    await queue.call("c", patience_s=20)
    await waiting
    assert (queue.went, queue.refused) == ([("a", 0), ("b", 60)], [("c", 50, 70)])


@in_virtual_time
async def test_without_patience_there_is_a_turn_or_a_refusal() -> None:
    queue = Queue(1)
    await queue.call("a", patience_s=0)
    await queue.call("b", patience_s=0)
    assert (queue.went, queue.refused) == ([("a", 0)], [("b", 0, 60)])


@in_virtual_time
async def test_when_poe_has_had_enough_those_who_cannot_wait_are_told_and_the_others_wait() -> None:
    queue = Queue(3)
    for name in "abc":
        await queue.call(name)
    await asyncio.sleep(55)
    short, long, short_too = queue.call("short", 10), queue.call("long", 70), queue.call("short too", 20)
    await queue.settle()
    queue.turns.heard(55.0, 429, {"retry-after": "50"})
    await asyncio.gather(short, long, short_too)
    assert queue.refused == [("short", 55, 50), ("short too", 55, 50)]
    assert queue.went[3:] == [("long", 105)]


@in_virtual_time
async def test_poes_own_count_is_believed_before_ours() -> None:
    queue = Queue(450)
    await queue.call("a")
    queue.turns.heard(0.0, 200, {"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "7"})
    await asyncio.gather(queue.call("b"), queue.call("c"))
    assert queue.went == [("a", 0), ("b", 0), ("c", 7)]


@in_virtual_time
async def test_without_redis_a_worker_has_its_part() -> None:
    queue = Queue(4, part=2)
    await asyncio.gather(*(queue.call(name) for name in "abc"))
    assert queue.went == [("a", 0), ("b", 0), ("c", 60)]


class Shared:
    """What Redis would say: this many calls of all processes, then none for a time."""

    up = True

    def __init__(self, *waits: float) -> None:
        self.waits = list(waits)

    async def take(self) -> float:
        await asyncio.sleep(0)
        return self.waits.pop(0)


@in_virtual_time
async def test_through_redis_it_is_in_order_of_arrival_too() -> None:
    queue = Queue(100, shared=Shared(0, 7, 5, 0, 0))
    await asyncio.gather(*(queue.call(name) for name in "abc"))
    assert queue.went == [("a", 0), ("b", 12), ("c", 12)]


@in_virtual_time
async def test_through_redis_who_would_wait_too_long_is_told_and_leaves_no_trace() -> None:
    queue = Queue(1, shared=Shared(30, 0))
    await queue.call("a", patience_s=20)
    await queue.call("b", patience_s=20)
    assert (queue.refused, queue.went) == ([("a", 0, 30)], [("b", 0)])


@in_virtual_time
async def test_through_redis_patience_ends_behind_somebody_who_has_more() -> None:
    queue = Queue(100, shared=Shared(30, 0))
    waiting = queue.call("a", patience_s=50)
    await queue.call("b", patience_s=20)
    await waiting
    assert [name for name, *_ in queue.refused] == ["b"]
    assert queue.went == [("a", 30)]


@in_virtual_time
async def test_through_redis_who_leaves_makes_way() -> None:
    queue = Queue(1, shared=Shared(30, 0))
    leaving = queue.call("a")
    await queue.settle()
    staying = queue.call("b")
    await asyncio.sleep(10)
    leaving.cancel()
    await staying
    assert queue.went == [("b", 10)]


@in_virtual_time
async def test_while_redis_is_up_all_of_it_is_there_for_everybody_and_then_a_part() -> None:
    shared = Shared(*[0] * 5)
    queue = Queue(4, part=2, shared=shared)
    await asyncio.gather(*(queue.call(name) for name in "abc"))
    shared.up = False
    await queue.call("d")
    assert queue.went == [("a", 0), ("b", 0), ("c", 0), ("d", 60)]


STEPS = st.lists(
    st.tuples(
        st.floats(0, 20),
        st.one_of(
            st.tuples(st.just("call"), st.floats(0, 200)),
            st.tuples(st.just("leave"), st.integers(0, 30)),
            st.tuples(st.just("enough"), st.floats(0, 60)),
        ),
    ),
    max_size=40,
)


@given(st.integers(1, 5), STEPS)
def test_whatever_happens(per_minute: int, steps: list[tuple[float, tuple[str, float]]]) -> None:
    """No minute holds too many, nobody overtakes, everybody who stays goes or is told within the patience."""

    async def story() -> None:
        queue = Queue(per_minute)
        calls: list[tuple[asyncio.Task[None], float]] = []
        for pause, (what, number) in steps:
            await asyncio.sleep(pause)
            if what == "call":
                calls.append((queue.call(str(len(calls)), number), queue.now() + number))
            elif what == "leave" and int(number) < len(calls):
                calls[int(number)][0].cancel()
            elif what == "enough":
                queue.turns.heard(queue.now(), 429, {"retry-after": str(number)})
        await asyncio.gather(*(call for call, _ in calls), return_exceptions=True)
        moments = [moment for _, moment in queue.went]
        for first, beyond in zip(moments, moments[per_minute:], strict=False):
            assert beyond >= first + 60 - 1e-5
        assert [int(name) for name, _ in queue.went] == sorted(int(name) for name, _ in queue.went)
        for name, moment in queue.went:
            assert moment <= calls[int(name)][1] + 1e-5
        left = sum(call.cancelled() for call, _ in calls)
        assert len(queue.went) + len(queue.refused) + left == len(calls)

    run(story())
