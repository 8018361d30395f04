"""``POST /v1/messages`` and ``/v1/messages/count_tokens``: Anthropic's clients, on any model."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from starlette.requests import Request as WebRequest
from starlette.responses import Response
from starlette.types import ASGIApp

from poe_proxy import token_count
from poe_proxy.canonical.answer import Answer
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.report import Report
from poe_proxy.canonical.request import Request
from poe_proxy.policy import guards
from poe_proxy.web.body import ClientLeftError
from poe_proxy.web.calls import Dialect, answered, body_of
from poe_proxy.web.house import House, report_of
from poe_proxy.web.respond import json_response
from poe_proxy.wire.anthropic_messages import DIALECT, answer
from poe_proxy.wire.anthropic_messages.request import parse, parse_count, with_headers
from poe_proxy.wire.anthropic_messages.stream import Writer


@dataclass(frozen=True, slots=True)
class MessagesSpeech:
    """Anthropic Messages, for a caller who sent ``request``."""

    request: Request
    answer_id: str

    def writer(self) -> Writer:
        """A stream's."""
        return Writer(self.request.model, answer_id=self.answer_id, prompt_estimate=cache(self._estimate))

    def body(self, whole: Answer) -> Json:
        """A whole answer's."""
        estimate = self._estimate() if whole.usage is None or not whole.usage.prompt else 1
        return answer.write(whole, self.request.model, prompt_estimate=estimate)

    def _estimate(self) -> int:
        """Tokens of the prompt, where Poe does not tell them."""
        return max(1, guards.prompt_weight(self.request.body))


def _speech(request: Request, report: Report) -> MessagesSpeech:
    return MessagesSpeech(request, f"msg_{report.request_id.removeprefix('req_')}")


def _parsed(data: bytes, headers: Mapping[str, str]) -> Request:
    """The request with what its headers say: the version of the API, and betas beside those in the body."""
    return with_headers(parse(data), headers.get("anthropic-beta", ""), headers.get("anthropic-version", ""))


_MESSAGES = Dialect(DIALECT, _parsed, _speech, has_footers=False)


async def messages(web_request: WebRequest) -> ASGIApp:
    """Answer a message, streamed or whole."""
    return await answered(web_request, _MESSAGES)


async def count_tokens(web_request: WebRequest) -> Response:
    """Count a prompt's tokens, without asking Poe."""
    house, report = House.of(web_request), report_of(web_request)
    try:
        request = parse_count(await body_of(web_request, house))
    except ClientLeftError:
        report.outcome = "client_left"
        return Response(status_code=499)
    card = house.upkeep.resolve(request.model)
    report.model, report.poe_model = request.model, card.poe_name
    return json_response({"input_tokens": await token_count.count(request.body, card, house.exchange.clipper)})
