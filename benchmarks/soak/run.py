"""One soak from start to end: servers, clients and weather for so long, then what is left behind."""

import asyncio
import contextlib
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson

from benchmarks.soak.books import compared, rows_of
from benchmarks.soak.clients import Client
from benchmarks.soak.outcome import Outcome, Plan, verdicts
from benchmarks.soak.watch import Sample, Watch
from benchmarks.soak.weather import Weather
from benchmarks.soak.wishes import wish
from tests.commands import PROXY, in_front_of, started
from tests.running import ROOT, eventually

_A_MINUTE = 6000
_SETTINGS = {
    "FOOTER": "never",  # a footer waits for its points, and that would be all that the clients do
    "RATE_LIMIT": f"{_A_MINUTE}/minute",
    "UPSTREAM_RPM": f"{_A_MINUTE}",
    "POINTS_CUTOFF": "0",
    "FIRST_EVENT_S": "1.5",
    "STREAM_IDLE_S": "6",
    "ANSWER_TIMEOUT_S": "20",
    "BODY_TIMEOUT_S": "10",  # not less: a busy machine may keep the clients themselves from sending
    "LOG_FORMAT": "json",
}
"""Patience so short that a soak sees it end, and limits that count and never bind.

The stand-in's limit is raised too, since the proxy heeds what Poe says is left.
"""
_LOOK_AGAIN_S = 0.25
_BANNER = 2  # lines for people before the log begins
_LOGGED = ("event", "reason", "kind")
Json = dict[str, Any]


def soak(plan: Plan, folder: Path) -> Outcome:
    """Do what ``plan`` says; ``folder`` keeps the proxy's log and its ledger."""
    models_file, place = folder / "models.yaml", folder / "proxy"
    shutil.copy(ROOT / "models.yaml", models_file)
    place.mkdir()
    with _stand_in(folder / "poe") as poe:
        settings = in_front_of(poe, **_SETTINGS, RETRY_BUDGET_S=plan.budget_s, MODELS_FILE=models_file)
        with started([*PROXY, "--port", "0"], place, settings) as proxy:
            url = proxy.wait_for_words(r"(?:client at|running on) (http://[^ /\"]+)")
            weather = Weather(random.Random(f"{plan.seed} weather"), poe, url, place / "data", models_file)
            outcome = asyncio.run(_Soak(plan, poe, url, Watch(proxy.pid, url, poe), weather).run())
            proxy.send(signal.SIGTERM)
            ended = proxy.end()
    outcome.exit_code = ended.code
    _read_log(outcome, ended.said)
    return outcome


@contextlib.contextmanager
def _stand_in(place: Path) -> Iterator[str]:
    place.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with started((sys.executable, "-m", "poe_sim", "--port", str(port)), place, {"PYTHONPATH": str(ROOT)}):
        eventually(lambda: _listens(port), 20)
        yield f"http://127.0.0.1:{port}"


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


class _Soak:
    """The load, and the wait for quiet."""

    def __init__(self, plan: Plan, poe: str, proxy: str, watch: Watch, weather: Weather) -> None:
        self._plan = plan
        self._poe = poe
        self._proxy = proxy
        self._watch = watch
        self._weather = weather
        self._outcome = Outcome(plan)

    async def run(self) -> Outcome:
        """Everything that happens while the proxy runs."""
        outcome = self._outcome
        async with httpx.AsyncClient(base_url=self._poe, timeout=60, trust_env=False) as self._poes_books:
            more = {"settle_scale": self._plan.settle_scale, "requests_per_minute": _A_MINUTE}
            await self._poes_books.post("/_sim/settings", json=more)
            await self._client("warm", self._plan.warm_s)
            outcome.before = await self._watch.look()
            await self._load()
            outcome.after = await self._quiet()
            charges = (await self._poes_books.get("/_sim/charges")).json()["charges"]
        self._weather.database.with_name("charges.json").write_bytes(orjson.dumps(charges))
        rows = rows_of(self._weather.database)
        outcome.books, outcome.samples = compared(rows, charges), self._watch.samples
        outcome.without_row = sorted(outcome.answered - {row["request_id"] for row in rows})
        outcome.weather = self._weather.seen
        outcome.unexpected += self._weather.unexpected
        return outcome

    async def _load(self) -> None:
        async with asyncio.TaskGroup() as group:
            around = [
                group.create_task(self._weather.run(self._plan.weather_s)),
                group.create_task(self._watch.run(self._plan.sample_s)),
            ]
            clients = (self._client(f"{number}", self._plan.seconds) for number in range(self._plan.clients))
            await asyncio.gather(*clients)
            for one in around:
                one.cancel()

    async def _client(self, name: str, seconds: float) -> None:
        """One client: a request after the other, the same ones for the same seed, until the time is over."""
        chance, until, number = random.Random(f"{self._plan.seed} {name}"), time.monotonic() + seconds, 0
        async with contextlib.aclosing(Client(self._proxy)) as client:
            while time.monotonic() < until:
                asked = wish(chance, f"soak-{name}-{number}", hurried=self._plan.hurried)
                self._outcome.note(asked, await client.ask(asked))
                self._watch.done += 1
                number += 1
                await asyncio.sleep(chance.uniform(0, self._plan.pause_s))

    async def _quiet(self) -> Sample:
        """The proxy once nothing is left to be seen of the load, or when patience is over."""
        began = time.monotonic()
        while True:
            self._outcome.after = await self._watch.look()
            self._outcome.in_flight = (await self._poes_books.get("/_sim/state")).json()["in_flight"]
            waited = time.monotonic() - began
            is_settled = waited > self._plan.settling_s or self._all_is_settled()
            if (self._all_is_back() and is_settled) or waited > self._plan.patience_s:
                return self._outcome.after
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _all_is_back(self) -> bool:
        self._outcome.samples = self._watch.samples
        return all(verdict.holds for verdict in verdicts(self._outcome) if verdict.name in _LEFT_BEHIND)

    def _all_is_settled(self) -> bool:
        return all(row["source"] for row in rows_of(self._weather.database))


_LEFT_BEHIND = frozenset({"clients", "calls", "poe", "half", "tasks"})


def _read_log(outcome: Outcome, said: str) -> None:
    """Count the warnings; whatever is no line of the log, or says that something crashed, is a crash."""
    lines = said.splitlines()
    for line in lines[_BANNER:]:
        event = _event(line)
        if event is None or event.get("level") in ("error", "critical"):
            outcome.crashes.append(line[:500])
        elif event.get("level") == "warning" and event["event"] != "request":
            outcome.log[": ".join(str(event[name]) for name in _LOGGED if name in event)[:100]] += 1


def _event(line: str) -> Json | None:
    try:
        event = orjson.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
