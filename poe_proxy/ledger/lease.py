"""Who settles where several processes share a database: one at a time, for as long as it renews its lease."""

from collections.abc import Callable, Sequence

from poe_proxy.ledger.row import Points, Row, StoreError
from poe_proxy.ledger.writer import NOTED_EVERY_S, Writer

_LEASE_S = 10.0
_RENEW_S = 5.0
_AT_ONCE = 500


class Lease:
    """One process's side of it. ``alone``: as far as is known, no other process uses this database."""

    def __init__(
        self, writer: Writer, holder: str, wall: Callable[[], float], clock: Callable[[], float], *, alone: bool
    ) -> None:
        """``holder`` is what the ids of this process's rows begin with; ``wall`` tells Unix seconds, ``clock`` counts
        seconds: how long a lease is ours must not depend on a clock that is set.
        """
        self._writer = writer
        self._holder = holder
        self._wall = wall
        self._clock = clock
        self._until = 0.0
        self._refused = False
        self._is_new = False
        self._alone = alone
        self._began = wall()

    async def held(self) -> bool:
        """Whether this process settles now. While the database cannot be asked, only one that is alone may."""
        now, wall = self._clock(), self._wall()
        if now < self._until - _RENEW_S:
            return True
        try:
            if self._writer.store is None or not self._writer.opened.is_set():
                return self._alone
            granted = await self._writer.store.lease(self._holder, wall, wall + _LEASE_S)
        except StoreError:
            return now < self._until or (self._alone and not self._refused)
        self._refused = not granted
        self._is_new = self._is_new or (granted and now >= self._until)
        self._until = now + _LEASE_S if granted else 0.0
        return granted

    async def taken(self, since: float) -> set[str]:
        """History rows that others have settled requests with; nothing once that is known."""
        if not self._is_new or self._writer.store is None:
            return set()
        try:
            taken = await self._writer.store.used(since, but=self._holder)
        except StoreError:
            return set()
        self._is_new = False
        return taken

    async def others(self, since: float) -> list[Row] | None:
        """Open rows of other processes and earlier starts, to be settled by this one; None where it cannot be told.

        Requests under way are among them once nobody notes them any more. One that is alone need not wait for that:
        those from before its own start nobody will end.
        """
        if self._writer.store is None or not self._writer.opened.is_set():
            return None
        silent = self._wall() - 2 * NOTED_EVERY_S
        try:
            return await self._writer.store.open_rows(
                since, but=self._holder, silent=max(silent, self._began) if self._alone else silent
            )
        except StoreError:
            return None

    async def results(self, ids: Sequence[str]) -> list[Points]:
        """What the process that settles found out about these rows."""
        found: list[Points] = []
        if self._writer.store is None:
            return found
        try:
            for start in range(0, len(ids), _AT_ONCE):
                found += await self._writer.store.results(ids[start : start + _AT_ONCE])
        except StoreError:
            return found
        return found

    async def release(self) -> None:
        """Let another process take over."""
        if not self._until or self._writer.store is None:
            return
        self._until = 0.0
        try:
            await self._writer.store.release(self._holder)
        except StoreError:
            return  # then it ends by itself
