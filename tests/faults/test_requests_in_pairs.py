"""Whatever a client may say in its dialect: what leaves for Poe is taken by it, in every way that a model may be asked,
and no word of the conversation is lost, doubled or out of order.
"""

import json
import re
from itertools import count
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poe_proxy import fitting
from poe_proxy.canonical.card import Way
from poe_proxy.canonical.request import Request
from poe_proxy.endpoints import endpoint
from poe_proxy.policy.refusals import Memory
from poe_proxy.wire.anthropic_messages.request import parse as parse_messages
from poe_proxy.wire.openai_chat.request import parse as parse_chat
from poe_sim import Settings, catalogue
from poe_sim.dialects import chat, messages
from tests.faults.meant import Json
from tests.policy.declared import cards
from tests.wire.request_grammar import check_chat, check_messages

_RUNS = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
_MARK = re.compile(r"word\d+")
_PICTURE = "data:image/png;base64,aGk="
_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
_PAIRS: list[tuple[str, Way, str]] = [
    ("chat", "chat", "gpt-5.4-mini"),
    ("chat", "chat", "gemini-3-flash"),
    ("chat", "messages", "claude-sonnet-4.5"),
    ("chat", "messages", "claude-opus-4.6"),
    ("messages", "messages", "claude-haiku-4.5"),
    ("messages", "chat", "gpt-5.4-mini"),
    ("messages", "chat", "deepseek-v3.2"),
]


class _Speaker:
    """Draws the turns of a conversation; every text in it has a word that tells it apart from all others."""

    def __init__(self, draw: st.DrawFn, dialect: str) -> None:
        self._draw = draw
        self._chat = dialect == "chat"
        self._numbers = count(1)
        self._calls = 0

    def conversation(self) -> list[Json]:
        turns: list[Json] = [*self._system(), self._user()]
        for _ in range(self._draw(st.integers(0, 3))):
            turns += self._draw(st.sampled_from([self._plain, self._with_calls]))()
            if self._draw(st.booleans()):
                turns.append(self._user())
        return turns if turns[-1]["role"] != "assistant" else [*turns, self._user()]

    def text(self) -> str:
        around = self._draw(st.sampled_from(["{}", " {}\n", "ümlaut {} 🙂", '{{"a": "{}"}}']))
        return around.format(f"word{next(self._numbers)}")

    def _system(self) -> list[Json]:
        if not self._chat or self._draw(st.booleans()):
            return []
        return [{"role": self._draw(st.sampled_from(["system", "developer"])), "content": self._content()}]

    def _content(self) -> Any:
        """A string or parts, some of which are no text or blank."""
        if self._draw(st.booleans()):
            return self.text()
        others: list[Json] = [{"type": "text", "text": self._draw(st.sampled_from(["", " \n"]))}]
        return [{"type": "text", "text": self.text()}, *self._draw(st.sampled_from([[], others]))]

    def _user(self) -> Json:
        content = self._content()
        if isinstance(content, list) and self._draw(st.booleans()):
            content.append(self._picture())
        return {"role": "user", "content": content}

    def _picture(self) -> Json:
        if self._chat:
            return {"type": "image_url", "image_url": {"url": _PICTURE}}
        return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}

    def _plain(self) -> list[Json]:
        return [{"role": "assistant", "content": self._content()}]

    def _with_calls(self) -> list[Json]:
        """Calls, some side by side, and their results in the order of the calls."""
        ids = [self._id() for _ in range(self._draw(st.integers(1, 2)))]
        said = self._draw(st.sampled_from(["", None])) if self._draw(st.booleans()) else self.text()
        inputs = [{"a": f"word{next(self._numbers)}"} for _ in ids]
        if self._chat:
            calls = [
                {"id": id_, "type": "function", "function": {"name": "f", "arguments": json.dumps(one)}}
                for id_, one in zip(ids, inputs, strict=True)
            ]
            results = [{"role": "tool", "tool_call_id": id_, "content": self._content()} for id_ in ids]
            return [{"role": "assistant", "content": said, "tool_calls": calls}, *results]
        blocks: list[Json] = [{"type": "text", "text": said}] if said else []
        blocks += [
            {"type": "tool_use", "id": id_, "name": "f", "input": one} for id_, one in zip(ids, inputs, strict=True)
        ]
        told = [{"type": "tool_result", "tool_use_id": id_, "content": self._content()} for id_ in ids]
        return [{"role": "assistant", "content": blocks}, {"role": "user", "content": told}]

    def _id(self) -> str:
        """Ids as several makers have them; two turns may have the same."""
        self._calls += 1
        own = self._draw(st.sampled_from(["call_1", "functions.f:0", "toolu_01", "é", "x" * 90]))
        return own if self._draw(st.booleans()) else f"{own}_{self._calls}"


_knobs = {
    "chat": {
        "temperature": st.sampled_from([0, 0.5, 2]),
        "top_p": st.just(0.5),
        "stop": st.sampled_from(["END", ["END", "\n"]]),
        "max_tokens": st.sampled_from([1, 9000]),
        "max_completion_tokens": st.just(500),
        "reasoning_effort": st.sampled_from(["none", "minimal", "low", "high", "xhigh"]),
        "tools": st.just([{"type": "function", "function": {"name": "f", "parameters": _SCHEMA}}]),
        "tool_choice": st.sampled_from(["auto", "none", "required"]),
        "parallel_tool_calls": st.booleans(),
        "response_format": st.sampled_from([{"type": "json_object"}, {"type": "text"}]),
        "seed": st.just(7),
        "user": st.just("me"),
        "n": st.just(1),
        "unheard_of": st.just({"a": 1}),
    },
    "messages": {
        "system": st.sampled_from(["be brief", [{"type": "text", "text": "be brief"}]]),
        "temperature": st.sampled_from([0, 0.5, 1]),
        "top_p": st.just(0.5),
        "top_k": st.just(5),
        "stop_sequences": st.just(["END"]),
        "thinking": st.sampled_from([{"type": "enabled", "budget_tokens": 2000}, {"type": "disabled"}]),
        "tools": st.just([{"name": "f", "input_schema": _SCHEMA}]),
        "tool_choice": st.sampled_from([{"type": "auto"}, {"type": "auto", "disable_parallel_tool_use": True}]),
        "metadata": st.just({"user_id": "me"}),
    },
}


@st.composite
def bodies(draw: st.DrawFn, dialect: str, model: str) -> Json:
    """A request as a client may make it."""
    knobs = draw(st.fixed_dictionaries({}, optional=_knobs[dialect]))
    if "tools" not in knobs:
        knobs.pop("tool_choice", None)
    spoken = _Speaker(draw, dialect).conversation()
    if dialect == "messages":
        knobs["max_tokens"] = 9000
    return {"model": model, "messages": spoken, **knobs}


def words(body: Json) -> list[str]:
    """The words that tell the texts of a conversation apart, in their order; Anthropic has the system's beside it."""
    return _MARK.findall(json.dumps([body.get("system"), body["messages"]]))


def leaving(body: Json, dialect: str, way: Way, model: str) -> tuple[Json, dict[str, str]]:
    """What is sent to Poe for ``body``: its JSON, and the headers that go with it."""
    request: Request = (parse_chat if dialect == "chat" else parse_messages)(orjson.dumps(body))
    card = cards()[model]
    fit = fitting.fitted(request, card, Memory(lambda: 0.0), way, stream=True)
    encoded = endpoint(way, request, card, caches=True).encode(fit.body)
    sent: Json = orjson.loads(encoded.data)
    return sent, dict(encoded.headers)


@pytest.mark.parametrize(("dialect", "way", "model"), _PAIRS)
@_RUNS
@given(st.data())
def test_poe_takes_what_leaves_and_no_word_is_lost(dialect: str, way: Way, model: str, data: st.DataObject) -> None:
    body = data.draw(bodies(dialect, model))
    sent, headers = leaving(body, dialect, way, model)
    card = catalogue.find(model)
    assert card is not None
    assert (chat if way == "chat" else messages).check(sent, card, Settings(), headers) is None
    assert words(sent) == words(body)
    if dialect != way:
        (check_messages if way == "messages" else check_chat)(sent)
