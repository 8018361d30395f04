"""What a route raised, as the answer that its caller's SDK knows."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request as WebRequest
from starlette.responses import Response

from poe_proxy.canonical.errors import CallerError, MethodNotAllowed, NotFound, ProxyError
from poe_proxy.canonical.report import Report
from poe_proxy.web.respond import error_response, spoken
from poe_proxy.wire.anthropic_messages import DIALECT as MESSAGES


def refused(error: ProxyError | HTTPException, scope: Any) -> Response:
    """The answer; the request's Report is told."""
    ours = error if isinstance(error, ProxyError) else _ours(error, WebRequest(scope))
    report: Report = scope["state"]["report"]
    report.outcome, report.error = "error", ours.gist
    response = error_response(ours, dialect=spoken(scope))
    response.headers.update((error.headers if isinstance(error, HTTPException) else None) or {})
    return response


def _ours(error: HTTPException, request: WebRequest) -> ProxyError:
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
