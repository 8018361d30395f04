"""Errors in OpenAI's shape: Poe's are read as in every dialect, ours are written as OpenAI's SDKs expect them."""

from poe_proxy.canonical.errors import ProxyError
from poe_proxy.canonical.json import Json
from poe_proxy.wire.poe_errors import read, read_in_stream

__all__ = ["read", "read_in_stream", "write"]


def write(error: ProxyError) -> Json:
    """The body that OpenAI's SDKs expect: always these four keys."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}
