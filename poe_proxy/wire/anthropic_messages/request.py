"""A messages request: from the client's bytes, and to the body that Poe's own Messages is sent. (Provisional.)"""

from collections.abc import Mapping

import orjson

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.errors import BadRequest
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.request import Request
from poe_proxy.wire.anthropic_messages import DIALECT


def parse(data: bytes) -> Request:
    body = orjson.loads(data)
    if "thread" in body:
        raise BadRequest("threads", details={"error_code": "thread_unsupported_request", "unsupported": ["thread"]})
    return Request(dialect=DIALECT, model=body["model"], body=body, stream=body.get("stream"))


def parse_count(data: bytes) -> Request:
    return parse(data)


def native(request: Request, card: ModelCard) -> Json:
    return {**request.body, "model": card.poe_name}


def encode(body: Json, version: str) -> tuple[bytes, Mapping[str, str]]:
    betas = body.get("betas") or []
    headers = {"anthropic-version": version, **({"anthropic-beta": ",".join(betas)} if betas else {})}
    return orjson.dumps({name: value for name, value in body.items() if name != "betas"}), headers
