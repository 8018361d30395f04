"""What a running proxy holds, from /proc and its own metrics: memory, sockets by where they lead, threads, tasks."""

import asyncio
import re
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

_TASKS = re.compile(r"^poe_proxy_tasks(?:{[^}]*})? ([\d.e+]+)$", re.MULTILINE)
_LISTENS, _HALF_CLOSED = "0A", "08"  # states of /proc/net/tcp: LISTEN, CLOSE_WAIT
_PAGE_MB = 4096 / 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the proxy; ``at`` is seconds since the watch began, ``done`` the requests answered by then."""

    at: float
    done: int
    memory_mb: float
    files: int
    to_poe: int
    to_clients: int
    half_closed: int
    threads: int
    tasks: int


class Watch:
    """Samples of one proxy."""

    def __init__(self, pid: int, proxy: str, poe: str) -> None:
        self.samples: list[Sample] = []
        self.done = 0
        self._process = Path(f"/proc/{pid}")
        self._proxy, self._ports = proxy, (_port(proxy), _port(poe))
        self._began = time.monotonic()

    async def look(self) -> Sample:
        """One sample. Our own connection is closed before the sockets are counted."""
        tasks = await self._tasks()
        files = self._files()
        to_clients, to_poe, half_closed = self._connections(files)
        sample = Sample(
            at=time.monotonic() - self._began,
            done=self.done,
            memory_mb=int((self._process / "statm").read_text().split()[1]) * _PAGE_MB,
            files=len(files),
            to_poe=to_poe,
            to_clients=to_clients,
            half_closed=half_closed,
            threads=int(re.findall(r"Threads:\s+(\d+)", (self._process / "status").read_text())[0]),
            tasks=tasks,
        )
        self.samples.append(sample)
        return sample

    async def run(self, every_s: float) -> None:
        """Look again and again until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(every_s)

    async def _tasks(self) -> int:
        async with httpx.AsyncClient(
            timeout=30, trust_env=False, verify=False, headers={"connection": "close"}
        ) as client:
            page = (await client.get(f"{self._proxy}/metrics")).raise_for_status().text
        return int(float(_TASKS.findall(page)[0]))

    def _files(self) -> list[str]:
        found = []
        for file in (self._process / "fd").iterdir():
            try:
                found.append(str(file.readlink()))
            except OSError:  # closed in between
                continue
        return found

    def _connections(self, files: list[str]) -> tuple[int, int, int]:
        """How many lead to clients, how many to Poe, and how many of both wait only for us to close them."""
        open_inodes = {found[1] for file in files if (found := re.fullmatch(r"socket:\[(\d+)\]", file))}
        ours, poes = self._ports
        to_clients = to_poe = half_closed = 0
        for local, remote, state, inode in self._tcp():
            if inode in open_inodes and state != _LISTENS:
                to_clients += local == ours
                to_poe += remote == poes
                half_closed += state == _HALF_CLOSED
        return to_clients, to_poe, half_closed

    def _tcp(self) -> list[tuple[int, int, str, str]]:
        lines = (self._process / "net" / "tcp").read_text().splitlines()[1:]
        fields = (line.split() for line in lines)
        return [(_hex_port(each[1]), _hex_port(each[2]), each[3], each[9]) for each in fields]


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def _hex_port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def slope(points: list[tuple[float, float]]) -> float:
    """The rise of y per x of the straight line that fits best; 0 where nothing can be said."""
    if len(points) < 2:
        return 0.0
    middle_x, middle_y = (sum(each) / len(points) for each in zip(*points, strict=True))
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0
