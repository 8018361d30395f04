"""Reading a request's body: no longer and no slower than the settings allow, and no more of all at once."""

import asyncio
from collections.abc import Callable, Mapping

from poe_proxy.canonical.errors import BodyTooLarge, BodyTooSlow, TooMuchAtOnce, UnsupportedEncoding
from poe_proxy.web.lifeline import Receive

_LINGER_S = 5.0


class ClientLeftError(Exception):
    """The client closed the connection before its request was whole: there is nobody to answer."""


async def read_body(
    receive: Receive, headers: Mapping[str, str], hold: Callable[[int], None], *, max_bytes: int, timeout_s: float
) -> bytes:
    """The whole body, ``timeout_s`` seconds in all. ``hold`` is told the size of each piece, and may object.

    Raises BodyTooLarge, BodyTooSlow, TooMuchAtOnce, UnsupportedEncoding and ClientLeftError.
    """
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedEncoding("The request body is compressed; send it as it is (no Content-Encoding).")
    body = _Body(receive, hold, max_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            return await body.read(_declared(headers))
    except TimeoutError:
        raise BodyTooSlow(f"The request body did not arrive within {timeout_s:g} s (BODY_TIMEOUT_S).") from None
    except (BodyTooLarge, TooMuchAtOnce):
        await body.linger()
        raise


class _Body:
    """A body on its way, and whether more of it is to come."""

    __slots__ = ("_hold", "_max_bytes", "_more", "_pieces", "_receive")

    def __init__(self, receive: Receive, hold: Callable[[int], None], max_bytes: int) -> None:
        self._receive = receive
        self._hold = hold
        self._max_bytes = max_bytes
        self._more = True
        self._pieces: list[bytes] = []

    async def read(self, declared: int) -> bytes:
        """All of it, unless what is ``declared`` is too much already."""
        self._weigh(declared)
        pieces, size = self._pieces, 0
        while self._more:
            pieces.append(await self._piece())
            size += len(pieces[-1])
            self._weigh(size)
            self._hold(len(pieces[-1]))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def linger(self) -> None:
        """Read on for a while without keeping anything: a client that is still sending would not see our answer."""
        self._pieces.clear()
        try:
            async with asyncio.timeout(_LINGER_S):
                while self._more:
                    await self._piece()
        except (TimeoutError, ClientLeftError):
            pass

    async def _piece(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        self._more = message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    def _weigh(self, size: int) -> None:
        if size > self._max_bytes:
            raise BodyTooLarge(
                f"The request body is larger than {self._max_bytes / 2**20:g} MB. Send less, or raise MAX_BODY_MB."
            )


def _declared(headers: Mapping[str, str]) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0
