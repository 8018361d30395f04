"""Notices changes of models.yaml by looking at it now and then. It does not know what a new listing means to anybody.

No inotify: editors replace files, containers mount them, network disks tell nobody. A stat twice a second is free.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from poe_proxy.canonical.listing import Listing
from poe_proxy.files.models_file import ModelsFileError, load_models

Signature = tuple[int, int, int] | None


async def watch_models(
    path: Path,
    current: Listing,
    *,
    on_change: Callable[[Listing], None],
    on_fault: Callable[[ModelsFileError], None],
    interval: float = 0.5,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    load: Callable[[Path], Listing] = load_models,
) -> None:
    """Watch ``path`` until cancelled, looking every ``interval`` seconds; ``current`` is the listing in force.

    A change counts once two looks in a row agree, so that a half-written file or one between an editor's delete and
    rename is not read. ``on_change`` gets each listing that differs from the one before, and the first good one after
    a fault. ``on_fault`` gets each broken or missing state once; the listing in force stays.
    """
    settling, faulty = _Settling(), False
    while True:
        await sleep(interval)
        if not settling.is_news(_signature(path)):
            continue
        try:
            listing = await asyncio.to_thread(load, path)
        except ModelsFileError as error:
            faulty = True
            on_fault(error)
            continue
        if listing != current or faulty:
            current, faulty = listing, False
            on_change(listing)


class _Settling:
    """Turns what is seen into news: something other than last time, and seen twice in a row.

    The first state is news too: the file may have changed between the start's reading and the first look.
    """

    def __init__(self) -> None:
        self._last: object = self  # equal to nothing that can be seen
        self._settled: object = self

    def is_news(self, seen: Signature) -> bool:
        steady, self._last = seen == self._last, seen
        if not steady or seen == self._settled:
            return False
        self._settled = seen
        return True


def _signature(path: Path) -> Signature:
    """What tells one state of a file from the next: time, size and inode; None where there is no file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
