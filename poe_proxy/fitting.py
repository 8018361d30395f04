"""What is sent to Poe: a request in the words of the endpoint that it leaves by, fitted to its model.

It asks the rooms that know dialects and policies, and decides nothing itself.
"""

from dataclasses import dataclass, replace

from poe_proxy.canonical.card import ModelCard, Way
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.request import Request
from poe_proxy.policy import footer, native, parameters, structured
from poe_proxy.policy.attempts import NATIVE
from poe_proxy.policy.refusals import Memory
from poe_proxy.policy.thinking import wants_its_thinking
from poe_proxy.wire.anthropic_messages import DIALECT as MESSAGES
from poe_proxy.wire.anthropic_messages import conversation as messages_conversation
from poe_proxy.wire.anthropic_messages import request as messages_request
from poe_proxy.wire.openai_chat import DIALECT as CHAT
from poe_proxy.wire.openai_chat import conversation as chat_conversation
from poe_proxy.wire.openai_chat import request as chat_request


def is_native(request: Request, way: Way) -> bool:
    """Whether ``request`` leaves in Anthropic's words as it came in them."""
    return request.dialect == MESSAGES and way == "messages"


@dataclass(frozen=True, slots=True)
class Fitted:
    """The body; what was changed in it, in words; and the request as it was said in the dialect of the body."""

    body: Json
    changes: list[str]
    request: Request


def fitted(request: Request, card: ModelCard, memory: Memory, way: Way, *, stream: bool) -> Fitted:
    """``request`` as it leaves. A body that is translated on its way out is still chat's here."""
    changes = [card.note] if card.note else []
    if is_native(request, way):
        body, more = _native(request, card, memory, stream=stream)
        return Fitted(body, changes + more, request)
    if request.dialect == MESSAGES:
        request, more = _as_chat(request, card)
        changes += more
    body, more = _chat(request, card, memory, stream=stream)
    return Fitted(body, changes + more, request)


def _as_chat(request: Request, card: ModelCard) -> tuple[Request, list[str]]:
    body, changes = chat_conversation.write(
        messages_conversation.read(request.body), returns_reasoning=wants_its_thinking(card.poe_name)
    )
    return replace(request, dialect=CHAT, body={**body, "model": request.model}), changes


def _native(request: Request, card: ModelCard, memory: Memory, *, stream: bool) -> tuple[Json, list[str]]:
    body = {**messages_request.native(request, card), "stream": stream}
    changes = []
    for name in memory.recall(f"{card.poe_name}{NATIVE.apart}"):
        before, body = body, native.without(body, [name])
        changes += [f"dropped {name}"] if body != before else []
    return body, changes


def _chat(request: Request, card: ModelCard, memory: Memory, *, stream: bool) -> tuple[Json, list[str]]:
    body, changes = parameters.fit(chat_request.build(request, card, stream=stream), card, memory.recall(card.poe_name))
    body["messages"], footers = footer.out_of_history(body["messages"])
    if footers:
        changes.append(f"took {footers} footer{'s' * (footers > 1)} out of the history")
    if structured.wants_json(body):
        body["messages"] = structured.say_it_in_words(body["messages"], body)
    return body, changes
