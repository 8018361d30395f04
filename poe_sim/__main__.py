"""`python -m poe_sim --port 9999`: the stand-in Poe on this machine."""

from __future__ import annotations

import argparse
import sys

from poe_sim.server import serve
from poe_sim.settings import KEYS, Settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="poe_sim", description="A stand-in for Poe's developer API.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9999, help="port to listen on (default: %(default)s)")
    parser.add_argument("--fast", action="store_true", help="benchmarks: prebuilt chat completions, no books")
    chosen = parser.parse_args()
    sys.stderr.write(f"Stand-in Poe at http://{chosen.host}:{chosen.port}, key {KEYS[0]} (to {KEYS[-1]})\n")
    serve(chosen.host, chosen.port, Settings(fast=chosen.fast))


if __name__ == "__main__":
    main()
