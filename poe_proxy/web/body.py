"""Reading a request's body: no longer and no slower than the settings allow."""

import asyncio
from collections.abc import Mapping

from poe_proxy.canonical.errors import BodyTooLarge, BodyTooSlow, UnsupportedEncoding
from poe_proxy.web.lifeline import Receive

_LINGER_S = 5.0


class ClientLeftError(Exception):
    """The client closed the connection before its request was whole: there is nobody to answer."""


async def read_body(receive: Receive, headers: Mapping[str, str], *, max_bytes: int, timeout_s: float) -> bytes:
    """The whole body, ``timeout_s`` seconds in all.

    Raises BodyTooLarge, BodyTooSlow, UnsupportedEncoding and ClientLeftError.
    """
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedEncoding("The request body is compressed; send it as it is (no Content-Encoding).")
    try:
        async with asyncio.timeout(timeout_s):
            data, more = (None, True) if _declared(headers) > max_bytes else await _read(receive, max_bytes)
    except TimeoutError:
        raise BodyTooSlow(f"The request body did not arrive within {timeout_s:g} s (BODY_TIMEOUT_S).") from None
    if data is None:
        await _linger(receive, more=more)
        raise BodyTooLarge(
            f"The request body is larger than {max_bytes / 2**20:g} MB. Send less, or raise MAX_BODY_MB."
        )
    return data


async def _read(receive: Receive, max_bytes: int) -> tuple[bytes | None, bool]:
    """The body, None where it is too large; and whether more of it is to come."""
    pieces: list[bytes] = []
    size, more = 0, True
    while more and size <= max_bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        more = message.get("more_body", False)
    if size > max_bytes:
        return None, more
    return pieces[0] if len(pieces) == 1 else b"".join(pieces), more


async def _linger(receive: Receive, *, more: bool) -> None:
    """Read on for a while without keeping anything: a client that is still sending would not see our answer."""
    try:
        async with asyncio.timeout(_LINGER_S):
            while more:
                message = await receive()
                more = message["type"] == "http.request" and message.get("more_body", False)
    except TimeoutError:
        pass


def _declared(headers: Mapping[str, str]) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0
