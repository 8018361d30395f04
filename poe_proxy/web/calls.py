"""What every call of a model needs before its answer is under way: read, resolved, guarded. It knows no dialect."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request as WebRequest
from starlette.responses import Response
from starlette.types import ASGIApp

from poe_proxy.canonical.answer import fold
from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.report import Report
from poe_proxy.canonical.request import Request
from poe_proxy.policy import footer, guards
from poe_proxy.policy.pricing import estimate
from poe_proxy.web.body import ClientLeftError, read_body
from poe_proxy.web.costs import instead
from poe_proxy.web.house import House, report_of
from poe_proxy.web.outlet import EVENT_STREAM
from poe_proxy.web.respond import json_response, poe_headers
from poe_proxy.web.under_way import Speech, UnderWay


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is special about a dialect. ``parse`` is given body and headers; ``has_footers``: they do no harm."""

    name: str
    parse: Callable[[bytes, Mapping[str, str]], Request]
    speech: Callable[[Request, Report], Speech]
    has_footers: bool


async def answered(web_request: WebRequest, dialect: Dialect) -> ASGIApp:
    """Answer a call of a model, streamed or whole."""
    house, report = House.of(web_request), report_of(web_request)
    settings = house.settings
    report.dialect = dialect.name
    try:
        data = await body_of(web_request, house)
    except ClientLeftError:
        report.outcome = "client_left"
        return Response(status_code=499)
    request = dialect.parse(data, web_request.headers)
    report.model = request.model
    card = house.upkeep.resolve(request.model)
    report.poe_model, report.in_catalogue = card.poe_name, card.in_catalogue
    house.ledger.begin(report)
    report.stream = _wants_stream(request, card, default=settings.stream_default)
    speech = dialect.speech(request, report)
    if guards.is_paused(house.upkeep.balance, settings.points_cutoff):
        return _paused(house, report, speech)
    if settings.max_points_per_message:
        _refuse_expensive(house, request, card)
    asked = web_request.headers.get("x-poe-footer", "")
    has_footer = dialect.has_footers and footer.is_wanted(asked, card, settings.footer, request.body)
    return UnderWay(house, request, card, report, speech, has_footer=has_footer)


async def body_of(web_request: WebRequest, house: House) -> bytes:
    """The request's body, within the limits of the settings. Raises ClientLeftError, CallerError and TooMuchAtOnce."""
    settings = house.settings
    return await read_body(
        web_request.receive,
        web_request.headers,
        partial(house.limits.room.take, report_of(web_request)),
        max_bytes=int(settings.max_body_mb * 2**20),
        timeout_s=settings.body_timeout_s,
    )


def _wants_stream(request: Request, card: ModelCard, *, default: bool) -> bool:
    """A missing ``stream`` means false, as OpenAI has it; STREAM_DEFAULT turns that for text models."""
    return request.stream if request.stream is not None else default and not card.is_media


def _paused(house: House, report: Report, speech: Speech) -> Response:
    """The answer of a proxy that keeps the last points in reserve, in the shape asked for."""
    upkeep, balance = house.upkeep, house.upkeep.balance or 0
    report.outcome, report.cost = "paused", Cost(balance=balance)
    upkeep.want_balance()
    events = guards.paused(speech.answer_id, time.time(), balance, house.settings.points_cutoff, upkeep.grant_at)
    if not report.stream:
        return json_response(speech.body(fold(events)), headers=poe_headers(report))
    writer = speech.writer()
    return Response(writer.push(events) + writer.close(), headers=EVENT_STREAM)


def _refuse_expensive(house: House, request: Request, card: ModelCard) -> None:
    """Raises TooExpensive, before anything is sent."""
    usage = guards.foreseen(request.body, card)
    points, most = estimate(card, usage), house.settings.max_points_per_message
    if points is not None and guards.is_too_expensive(points, most):
        raise guards.too_expensive(points, most, footer.named(instead(house.upkeep.registry, card, usage, most + 1)))
