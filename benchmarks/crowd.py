"""A thousand streams at once, paced as a model is: how late words come, what a stream takes, and what is left behind.

The upstream sends each stream a word each period, by its own clock. The clients see the same through the relay and
through the proxy, one after the other, and once without either: what comes later than that, the server has added.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.servers import OTHER_CORE, Running, connections_to, python, serving

Json = dict[str, Any]
_WARM_UP = 20
_LOOK_EACH_S = 0.5
_PATIENCE_S = 20


def clients(port: int, chosen: argparse.Namespace, *, streams: int, hang_up_after: float = 0) -> tuple[str, ...]:
    """The command of the crowd."""
    options = {
        "port": port,
        "ask": chosen.ask,
        "streams": streams,
        "words": _words(chosen),
        "rate": chosen.rate,
        "ramp": chosen.ramp,
        "hang-up-after": hang_up_after,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", f"{value}")]
    return ("taskset", "-c", OTHER_CORE, *python("crowd_client", *words))


def _words(chosen: argparse.Namespace) -> int:
    rate, seconds = float(chosen.rate), float(chosen.seconds)
    return max(1, round(rate * seconds))


def seen(command: tuple[str, ...], server: Running) -> tuple[Json, float]:
    """What the crowd saw, and the most memory in MB that the server held meanwhile."""
    most = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE) as crowd:
        while crowd.poll() is None:
            most = max(most, server.resident_mb())
            time.sleep(_LOOK_EACH_S)
        assert crowd.stdout is not None
        found: Json = json.loads(crowd.stdout.read())
    return found, most


def measured(server: Running, direct: Running, chosen: argparse.Namespace) -> Json:
    """One server: streams to their end, then streams whose clients all hang up in the middle."""
    seen(clients(server.port, chosen, streams=_WARM_UP, hang_up_after=1), server)
    files, _ = _settled(server, direct, server.open_files())  # by now the ledger's are among them
    before = server.resident_mb()
    found, most = seen(clients(server.port, chosen, streams=chosen.streams), server)
    found |= {"kb_per_stream": (most - before) * 1024 / chosen.streams, "before_mb": before, "most_mb": most}
    found["files"] = [files, *_settled(server, direct, files)]
    middle = chosen.ramp + chosen.seconds / 4
    left, _ = seen(clients(server.port, chosen, streams=chosen.streams, hang_up_after=middle), server)
    found["left"] = {"errors": left["errors"], "files": _settled(server, direct, files), "running": _running(server)}
    return found | {"after_mb": server.resident_mb()}


def _settled(server: Running, direct: Running, wanted: int) -> tuple[int, int]:
    """Open files as soon as they are no more than ``wanted``, and beside them the idle connections to the upstream.

    Those are kept for the next request, and the proxy's looks at the history keep them from growing old.
    """
    deadline = time.monotonic() + _PATIENCE_S
    last, found = None, _files(server, direct)
    while (found != last or found[0] > wanted) and time.monotonic() < deadline:
        time.sleep(_LOOK_EACH_S)
        last, found = found, _files(server, direct)  # twice the same, as the two counts are not of one moment
    return found


def _files(server: Running, direct: Running) -> tuple[int, int]:
    kept = connections_to(direct.port)
    return server.open_files() - kept, kept


def _running(server: Running) -> float | None:
    """Requests that the server believes to be answering, but for this look; None where it does not tell."""
    status, body = server.ask("/metrics")
    lines = [line for line in body.decode().splitlines() if line.startswith("poe_proxy_requests_running ")]
    return float(lines[0].split()[1]) - 1 if status == 200 and lines else None


def told(name: str, found: Json, direct: Json) -> str:
    """A server's figures in words."""
    late, first = found["late_ms"], found["first_ms"]
    added = {place: late[place] - direct["late_ms"][place] for place in late}
    lines = [
        f"{name}: {found['errors']} errors, {found['words']:,} words  {'; '.join(found['examples'])}",
        f"  gap between words beyond the schedule  p99 {late['p99']:.1f} ms, worst {late['worst']:.1f} ms",
        f"  of that added by the server            p99 {added['p99']:.1f} ms, worst {added['worst']:.1f} ms",
        f"  from request to first word             p50 {first['p50']:.1f} ms, p99 {first['p99']:.1f} ms",
    ]
    return "\n".join(lines + (_left(found) if "files" in found else []))


def _left(found: Json) -> list[str]:
    (before, after, kept), left = found["files"], found["left"]
    running = "" if left["running"] is None else f"; {left['running']:.0f} requests still running"
    return [
        f"  memory per stream                      {found['kb_per_stream']:.1f} KB of the process "
        f"({found['before_mb']:.0f} -> {found['most_mb']:.0f} MB; {found['after_mb']:.0f} MB in the end)",
        f"  open files before and after            {before} -> {after}, and {kept} idle connections to the upstream",
        f"  after all hung up in the middle        {left['files'][0]}, and {left['files'][1]} idle connections "
        f"({left['errors']} errors{running})",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=20, help="words of a stream a second")
    parser.add_argument("--seconds", type=float, default=60, help="that a stream takes")
    parser.add_argument("--ramp", type=float, default=2, help="seconds within which all streams are begun")
    parser.add_argument("--ask", choices=("chat", "native", "translated"), default="chat")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    chosen = parser.parse_args()
    print(f"{chosen.streams} streams of {chosen.rate:g} words a second for {chosen.seconds:g} s, {chosen.ask}")
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}\n", flush=True)
    found: Json = {}
    upstream = peers.upstream("--rate", str(chosen.rate), "--tokens", str(_words(chosen)))
    with tempfile.TemporaryDirectory() as folder, serving(upstream, OTHER_CORE) as direct:
        found["direct"], _ = seen(clients(direct.port, chosen, streams=chosen.streams), direct)
        print(told("direct", found["direct"], found["direct"]), flush=True)
        for entrant in (peers.relay, peers.proxy):
            with serving(entrant(direct.port, Path(folder))) as server:
                found[server.name] = measured(server, direct, chosen)
                print(told(server.name, found[server.name], found["direct"]), flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
