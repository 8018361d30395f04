"""JSON as Poe's many backends write it, where orjson refuses to read it or to write it. It knows no dialect."""

import json
import math
from typing import Any

import orjson


def decoded(data: bytes) -> Any:
    """The JSON of one frame. Raises ValueError.

    What orjson refuses and backends write is mended: NaN and 1e400 are null, half an emoji and invalid UTF-8 U+FFFD.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return mended(leniently(data))


def leniently(data: bytes) -> Any:
    """JSON that orjson refuses; its texts may hold halves of emojis, which no writer takes. Raises ValueError."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        return json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def mended(value: Any) -> Any:
    """``value`` as orjson can write it, two halves of an emoji joined. Raises ValueError where it is too deep."""
    return orjson.loads(_text(value))


def as_json(value: Any) -> bytes:
    """JSON, also of what orjson does not write: half an emoji, long integers, deep nesting. Raises ValueError."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return _text(value).encode()


def _text(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return text.decode("utf-16-le", "replace")


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def call_id(said: Any, answer_id: str, index: int) -> str:
    """The id of the answer's call number ``index``; some backends give none."""
    return str(said or f"call_{answer_id}_{index}")


def as_text(arguments: Any) -> str:
    """Arguments as JSON text; some backends send the object itself, or nothing."""
    if isinstance(arguments, str):
        return arguments
    if arguments is None:
        return ""
    try:
        return orjson.dumps(arguments).decode()
    except TypeError:  # nested too deep for orjson
        return _deep(arguments)


def _deep(arguments: Any) -> str:
    try:
        return json.dumps(arguments, ensure_ascii=False)
    except RecursionError:
        return ""
