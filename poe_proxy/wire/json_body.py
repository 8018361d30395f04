"""A JSON body from bytes and back, refused where it cannot be read or passed on. It knows no dialect."""

from typing import Any

import orjson

from poe_proxy.canonical.errors import BadRequest
from poe_proxy.canonical.json import Json

_MAX_DEPTH = 200
_MAX_FIELDS = 1000


def loads(data: bytes) -> Any:
    """The client's JSON. Raises BadRequest."""
    if not data.strip():
        raise BadRequest("The request body is empty: send a JSON object with `model` and `messages`.")
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The request body is not valid JSON: {error}.", code="invalid_json") from error
    if data.count(b"{") + data.count(b"[") > _MAX_DEPTH:
        dumps(body)  # reading goes deeper than writing: better refused here than in the middle of things
    if isinstance(body, dict) and len(body) > _MAX_FIELDS:  # each is looked at, and all others wait meanwhile
        raise BadRequest(f"The request body has {len(body):,} fields; no request has more than {_MAX_FIELDS:,}.")
    return body


def dumps(body: Json) -> bytes:
    """The body's bytes. Raises BadRequest where it is nested deeper than JSON writers go (orjson: 254 levels)."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:
        raise BadRequest(f"The request body cannot be passed on: {error}.") from error
