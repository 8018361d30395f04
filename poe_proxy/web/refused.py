"""What a route raised, as the answer that its caller's SDK knows."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request as WebRequest

from poe_proxy.canonical.errors import CallerError, Internal, MethodNotAllowed, NotFound, ProxyError
from poe_proxy.canonical.report import Report
from poe_proxy.observe import log
from poe_proxy.web.lifeline import Receive
from poe_proxy.web.outlet import Send
from poe_proxy.web.respond import error_response, spoken
from poe_proxy.wire.anthropic_messages import DIALECT as MESSAGES


async def refused(error: Exception, scope: Any, receive: Receive, send: Send) -> None:
    """Answer, if no answer has begun, and tell the request's Report. What no route means to raise is our own fault."""
    report: Report = scope["state"]["report"]
    is_meant = isinstance(error, ProxyError | HTTPException) and not report.status
    ours = _ours(error, scope) if is_meant else our_fault(error, report.request_id)
    report.outcome, report.error = "error", ours.gist if is_meant else type(error).__name__
    if not report.status:
        response = error_response(ours, dialect=spoken(scope))
        response.headers.update((error.headers if isinstance(error, HTTPException) else None) or {})
        await response(scope, receive, send)


def our_fault(error: Exception, request_id: str) -> Internal:
    """What a caller is told of a fault of ours; the log says where it happened."""
    log.crash(error, request_id)
    return Internal(f"The proxy failed on this request; its log says more under {request_id}.")


def _ours(error: Exception, scope: Any) -> ProxyError:
    if isinstance(error, ProxyError):
        return error
    assert isinstance(error, HTTPException)
    return _of_http(error, WebRequest(scope))


def _of_http(error: HTTPException, request: WebRequest) -> ProxyError:
    path = request.url.path
    if error.status_code == 405:
        return MethodNotAllowed(f"{request.method} is not possible on {path[:200]}.")
    if error.status_code != 404:
        return CallerError(str(error.detail))
    if f"{path}/".startswith("/v1/v1/"):
        return NotFound(f"The path has /v1 twice: your client's base URL must be {_base(request)}.")
    return NotFound(f"There is nothing at {path[:200]}. Point your client at {_base(request)}, see GET /.")


def _base(request: WebRequest) -> str:
    """Where the caller's client belongs: Anthropic's put /v1 behind their base URL by themselves."""
    speaks_messages = "/messages" in request.url.path or spoken(request.scope) == MESSAGES
    return f"{request.url.scheme}://{request.url.netloc}{'' if speaks_messages else '/v1'}"
