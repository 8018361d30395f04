"""Several workers: all of them serve, limits are divided or shared, and the metrics are those of all together."""

import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from poe_sim import SimServer
from tests.commands import PROXY, Command, in_front_of, started
from tests.running import eventually
from tests.services import RedisServer
from tests.talk import arrived, chat

TWO = ("--workers", "2", "--port", "0")


@dataclass(frozen=True, slots=True)
class Workers:
    """Two workers behind one address."""

    command: Command
    url: str

    def ask(self, _: int = 0) -> httpx.Response:
        """A connection of its own for each, so that any worker may take it."""
        return httpx.post(f"{self.url}/v1/chat/completions", json=chat("hi"), trust_env=False, timeout=30)

    def ask_often(self, times: int) -> list[httpx.Response]:
        with ThreadPoolExecutor(8) as others:
            return list(others.map(self.ask, range(times)))

    def granted_until_nobody_grants_more(self, wanted: int) -> int:
        """How many requests all workers grant; ``wanted`` or more ends the asking."""
        granted = 0

        def enough() -> bool:
            nonlocal granted
            granted += sum(answer.status_code == 200 for answer in self.ask_often(16))
            return granted >= wanted

        eventually(enough, 20)
        return granted + sum(answer.status_code == 200 for answer in self.ask_often(16))

    def metric(self, name: str) -> float:
        page = httpx.get(f"{self.url}/metrics", trust_env=False, timeout=30).text
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*?}})? (\S+)$", page, re.MULTILINE))

    def answered(self) -> float:
        return self.metric(r'poe_proxy_requests_total{.*?chat/completions.*?status="200"}')

    def pids(self) -> list[int]:
        """The workers' process ids, without the helper that multiprocessing starts beside them."""
        children = Path(f"/proc/{self.command.pid}/task/{self.command.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"spawn_main" in _command_line(pid)]


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return b""


@contextmanager
def two_workers(poe: SimServer, folder: Path, **settings: object) -> Iterator[Workers]:
    with started([*PROXY, *TWO], folder, in_front_of(poe.base_url, **settings)) as command:
        yield Workers(command, command.wait_for_words(r"client at (http://[^ /]+)"))


def test_each_worker_grants_half_and_the_metrics_are_those_of_both(own_poe: SimServer, tmp_path: Path) -> None:
    with two_workers(own_poe, tmp_path, RATE_LIMIT="10/hour") as workers:
        assert workers.ask().headers["x-ratelimit-limit-requests"] == "5"
        assert workers.granted_until_nobody_grants_more(9) == 9  # so both have served: one of them grants five
        eventually(lambda: workers.answered() == 10)  # a request is counted when its answer is on its way
        assert {workers.answered() for _ in range(10)} == {10}  # whoever is asked
        assert "a part for each of 2" in httpx.get(f"{workers.url}/ready", trust_env=False).json()["limits"]


def test_each_worker_calls_poe_half_as_often(own_poe: SimServer, tmp_path: Path) -> None:
    with two_workers(own_poe, tmp_path, UPSTREAM_RPM=6, RATE_LIMIT=0) as workers:
        assert workers.granted_until_nobody_grants_more(6) == 6
        assert len(arrived(own_poe)) == 6


def test_through_redis_the_limit_is_one_for_all(own_poe: SimServer, redis: RedisServer, tmp_path: Path) -> None:
    with two_workers(own_poe, tmp_path, RATE_LIMIT="7/hour", REDIS_URL=redis.url) as workers:
        answers = [*(workers.ask() for _ in range(6)), *workers.ask_often(32)]  # the last one is fought for
        assert sum(answer.status_code == 200 for answer in answers) == 7
        assert workers.ask().headers["x-ratelimit-limit-requests"] == "7"


def test_a_worker_that_dies_is_replaced_and_what_it_has_counted_stays(own_poe: SimServer, tmp_path: Path) -> None:
    with two_workers(own_poe, tmp_path) as workers:
        assert {answer.status_code for answer in workers.ask_often(16)} == {200}
        eventually(lambda: workers.answered() == 16)
        first = workers.pids()
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: len(set(workers.pids()) - set(first)) == 2, 20)
        assert workers.ask().status_code == 200
        eventually(lambda: workers.answered() == 17)  # a request is counted when its answer is on its way
        eventually(lambda: workers.metric("poe_proxy_requests_running") == 1)  # the one for the page itself


def test_nothing_is_left_behind_when_it_ends(own_poe: SimServer, tmp_path: Path) -> None:
    with two_workers(own_poe, tmp_path, TMPDIR=tmp_path) as workers:
        assert workers.ask().status_code == 200
        assert list(tmp_path.glob("poe-proxy-metrics-*"))
        workers.command.send(signal.SIGTERM)
        assert workers.command.end().code == 0
    assert not list(tmp_path.glob("poe-proxy-metrics-*"))
