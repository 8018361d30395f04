"""A proxy in a process of its own in front of a stand-in Poe, and what Poe took for it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

import poe_sim
from tests import serving as processes
from tests.commands import PROXY, in_front_of
from tests.serving import Serving
from tests.talk import Json


@contextmanager
def serving(
    poe: poe_sim.SimServer, folder: Path, *more: str, words: Sequence[str] = PROXY, **settings: object
) -> Iterator[Serving]:
    """``words`` in front of ``poe``, on a free port."""
    with processes.serving([*words, *more], folder, **in_front_of(poe.base_url, **settings)) as proxy:
        yield proxy


def charges(poe: poe_sim.SimServer) -> list[Json]:
    """What Poe charged, in order."""
    said: list[Json] = httpx.get(f"{poe.base_url}/_sim/charges", trust_env=False).json()["charges"]
    return said
