"""count_tokens without Poe: how near it comes to what Poe reported, what it learns, and that it stalls nobody."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
import pytest

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.errors import BadRequest
from poe_proxy.canonical.usage import Usage
from poe_proxy.clipper import Clipper
from poe_proxy.policy.factors import Factors
from poe_proxy.token_count import count, learn
from poe_proxy.tokens import Encode, Tokens, encoding

Json = dict[str, Any]


def run(use: Callable[[Clipper], Coroutine[Any, Any, Any]], load: Callable[[], Encode] = encoding) -> Any:
    async def running() -> Any:
        clipper = Clipper(Tokens(load), Factors(), on=False)
        try:
            return await use(clipper)
        finally:
            clipper.tokens.close()

    return asyncio.run(running())


def letters() -> Encode:
    """One token a letter."""
    return lambda text: range(len(text))


def counted(body: Json, model: str, load: Callable[[], Encode] = encoding) -> int:
    found = run(lambda clipper: count(body, ModelCard(model, model), clipper), load)
    assert isinstance(found, int)
    return found


def asked(text: str, **more: Any) -> Json:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}], **more}


WEATHER = {
    "name": "getWeather",
    "description": "Get the current weather for a location",
    "input_schema": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "The city to get weather for"}},
        "required": ["location"],
        "additionalProperties": False,
        "$schema": "http://json-schema.org/draft-07/schema#",
    },
}


@pytest.mark.parametrize(
    ("model", "body", "reported"),
    [
        ("claude-opus-4.1", asked("Say hello in exactly 3 words"), 15),
        (
            "claude-opus-4.5",
            asked(
                "Solve this step by step. First explain your reasoning, then give the final answer on a separate line: "
                "What is 17 * 19?",
                thinking={"type": "enabled", "budget_tokens": 5000},
            ),
            67,
        ),
        (
            "claude-opus-4.6",
            asked("What is the weather in San Francisco? Use the getWeather tool.", tools=[WEATHER]),
            612,
        ),
    ],
)
def test_it_is_within_a_few_percent_of_what_poe_reported(model: str, body: Json, reported: int) -> None:
    assert counted(body, model) == pytest.approx(reported, rel=0.02, abs=1)


def test_each_family_has_its_factor() -> None:
    body = asked("x" * 1000)
    assert [counted(body, model, letters) for model in ("gpt-5.4", "claude-opus-4.6", "claude-opus-4.7")] == [
        1007,
        1187,
        1537,
    ]


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": None}, {"messages": [{}]}, asked("")])
def test_it_is_never_nothing(body: Json) -> None:
    assert counted(body, "gpt-5.4") >= 1


def test_more_is_never_less_and_nothing_counts_twice() -> None:
    one = counted(asked("x" * 5000), "gpt-5.4", letters)
    assert counted(asked("x" * 5000, system="y" * 5000), "gpt-5.4", letters) == one + 5000


def test_what_is_nested_beyond_writing_is_the_callers_fault() -> None:
    body = asked("hi", tools=[{"name": "x", "input_schema": orjson.loads("[" * 300 + "]" * 300)}])
    with pytest.raises(BadRequest, match="nested too deep"):
        counted(body, "gpt-5.4")


class TestAtOnce:
    def test_34_calls_at_once_count_nothing_on_the_loop(self) -> None:
        """As Claude Code's /context sends them: a section of the prompt or a tool each."""
        threads: set[threading.Thread] = set()

        def load() -> Encode:
            def encode(text: str) -> range:
                threads.add(threading.current_thread())
                return range(len(text))

            return encode

        async def all_at_once(clipper: Clipper) -> list[int]:
            bodies = [asked(f"{number:03}" * size) for number, size in enumerate([100] * 17 + [10_000] * 17)]
            card = ModelCard("gpt-5.4", "gpt-5.4")
            return await asyncio.gather(*(count(body, card, clipper) for body in bodies))

        assert run(all_at_once, load) == [307] * 17 + [30_007] * 17
        assert len(threads - {threading.main_thread()}) == len(threads) == 1

    def test_very_many_messages_are_counted_too(self) -> None:
        body = {"messages": [{"role": "user", "content": "hi"}] * 5000}
        assert counted(body, "gpt-5.4", letters) == 3 + 5000 * 6


class TestLearning:
    def learned(self, body: Json, usage: Usage, times: int = 30) -> float:
        async def use(clipper: Clipper) -> float:
            for _ in range(times):
                await learn(body, ModelCard("claude-opus-4.6", "claude-opus-4.6"), clipper, usage)
            return clipper.factors.of("Claude-Opus-4.6")

        found = run(use, letters)
        assert isinstance(found, float)
        return found

    def test_goes_towards_what_is_reported_cached_tokens_too(self) -> None:
        assert self.learned(asked("x" * 5000), Usage(prompt=7007, cached=6000)) == pytest.approx(1.4, rel=0.06)

    def test_is_for_the_texts_alone(self) -> None:
        body = asked("x" * 2000, tools=[{"name": "t"}])
        assert self.learned(body, Usage(prompt=7 + 497 + 13 + 2 + 2400)) == pytest.approx(1.2, rel=0.03)

    @pytest.mark.parametrize("size", [10, 5000])
    def test_nothing_is_learned_from_guesses_or_trifles(self, size: int) -> None:
        body = asked("x" * size)
        if size > 1000:
            body["messages"][0]["content"].append({"type": "image"})
        assert self.learned(body, Usage(prompt=7007)) == 1.18
