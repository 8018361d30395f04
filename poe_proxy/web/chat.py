"""``POST /v1/chat/completions``."""

import time
from dataclasses import dataclass

from starlette.requests import Request as WebRequest
from starlette.types import ASGIApp

from poe_proxy.canonical.answer import Answer
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.report import Report
from poe_proxy.canonical.request import Request
from poe_proxy.web.calls import Dialect, answered
from poe_proxy.wire.openai_chat import DIALECT, answer
from poe_proxy.wire.openai_chat.request import parse
from poe_proxy.wire.openai_chat.stream import Writer


@dataclass(frozen=True, slots=True)
class ChatSpeech:
    """Chat completions, for a caller who asked for ``model``."""

    model: str
    include_usage: bool
    answer_id: str

    def writer(self) -> Writer:
        """A stream's."""
        return Writer(self.model, include_usage=self.include_usage, answer_id=self.answer_id, created=int(time.time()))

    def body(self, whole: Answer) -> Json:
        """A whole answer's."""
        return answer.write(whole, self.model)


def _speech(request: Request, report: Report) -> ChatSpeech:
    return ChatSpeech(request.model, request.include_usage, f"chatcmpl-{report.request_id}")


_CHAT = Dialect(DIALECT, lambda data, _: parse(data), _speech, has_footers=True)


async def chat_completions(web_request: WebRequest) -> ASGIApp:
    """Answer a chat completion, streamed or whole."""
    return await answered(web_request, _CHAT)
