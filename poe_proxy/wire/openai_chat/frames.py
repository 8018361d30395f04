"""The shape of a chunk of a stream: what is said once per chunk, around what its one choice says."""

import json
from typing import Any

import orjson

from poe_proxy.canonical.json import Json

_NOT_AROUND = frozenset({"usage", "error"})  # an error that is null is still one to clients that ask for the key
_MILLISECONDS_FROM = 100_000_000_000  # as seconds this is the year 5138


def decoded(data: bytes) -> Any:
    """The JSON of one frame. Raises ValueError.

    What orjson refuses and Python backends write is mended: NaN is null, half an emoji (cut between two chunks) U+FFFD.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        lenient = json.loads(data, parse_constant=lambda _: None)
        text = json.dumps(lenient, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
        return orjson.loads(text.decode("utf-16-le", "replace"))


def framed(around: Json, delta: Json, choice: Json | None = None, finish: str | None = None) -> Json:
    """A chunk of its own with ``delta``, beside what else ``around`` and ``choice`` (a chunk's or a body's) hold."""
    made = {key: value for key, value in around.items() if key not in _NOT_AROUND}
    kept = {key: value for key, value in (choice or {}).items() if key not in ("delta", "message")}
    made["choices"] = [{**kept, "index": 0, "delta": delta, "finish_reason": finish}]
    return made


def seconds(created: Any) -> int:
    """``created`` as whole Unix seconds: some backends send fractions or milliseconds, and nonsense counts as 0."""
    if isinstance(created, bool) or not isinstance(created, int | float) or not 0 < created < 1e18:
        return 0
    return int(created / 1000 if created >= _MILLISECONDS_FROM else created)
