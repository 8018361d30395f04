"""What the proxy adds, beside its peers: answers and streams a second, latency, memory, start and size.

One core for the servers, the other for the upstream and wrk. Rounds are interleaved, so that what else the machine does
hits all alike; figures are medians, and ratios are taken within a round. Servers that are not asked are idle.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks import installed, peers, tables, wrk
from benchmarks.results import Results
from benchmarks.servers import GPT, OTHER_CORE, Running, asked, serving

CLIENTS = 32
_BREATH_S = 0.5  # so that what a server still does after its load is not charged to the next


def measure(entrants: dict[str, peers.Entrant], chosen: argparse.Namespace) -> Results:
    """All figures of ``entrants``, of whom one is the proxy."""
    results = Results(installed_mb=_sizes(entrants))
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(peers.upstream("--writes", str(chosen.writes)), OTHER_CORE) as direct,
    ):
        _starts(results, entrants, direct, Path(folder), chosen.rounds)
        with ExitStack() as stack:
            made = [entrant(direct.port, Path(folder)) for entrant in entrants.values()]
            servers = [direct, *(stack.enter_context(serving(server)) for server in made)]
            _rounds(results, servers, chosen)
            (proxy,) = (server for server in servers if server.name == "proxy")
            _with_tokenizer(results, proxy, chosen.seconds)
    return results


def _sizes(entrants: dict[str, peers.Entrant]) -> dict[str, float]:
    homes = {name: home() for name, home in peers.HOMES.items() if name in entrants}
    return {"proxy": installed.of_proxy()} | {name: installed.of_environment(home) for name, home in homes.items()}


def _starts(results: Results, entrants: dict[str, peers.Entrant], direct: Running, folder: Path, rounds: int) -> None:
    """From command to first answer, while nothing else has the core."""
    for entrant in entrants.values():
        for _ in range(rounds):
            with serving(entrant(direct.port, folder)) as server:
                results.start_s[server.name].append(server.start_s)


def _rounds(results: Results, servers: list[Running], chosen: argparse.Namespace) -> None:
    modes = [mode for mode in wrk.MODES if chosen.only in mode.name]
    for mode in modes:
        for server in servers:
            wrk.check(server, mode)
    for number in range(chosen.rounds):
        print(f"round {number + 1} of {chosen.rounds} …", file=sys.stderr, flush=True)
        for mode in modes:
            _round(results, servers, mode, chosen.seconds)
        for server in servers:
            results.memory_mb[server.name].append(server.resident_mb())


def _round(results: Results, servers: list[Running], mode: wrk.Mode, seconds: float) -> None:
    for server in servers:
        results.busy(mode.name, server.name, wrk.load(server, mode, CLIENTS, seconds))
        time.sleep(_BREATH_S)
    if not mode.stream:
        for server in servers:
            results.quiet(mode.name, server.name, wrk.load(server, mode, 1, seconds))


def _with_tokenizer(results: Results, proxy: Running, seconds: float) -> None:
    """The proxy's memory once it counts tokens, which it need not do for the load so far."""
    results.tokenizer = {"loaded_by_itself": proxy.has_loaded("_tiktoken"), "before_mb": proxy.resident_mb()}
    proxy.ask("/v1/messages/count_tokens", asked(GPT))
    for mode in wrk.MODES[:2]:
        wrk.load(proxy, mode, CLIENTS, seconds)
    results.tokenizer["after_mb"] = proxy.resident_mb()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of each load")
    parser.add_argument("--peers", default="relay", help=f"with commas between, of {', '.join(peers.PEERS)}")
    parser.add_argument("--without-ledger", action="store_true", help="also the proxy without ledger and limits")
    parser.add_argument("--only", default="", help="only what is called so: chat, messages, native, answers, …")
    parser.add_argument("--writes", type=int, default=1, help="pieces in which the upstream sends a stream")
    parser.add_argument("--json", type=Path, help="a file for the figures of each round")
    chosen = parser.parse_args()
    wrk.needed()
    entrants = _entrants(chosen)
    load = f"load of the machine {os.getloadavg()[0]:.1f} before"
    results = measure(entrants, chosen)
    print(
        f"{chosen.rounds} rounds of {chosen.seconds:g} s, {CLIENTS} clients; {load}, {os.getloadavg()[0]:.1f} after\n"
    )
    print(tables.told(results, list(results.start_s)))
    if chosen.json:
        chosen.json.write_text(json.dumps(results.plain(), indent=1))


def _entrants(chosen: argparse.Namespace) -> dict[str, peers.Entrant]:
    names = [name for name in chosen.peers.split(",") if name]
    if unknown := set(names) - set(peers.PEERS):
        raise SystemExit(f"no such peers: {', '.join(sorted(unknown))}; there are {', '.join(peers.PEERS)}")
    bare: dict[str, peers.Entrant] = {"no ledger": peers.without_ledger} if chosen.without_ledger else {}
    return {"proxy": peers.proxy} | bare | {name: peers.PEERS[name] for name in names}


if __name__ == "__main__":
    main()
