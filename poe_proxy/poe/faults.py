"""The table from what goes wrong on the way to Poe to our errors.

aiohttp tells what happened. httpx's own kinds below it are for other transports, as in tests.
"""

import asyncio
import ssl
from collections.abc import Callable

import aiohttp
import httpx

from poe_proxy.canonical.errors import Garbled, LinkError, NotReached, StreamBroken, TimedOut, Unanswered

_NO_WAY = "Poe cannot be reached ({}). Check the network and POE_BASE_URL; nothing was sent, so nothing was charged."
_FULL = (
    "As many connections to Poe as POE_CONNECTIONS allows are in use, and none became free in time. Try again, or "
    "raise it; nothing was sent, so nothing was charged."
)
_FOREIGN = (
    "its certificate is not trusted here; where a company's gateway reads along, let SSL_CERT_FILE name its authority"
)
_SILENT = "Poe closed the connection without an answer. The request may have been charged."
_SLOW = "Poe did not answer in time. The request may have been charged; try again, or raise the timeout."
_CUT = "Poe cut the connection in the middle of the answer."
_NOT_HTTP = "What came back from Poe is not HTTP. Check POE_BASE_URL and any proxy in between."


def _not_reached(error: BaseException) -> LinkError:
    return NotReached(_NO_WAY.format(_cause(error)))


def _full(_: BaseException) -> LinkError:
    return NotReached(_FULL)


def _unanswered(_: BaseException) -> LinkError:
    return Unanswered(_SILENT)


def _timed_out(_: BaseException) -> LinkError:
    return TimedOut(_SLOW)


def _cut(_: BaseException) -> LinkError:
    return StreamBroken(_CUT)


def _garbled(_: BaseException) -> LinkError:
    return Garbled(_NOT_HTTP)


TABLE: tuple[tuple[type[BaseException], Callable[[BaseException], LinkError]], ...] = (
    # aiohttp, the most particular first
    (aiohttp.ClientConnectorError, _not_reached),  # refused, look-up failed, TLS: before anything was sent
    (aiohttp.ClientHttpProxyError, _not_reached),
    (aiohttp.ConnectionTimeoutError, _not_reached),
    (aiohttp.SocketTimeoutError, _timed_out),
    (aiohttp.ServerTimeoutError, _timed_out),
    (aiohttp.ServerDisconnectedError, _unanswered),
    (aiohttp.ClientPayloadError, _cut),
    (aiohttp.ClientOSError, _unanswered),  # reset: how much had been sent cannot be known
    (aiohttp.ClientConnectionError, _unanswered),
    (aiohttp.ClientResponseError, _garbled),
    (aiohttp.InvalidURL, _not_reached),
    (aiohttp.ClientError, _unanswered),
    # httpx by itself
    (httpx.ConnectError, _not_reached),
    (httpx.ConnectTimeout, _not_reached),
    (httpx.PoolTimeout, _full),  # of our own Connector
    (httpx.ProxyError, _not_reached),
    (httpx.UnsupportedProtocol, _not_reached),
    (httpx.ReadTimeout, _timed_out),
    (httpx.WriteTimeout, _unanswered),
    (httpx.TimeoutException, _timed_out),
    (httpx.ReadError, _unanswered),
    (httpx.WriteError, _unanswered),
    (httpx.CloseError, _unanswered),
    (httpx.NetworkError, _unanswered),
    (httpx.RemoteProtocolError, _unanswered),
    (httpx.LocalProtocolError, _not_reached),
    (httpx.ProtocolError, _garbled),
    (httpx.DecodingError, _garbled),
    (httpx.TooManyRedirects, _garbled),
    (httpx.TransportError, _unanswered),
    (httpx.HTTPError, _unanswered),
    (httpx.InvalidURL, _not_reached),
    (httpx.StreamError, _cut),
    # below both
    (ValueError, _not_reached),  # a URL or a proxy that aiohttp cannot make sense of
    (ssl.SSLError, _not_reached),
    (TimeoutError, _timed_out),
    (OSError, _unanswered),
    (asyncio.IncompleteReadError, _cut),
)
KNOWN = tuple(kind for kind, _ in TABLE)


def link_error(error: BaseException, *, answered: bool = False) -> LinkError:
    """Our error for ``error``. ``answered``: Poe's status line had come, so what broke is the answer."""
    found = next(make for kind, make in TABLE if isinstance(error, kind))(error)
    if answered and isinstance(found, Unanswered | NotReached | Garbled):
        found = _cut(error)
    # not the exception's own words: aiohttp's quote bytes that came, which may be what somebody said
    found.detail = " ".join(filter(None, [type(error).__name__, getattr(error, "strerror", None)]))
    return found


def _cause(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name was not found"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return _FOREIGN
    if isinstance(error, aiohttp.ClientConnectorSSLError | ssl.SSLError):
        return "the TLS handshake failed"
    if isinstance(error, ValueError):
        return "POE_BASE_URL or a proxy of the environment is no valid address"
    if isinstance(error, aiohttp.ClientConnectorError):
        return (error.strerror or "connection failed").lower()
    return "no connection in time" if isinstance(error, TimeoutError) else "connection failed"
