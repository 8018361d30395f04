"""What is left of a request that is over."""

import asyncio
import gc
import weakref

from poe_proxy.web.lifeline import Closing, Lifeline, Message


def test_what_is_over_is_freed_at_once_and_not_by_the_collector() -> None:
    async def nobody_leaves() -> Message:
        left: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await left

    async def over() -> "weakref.ref[Lifeline]":
        async with Lifeline(nobody_leaves, Closing(1)) as line:
            await asyncio.sleep(0)
        return weakref.ref(line)

    async def freed() -> bool:
        remembered = await over()
        for _ in range(3):  # the watcher's turns, to hear that it is cancelled and to end
            await asyncio.sleep(0)
        return remembered() is None

    gc.disable()
    try:
        assert asyncio.run(freed())
    finally:
        gc.enable()
