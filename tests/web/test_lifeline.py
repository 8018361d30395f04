"""Who ends a request's work early, and what is left of it then."""

import asyncio
import gc
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest

from poe_proxy.web.lifeline import Closing, Lifeline, Message


async def nobody_leaves() -> Message:
    left: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    return await left


async def left_already() -> Message:
    return {"type": "http.disconnect"}


async def turns_of_the_loop() -> None:
    """For what ends at its own next turn."""
    for _ in range(3):
        await asyncio.sleep(0)


class Work:
    """Work that never ends by itself, and tells whether it closed what it had opened."""

    def __init__(self) -> None:
        self.closed = False

    async def run(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            self.closed = True


def test_what_work_returns_is_returned() -> None:
    async def scene() -> None:
        line = Lifeline(nobody_leaves, Closing(1))
        assert await line.run(asyncio.sleep(0, "done")) == "done"
        assert line.why is None

    asyncio.run(scene())


def test_what_work_raises_is_raised() -> None:
    async def fails() -> None:
        raise LookupError("why it failed")

    with pytest.raises(LookupError, match="why it failed"):
        asyncio.run(Lifeline(nobody_leaves, Closing(1)).run(fails()))


def test_a_client_who_left_before_it_began_ends_it() -> None:
    async def scene() -> None:
        line = Lifeline(left_already, Closing(1))
        assert await line.run(asyncio.sleep(3600, "too late")) is None
        assert line.why == "client_left"

    asyncio.run(scene())


def test_the_end_of_the_proxy_ends_it_once_all_below_is_closed() -> None:
    async def scene() -> None:
        closing, work = Closing(0), Work()
        line = Lifeline(nobody_leaves, closing)
        asyncio.get_running_loop().call_soon(closing.begin)
        await line.run(work.run())
        assert line.why == "shutdown"
        assert work.closed

    asyncio.run(scene())


def test_a_server_that_gives_the_request_up_is_obeyed_once_all_below_is_closed() -> None:
    async def scene() -> None:
        work = Work()
        request = asyncio.create_task(Lifeline(nobody_leaves, Closing(1)).run(work.run()))
        await turns_of_the_loop()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert work.closed

    asyncio.run(scene())


def test_a_request_may_be_given_up_by_whoever_asked_for_it_after_its_work_is_done() -> None:
    """Waking the task that watches is a cancellation too, and must not be left for the next one to find."""

    async def scene() -> None:
        await Lifeline(nobody_leaves, Closing(1)).run(asyncio.sleep(0))
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    asyncio.run(scene())


def test_what_is_over_is_freed_at_once_and_not_by_the_collector() -> None:
    async def over(work: Coroutine[Any, Any, None]) -> "weakref.ref[Lifeline]":
        line = Lifeline(nobody_leaves, Closing(1))
        await line.run(work)
        return weakref.ref(line)

    async def freed() -> bool:
        remembered = await over(asyncio.sleep(0))
        await turns_of_the_loop()
        return remembered() is None

    gc.disable()
    try:
        assert asyncio.run(freed())
    finally:
        gc.enable()
