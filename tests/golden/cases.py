"""The golden cases: whole journeys, one file each, from what the client asks to what it must see.

``client_request`` is what the SDK is called with, ``poe_request`` what Poe must be sent (but for the messages and the
streaming switches), ``poe_response`` what Poe answers. ``events`` is that answer in no dialect at all, and ``answer``
or ``error`` is what the client must see. Files named ``recorded-*`` have the shapes, ids and figures of real exchanges;
the others are what more of the same kind may hold.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.golden.scripted_poe import Recorded

Json = dict[str, Any]
_FOLDER = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    """One file; ``streams`` says whether the answer can be told as a stream and mean the same."""

    name: str
    says: str
    client_request: Json
    poe_response: Json
    poe_request: Json | None = None
    events: list[Json] = field(default_factory=list)
    answer: Json | None = None
    error: Json | None = None
    asked_times: int = 1
    streams: bool = True

    def __str__(self) -> str:
        return self.name

    @property
    def is_clean(self) -> bool:
        """Whether the answer ended by itself: the SDK's stream helper raises where it was cut short."""
        return self.answer is not None and self.answer["choices"][0]["finish_reason"] in ("stop", "tool_calls")

    @property
    def recorded(self) -> Recorded:
        """Poe's answer as bytes: ``body`` is JSON, ``text`` is sent as it stands."""
        said = self.poe_response
        data = said["text"].encode() if "text" in said else json.dumps(said["body"]).encode()
        return Recorded(said["status"], said["headers"], [data])


def _load(path: Path) -> Case:
    return Case(name=path.stem, **json.loads(path.read_text("utf-8")))


CASES = [_load(path) for path in sorted(_FOLDER.glob("*.json"))]
ANSWERS = [case for case in CASES if case.answer is not None]
ERRORS = [case for case in CASES if case.error is not None]
