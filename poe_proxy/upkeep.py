"""What is kept up to date beside the requests: the models (models.yaml, Poe's catalogue), the key's state, the balance.

No request ever waits for it. It starts with what is on disk, so that the first request finds a registry.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import orjson

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.errors import LinkError
from poe_proxy.canonical.listing import Listing
from poe_proxy.files.cache import load_catalogue, save_catalogue
from poe_proxy.files.models_file import ModelsFileError, load_models
from poe_proxy.files.watcher import watch_models
from poe_proxy.observe.log import crash, log
from poe_proxy.poe.catalogue import read_catalogue
from poe_proxy.poe.client import PoeClient
from poe_proxy.poe.usage_api import UNCHECKED, KeyCheck, check_key
from poe_proxy.policy.balance import Balance
from poe_proxy.policy.registry import Registry
from poe_proxy.settings import Settings

_CATALOGUE_EVERY_S = 3600.0
_KEY_EVERY_S = 300.0
_AFTER_COSTS_S = 5.0  # from the first cost to asking for the balance again: 12 calls a minute at most
_SOON_S = 5.0  # after a failure, doubled up to the usual pace
_CATALOGUE_TIMEOUT_S = 30.0

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be served, and why or why not, in words."""

    ready: bool
    key: str
    catalogue: str
    models: str
    balance: str


class Upkeep:
    """Holds the current registry. Made from disk: raises ModelsFileError where models.yaml cannot be used."""

    def __init__(
        self, settings: Settings, sleep: Sleep = asyncio.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._clock = clock
        self._balance = Balance()
        self._balance_wanted = asyncio.Event()
        self._listing = load_models(settings.models_file)
        stored = load_catalogue(settings.data_dir)
        self._catalogue = read_catalogue(stored.body)
        self._read = hash(orjson.dumps(stored.body))
        self._catalogue_words = f"{len(self._catalogue)} models, from the {stored.source}; not yet fetched from Poe"
        self._models_words = f"{len(self._listing.entries)} models listed"
        self.key = UNCHECKED
        self._last_check = UNCHECKED
        self.registry = Registry(self._listing, self._catalogue)

    def resolve(self, name: str) -> ModelCard:
        """The card for ``name`` as of now. Raises UnknownModel."""
        return self.registry.resolve(name)

    def readiness(self) -> Readiness:
        """The state for ``GET /ready``: the key must be known to be good and some catalogue be loaded."""
        ready = self.key.valid is True and bool(self._catalogue)
        return Readiness(ready, self.key.words, self._catalogue_words, self._models_words, self._balance_words())

    @property
    def balance(self) -> int | None:
        """Points left as far as they are known: Poe's last word, less what has been spent since."""
        return self._balance.points(self._clock())

    @property
    def grant_at(self) -> float | None:
        """When Poe gives new points, in Unix seconds; None where it does not say."""
        return self.key.grant_at

    def spent(self, points: int, at: float) -> None:
        """An answer that ended ``at`` (seconds of our clock) cost ``points``; Poe is asked for the balance soon."""
        self._balance.spend(points, at)
        self._balance_wanted.set()

    def want_balance(self) -> None:
        """Let Poe be asked for the balance soon; many wishes make one question."""
        self._balance_wanted.set()

    async def run(self, poe: PoeClient) -> None:
        """Keep everything up to date until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again_and_again(lambda: self._fetch(poe), _CATALOGUE_EVERY_S))
            group.create_task(self._watch_account(poe))
            group.create_task(
                watch_models(
                    self._settings.models_file,
                    self._listing,
                    on_change=self._take,
                    on_fault=self._refuse,
                    sleep=self._sleep,
                )
            )

    async def _again_and_again(self, work: Callable[[], Awaitable[bool]], every_s: float) -> None:
        soon_s = _SOON_S
        while True:
            if await self._done(work):
                soon_s = _SOON_S
                await self._sleep(every_s)
            else:
                await self._sleep(min(soon_s, every_s))
                soon_s = min(soon_s * 2, every_s)

    async def _done(self, work: Callable[[], Awaitable[bool]]) -> bool:
        """Whether ``work`` succeeded; a fault of ours in one chore must not end the others."""
        try:
            return await work()
        except Exception as error:
            crash(error, "upkeep")
            return False

    async def _fetch(self, poe: PoeClient) -> bool:
        """Fetch the catalogue. One that holds nothing is a fault of Poe's, not a reason to forget all models."""
        try:
            status, _, body = await poe.get("/v1/models", timeout_s=_CATALOGUE_TIMEOUT_S)
            decoded = orjson.loads(body) if status == 200 else None
        except (LinkError, orjson.JSONDecodeError) as error:
            return self._not_fetched(type(error).__name__)
        if not self._take_catalogue(decoded):
            return self._not_fetched(f"status {status}")
        self._catalogue_words = f"{len(self._catalogue)} models, fetched from Poe"
        if note := save_catalogue(self._settings.data_dir, decoded, time.time()):
            log.warning("catalogue not cached", reason=note)
        return True

    def _take_catalogue(self, body: object) -> bool:
        """Whether ``body`` is one. What has not changed is not read again: all streams would wait for that."""
        digest = hash(orjson.dumps(body))
        if digest == self._read and self._catalogue:
            return True
        cards = read_catalogue(body)
        if cards:
            self._catalogue, self._read = cards, digest
            self._rebuild()
        return bool(cards)

    def _not_fetched(self, why: str) -> bool:
        log.warning("catalogue not fetched", reason=why, using=self._catalogue_words)
        return False

    async def _watch_account(self, poe: PoeClient) -> None:
        """Key and balance: soon after costs, else from time to time; after failures at a slowing pace."""
        soon_s = _SOON_S
        while True:
            self._balance_wanted.clear()
            if await self._check(poe):
                soon_s = _SOON_S
                with suppress(TimeoutError):
                    async with asyncio.timeout(_KEY_EVERY_S):
                        await self._balance_wanted.wait()
                await self._sleep(_AFTER_COSTS_S)
            else:
                await self._sleep(soon_s)
                soon_s = min(soon_s * 2, _KEY_EVERY_S)

    async def _check(self, poe: PoeClient) -> bool:
        """Ask for the balance. A check that fails takes back neither a key that was good nor a balance."""
        self._balance.ask(self._clock())
        before, self._last_check = self._last_check, await check_key(poe)
        found = self._last_check
        if found.valid is not None or self.key.valid is not True:
            self.key = found
        if found.balance is not None:
            self._balance.take(found.balance)
        if _gist(found) != _gist(before) and not (before is UNCHECKED and _is_good(found)):
            method = log.info if _is_good(found) else log.warning
            method("key check", result=found.words, balance=self._balance_words())
        return found.valid is True

    def _balance_words(self) -> str:
        points, found = self.balance, self._last_check
        fault = "Poe did not say" if found.valid is True else found.words
        if points is None:
            return f"not known ({fault}); requests are served all the same, without POINTS_CUTOFF"
        return f"{points:,} points" + ("" if found.balance is not None else f", not confirmed since ({fault})")

    def _take(self, listing: Listing) -> None:
        self._listing = listing
        self._models_words = f"{len(listing.entries)} models listed"
        self._rebuild()
        log.info("models.yaml taken over", models=len(listing.entries))

    def _refuse(self, error: ModelsFileError) -> None:
        self._models_words = f"the changed models.yaml is refused, the old one kept: {'; '.join(error.faults)}"
        log.warning("models.yaml refused, the old one kept", faults=list(error.faults))

    def _rebuild(self) -> None:
        self.registry = Registry(self._listing, self._catalogue)


def _is_good(check: KeyCheck) -> bool:
    return check.valid is True and check.balance is not None


def _gist(check: KeyCheck) -> tuple[str, bool]:
    """What is worth a line in the log when it changes; the points themselves change all the time."""
    return check.words, _is_good(check)
