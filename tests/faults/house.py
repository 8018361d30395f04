"""The house without its doors: what a Poe says, read, staged and written as a request's answer is, for each pair of
dialects."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from poe_proxy.call import Patience
from poe_proxy.canonical.card import ModelCard, Way
from poe_proxy.canonical.report import Report
from poe_proxy.canonical.request import Request
from poe_proxy.clipper import Clipper
from poe_proxy.exchange import Exchange
from poe_proxy.limits.turns import Turns
from poe_proxy.poe.client import PoeClient
from poe_proxy.policy import ways
from poe_proxy.policy.attempts import Means
from poe_proxy.policy.factors import Factors
from poe_proxy.policy.footer import FooterStage
from poe_proxy.policy.refusals import Memory
from poe_proxy.tokens import Tokens
from poe_proxy.web.chat import ChatSpeech
from poe_proxy.web.messages import MessagesSpeech
from poe_proxy.web.under_way import Speech
from poe_proxy.wire.anthropic_messages.request import parse as parse_messages
from poe_proxy.wire.openai_chat.request import parse as parse_chat

Json = dict[str, Any]
_ASKED: Json = {"model": "asked", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


class _Poe(httpx.AsyncBaseTransport, httpx.AsyncByteStream):
    """Answers every call with the same pieces."""

    def __init__(self, said: list[bytes], *, streams: bool) -> None:
        self._said = said
        self._label = "text/event-stream" if streams else "application/json"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": self._label}, stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._said:
            yield piece


@dataclass(frozen=True)
class Pair:
    """What Poe is asked in, and what the client speaks."""

    way: Way
    spoken: Way

    def __str__(self) -> str:
        return f"{self.way} to {self.spoken}"

    @property
    def _card(self) -> ModelCard:
        return ModelCard("asked", "asked", via=self.way)

    def _request(self, *, stream: bool) -> Request:
        more = {"stream_options": {"include_usage": True}} if stream and self.spoken == "chat" else {}
        data = orjson.dumps({**_ASKED, "stream": stream, **more})
        return parse_chat(data) if self.spoken == "chat" else parse_messages(data)

    def _speech(self, request: Request) -> Speech:
        if self.spoken == "chat":
            return ChatSpeech(request.model, request.include_usage, "chatcmpl-req_1")
        return MessagesSpeech(request, "msg_1")

    async def stream(self, said: list[bytes], *, streams: bool = True) -> bytes:
        """What the client reads of a stream. Raises ProxyError where nothing was said before it broke."""
        request = self._request(stream=True)
        stage, writer = FooterStage(is_on=False), self._speech(request).writer()
        told: list[bytes] = []
        events = _exchange(_Poe(said, streams=streams)).events(request, self._card, _report(), stream=True)
        async with aclosing(events) as batches:
            async for batch in batches:
                told.append(writer.push(stage.push(batch)))
        if not stage.failed:
            told.append(writer.push(stage.close("", None)))
        return b"".join(told) + writer.close()

    async def whole(self, said: list[bytes], *, streams: bool = False) -> Json:
        """The body that the client reads. Raises ProxyError."""
        request = self._request(stream=False)
        speech = self._speech(request)
        answer = await _exchange(_Poe(said, streams=streams)).answer(request, self._card, _report())
        answer.id, answer.created = answer.id or speech.answer_id, answer.created or 1
        body: Json = orjson.loads(orjson.dumps(speech.body(answer)))
        return body


PAIRS = [Pair(way, spoken) for way in ("chat", "messages") for spoken in ("chat", "messages")]
_TOKENS = Tokens()


def _no_time() -> float:
    return 0.0


async def _no_sleep(_: float) -> None: ...


def _exchange(poe: _Poe) -> Exchange:
    return Exchange(
        PoeClient("http://poe", "the-key", poe),
        Means(_no_time, _no_time, 0.0, Memory(_no_time)),
        Patience(30, 30),
        Clipper(_TOKENS, Factors(), on=False),
        _no_sleep,
        Turns(0, 0, _no_time),
        ways.Memory(_no_time),
        caches=False,
    )


def _report() -> Report:
    return Report("req_1", "/v1/any", 0.0)
