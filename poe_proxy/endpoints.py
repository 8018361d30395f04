"""The endpoints of Poe's that models are asked at: how a body gets there, and how what comes back is read.

An answer is read for a caller who speaks the endpoint's own dialect or another one; only for the first its frames are
of use.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from poe_proxy.canonical.card import ModelCard, Way
from poe_proxy.canonical.errors import ProxyError
from poe_proxy.canonical.events import Event
from poe_proxy.canonical.json import Json
from poe_proxy.canonical.request import Request
from poe_proxy.policy.attempts import AS_CHAT, AS_MESSAGES, NATIVE, Manner
from poe_proxy.policy.caching import marked
from poe_proxy.policy.knob import BUDGET
from poe_proxy.wire import anthropic_messages, openai_chat
from poe_proxy.wire.anthropic_messages import answer as messages_answer
from poe_proxy.wire.anthropic_messages import conversation as messages_conversation
from poe_proxy.wire.anthropic_messages import errors as messages_errors
from poe_proxy.wire.anthropic_messages import request as messages_request
from poe_proxy.wire.anthropic_messages import stream as messages_stream
from poe_proxy.wire.openai_chat import answer as chat_answer
from poe_proxy.wire.openai_chat import conversation as chat_conversation
from poe_proxy.wire.openai_chat import errors as chat_errors
from poe_proxy.wire.openai_chat import request as chat_request
from poe_proxy.wire.openai_chat import stream as chat_stream

_ANSWER_TOKENS = 32_000  # where the caller sets no limit; Anthropic wants one
_VERSION = "2023-06-01"  # of Anthropic's API, where the caller speaks another dialect


class Reader(Protocol):
    """Reads one stream; ``done`` once nothing after it counts, ``garbled`` frames were no JSON."""

    done: bool
    garbled: int

    @property
    def finished(self) -> bool:
        """Whether the answer said that it is finished."""

    def feed(self, data: bytes) -> list[Event]: ...

    def close(self) -> list[Event]: ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body on its way: bytes, the headers that go with them, and what was changed at the last moment, in words."""

    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint, for one request. ``read_error`` is given status, headers (lower case) and body.

    ``manner`` is how its refusals are dealt with. Headers of answers that begin with one of ``passed`` are passed on.
    """

    path: str
    dialect: str
    encode: Callable[[Json], Encoded]
    reader: Callable[[], Reader]
    read: Callable[[Any], list[Event]]
    read_error: Callable[[int, Mapping[str, str], bytes], ProxyError]
    manner: Manner = AS_CHAT
    passed: tuple[str, ...] = ()


CHAT = Endpoint(
    path="/v1/chat/completions",
    dialect=openai_chat.DIALECT,
    encode=lambda body: Encoded(chat_request.encode(body)),
    reader=chat_stream.Reader,
    read=chat_answer.read,
    read_error=chat_errors.read,
)


_CHAT_FOR_OTHERS = replace(
    CHAT, reader=partial(chat_stream.Reader, keep_frames=False), read=partial(chat_answer.read, keep=False)
)


def endpoint(way: Way, request: Request, card: ModelCard, *, caches: bool) -> Endpoint:
    """Where ``request`` goes; ``caches``: marks for Poe's prompt cache are set for callers who cannot."""
    is_anthropics = request.dialect == anthropic_messages.DIALECT
    if way == "chat":
        return _CHAT_FOR_OTHERS if is_anthropics else CHAT
    if is_anthropics:
        return _messages(partial(_as_it_is, version=request.version or _VERSION), is_native=True)
    return _messages(partial(_translated, card=card, caches=caches), is_native=False)


def _messages(encode: Callable[[Json], Encoded], *, is_native: bool) -> Endpoint:
    return Endpoint(
        path="/v1/messages",
        dialect=anthropic_messages.DIALECT,
        encode=encode,
        reader=partial(messages_stream.Reader, is_native),
        read=partial(messages_answer.read, keep=is_native),
        read_error=messages_errors.read if is_native else chat_errors.read,
        manner=NATIVE if is_native else AS_MESSAGES,
        passed=("anthropic-ratelimit-",) if is_native else (),
    )


def _as_it_is(body: Json, version: str) -> Encoded:
    return Encoded(*messages_request.encode(body, version))


def _translated(body: Json, card: ModelCard, *, caches: bool) -> Encoded:
    """A chat body in Anthropic's words."""
    most = min(card.max_output or _ANSWER_TOKENS, _ANSWER_TOKENS)
    said, changes = messages_conversation.write(
        chat_conversation.read(body),
        max_tokens=most,
        max_output=card.max_output,
        is_adaptive=BUDGET not in card.parameters,
    )
    said = {**said, "model": body["model"], "stream": body["stream"]}
    return Encoded(*messages_request.encode(marked(said) if caches else said, _VERSION), tuple(changes))
