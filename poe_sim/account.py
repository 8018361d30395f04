"""The account's endpoints: balance and history (without /v1), and the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from poe_sim import catalogue, faults, refusals
from poe_sim.access import admit, answer_headers
from poe_sim.detours import Steps
from poe_sim.outgoing import false_answer, one_piece, send_out
from poe_sim.records import Record
from poe_sim.refusals import Refusal
from poe_sim.state import Poe

Look = Callable[[Poe, QueryParams], bytes | dict[str, Any] | Refusal]

MODELS = "/v1/models"
_MOST_ROWS = 100
_USUAL_ROWS = "20"


class AccountCall:
    """The ASGI endpoint of one look at the account; only the catalogue needs no key."""

    def __init__(self, poe: Poe, look: Look) -> None:
        self._poe = poe
        self._look = look

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        record = self._poe.log.arrived(request, self._poe.now())
        await send_out(self._steps(request, record), self._poe, record, asgi=(scope, receive, send))

    def _steps(self, request: Request, record: Record) -> Steps:
        _, active = self._poe.demands.take(None, record.path, request.headers, "")
        record.faults = [fault.name for fault in active]
        refusal = None if record.path == MODELS else admit(self._poe, request.headers, record)
        false = false_answer(active)
        said = refusal or self._look(self._poe, request.query_params) if false is None else false
        record.outcome = "fault" if active else "refused" if isinstance(said, Refusal) else "answered"
        if isinstance(said, Refusal):
            headers = answer_headers(self._poe, record) | dict(said.headers)
            steps: Steps = one_piece(orjson.dumps({"error": said.error}), headers, status=said.status)
        elif isinstance(said, bytes | dict):
            body = said if isinstance(said, bytes) else orjson.dumps(said)
            steps = one_piece(body, answer_headers(self._poe, record), whole=not active)
        else:
            steps = said
        return faults.detoured(steps, [fault for fault in active if fault.name not in faults.STREAM_ONLY])


def _models(_poe: Poe, _query: QueryParams) -> bytes:
    return catalogue.listing()


def _balance(poe: Poe, _query: QueryParams) -> dict[str, Any]:
    return {"current_point_balance": poe.books.balance}


def _history(poe: Poe, query: QueryParams) -> dict[str, Any] | Refusal:
    asked = query.get("limit", _USUAL_ROWS)
    if not asked.isdecimal() or not 1 <= int(asked) <= _MOST_ROWS:
        return refusals.invalid(f"limit must be between 1 and {_MOST_ROWS}", param="limit")
    page = poe.books.history(int(asked), query.get("starting_after"), poe.now())
    return refusals.invalid("starting_after names no row", param="starting_after") if page is None else page


_LOOKS: dict[str, Look] = {
    MODELS: _models,
    "/usage/current_balance": _balance,
    "/usage/points_history": _history,
}


def routes(poe: Poe) -> list[Route]:
    return [Route(path, AccountCall(poe, look), methods=["GET"]) for path, look in _LOOKS.items()]
