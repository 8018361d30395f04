"""One running proxy: what the routes share, made when the event loop is there and closed when it ends."""

import asyncio
import contextlib
import gc
import random
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request as WebRequest

from poe_proxy.call import Patience
from poe_proxy.canonical.report import Report
from poe_proxy.clipper import Clipper
from poe_proxy.exchange import Exchange
from poe_proxy.ledger.ledger import Ledger
from poe_proxy.limits.limits import Limits
from poe_proxy.observe import log
from poe_proxy.observe.metrics import Metrics
from poe_proxy.poe.client import PoeClient
from poe_proxy.poe.transport import SharedTransport, proxy_from_environment
from poe_proxy.policy import ways
from poe_proxy.policy.attempts import Means
from poe_proxy.policy.factors import Factors
from poe_proxy.policy.refusals import Memory
from poe_proxy.settings import Settings
from poe_proxy.token_count import Lessons
from poe_proxy.tokens import Tokens
from poe_proxy.upkeep import Upkeep
from poe_proxy.web.costs import Costs
from poe_proxy.web.lifeline import Closing

_COLLECT_AFTER = (10_000, 5, 200)  # new objects, and rounds of the younger generations; Python's own are 700, 10, 10


@dataclass(slots=True)
class House:
    """``exchange`` is there from the start of the event loop to its end."""

    settings: Settings
    upkeep: Upkeep
    closing: Closing
    metrics: Metrics
    limits: Limits
    ledger: Ledger
    exchange: Exchange
    costs: Costs
    lessons: Lessons

    @staticmethod
    def of(request: WebRequest) -> "House":
        """The house that serves ``request``."""
        house = request.app.state.house
        assert isinstance(house, House)
        return house


def way_to(settings: Settings) -> str | None:
    """The HTTP proxy on the way to Poe, if the environment names one; never for a stand-in on this machine."""
    return None if settings.poe_is_local else proxy_from_environment(settings.poe_base_url)


def report_of(request: WebRequest) -> Report:
    """The Report that the gate opened for ``request``."""
    report = request.scope["state"]["report"]
    assert isinstance(report, Report)
    return report


@contextlib.asynccontextmanager
async def opened(
    settings: Settings, upkeep: Upkeep, closing: Closing, metrics: Metrics, limits: Limits, ledger: Ledger
) -> AsyncIterator[House]:
    """The house, with its pool of connections, its upkeep and its ledger running."""
    transport = SharedTransport(settings.poe_connections, proxy=way_to(settings))
    poe = PoeClient(settings.poe_base_url, settings.poe_api_key, transport)
    means = Means(time.monotonic, random.random, settings.retry_budget_s, Memory(time.monotonic))
    patience = Patience(settings.stream_idle_s, settings.answer_timeout_s)
    costs = Costs(upkeep, ledger, settings.footer_wait_s, settings.points_per_message_warn, time.monotonic)
    clipper = Clipper(Tokens(on_fault=_estimating), Factors(), on=settings.clip == "auto")
    lessons = Lessons(clipper, time.monotonic)
    closing.listen()
    chores = [
        asyncio.create_task(upkeep.run(poe), name="upkeep"),
        asyncio.create_task(ledger.run(poe), name="ledger"),
    ]
    for chore in chores:
        chore.add_done_callback(_told)
    try:
        await ledger.begun()
        _spare_the_collector()
        async with limits.opened():
            exchange = Exchange(
                poe,
                means,
                patience,
                clipper,
                asyncio.sleep,
                limits.turns,
                ways.Memory(time.monotonic),
                caches=settings.cache == "auto",
            )
            yield House(settings, upkeep, closing, metrics, limits, ledger, exchange, costs, lessons)
    finally:
        for chore in chores:
            chore.cancel()
        await asyncio.wait(chores)
        await lessons.stop()
        clipper.tokens.close()
        await ledger.close()
        await transport.aclose()


def _spare_the_collector() -> None:
    """What is there at the start stays to the end: that the garbage collector walks through it again and again took a
    quarter of all time under load. Only where the process is ours alone.
    """
    if threading.current_thread() is threading.main_thread():
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECT_AFTER)


def _estimating(why: str) -> None:
    log.log.warning("tokens are estimated", reason=why)


def _told(chore: asyncio.Task[None]) -> None:
    """These run until they are cancelled; were one to fail, models would grow old, or points be lost, in silence."""
    if not chore.cancelled() and (error := chore.exception()) is not None:
        log.crash(error, chore.get_name())
