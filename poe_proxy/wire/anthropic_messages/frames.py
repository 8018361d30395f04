"""Anthropic's events as bytes: named frames, and the parts that our own are made of."""

from poe_proxy import sse
from poe_proxy.canonical.json import Json
from poe_proxy.wire.lenient import as_json

PING = sse.encode(b'{"type":"ping"}', b"ping")
MESSAGE_STOP: Json = {"type": "message_stop"}


def encoded(event: Json) -> bytes:
    """``event`` as a frame of its name, without which Claude Code sees nothing; none of what cannot be written."""
    try:
        return sse.encode(as_json(event), str(event["type"]).encode())
    except ValueError:
        return b""


def block_start(index: int, block: Json) -> bytes:
    """The beginning of a content block."""
    return encoded({"type": "content_block_start", "index": index, "content_block": block})


def block_stop(index: int) -> bytes:
    """The end of a content block."""
    return b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % index


def delta_before(index: int, kind: str, field: str) -> bytes:
    """A delta up to its one text, which with ``DELTA_AFTER`` is all that changes from one to the next."""
    named = b'"delta":{"type":"%s","%s":' % (kind.encode(), field.encode())
    return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,%s' % (index, named)


DELTA_AFTER = b"}}\n\n"
