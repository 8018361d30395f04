"""The retry policy, driven with scripted errors, a clock that only the tests move, and no network."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from poe_proxy.canonical import errors
from poe_proxy.canonical.errors import (
    ContextTooLong,
    Garbled,
    KeyRefused,
    ModelMissing,
    Moderated,
    NotReached,
    NotStarted,
    OutOfPoints,
    PoeError,
    PoeFailed,
    ProxyError,
    RateLimited,
    Refused,
    StreamBroken,
    TimedOut,
    Unanswered,
    Unfit,
)
from poe_proxy.canonical.json import Json
from poe_proxy.policy.attempts import AGAIN, FINAL, ONCE_MORE, OTHERWISE, SHORTER, Attempt, Means, Plan, Shorten, plan
from poe_proxy.policy.refusals import Memory

ASKED: Json = {"model": "GPT-5", "messages": [{"role": "user", "content": "hi"}]}


@dataclass
class World:
    """A clock that stands still unless it is moved, and a fixed chance."""

    now: float = 1000.0
    chance: float = 0.0
    budget_s: float = 20.0
    attempts: list[Attempt] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    whole: int = 10

    @property
    def memory(self) -> Memory:
        return self._memory

    def __post_init__(self) -> None:
        self._memory = Memory(lambda: self.now)

    def run(self, body: Json, *script: ProxyError) -> ProxyError | None:
        """Answer each attempt with the next error of ``script``, waiting as asked; None where attempts outlast it."""
        means = Means(lambda: self.now, lambda: self.chance, self.budget_s, self._memory)
        going = plan(body, means)
        self.attempts = [self.step(going, None)]
        try:
            for error in script:
                self.attempts.append(self.step(going, error))
                self.now += self.attempts[-1].wait_s
        except ProxyError as error:
            return error
        return None

    def step(self, going: Plan, outcome: ProxyError | None) -> Attempt:
        step = going.send(outcome)
        while isinstance(step, Shorten):
            step = going.send(self.shorter(step))
        return step

    def shorter(self, question: Shorten) -> Json | None:
        """Messages are letters here: a share is what is left of them, None where that is all of them."""
        self.asked.append(question.share)
        messages = question.body["messages"]
        kept = messages[len(messages) - max(int(self.whole * question.share), 1) :]
        return None if len(kept) == len(messages) else {**question.body, "messages": kept}

    def bodies(self) -> list[Json]:
        return [attempt.body for attempt in self.attempts]

    def waits(self) -> list[float]:
        return [attempt.wait_s for attempt in self.attempts[1:]]


@pytest.fixture
def world() -> World:
    return World()


def refused(message: str = "Something is wrong with it.", **more: Any) -> Refused:
    return Refused(message, poe_status=400, **more)


def made(kind: type[ProxyError], **more: Any) -> ProxyError:
    return kind("Words.", poe_status=599, **more) if issubclass(kind, PoeError) else kind("Words.", **more)


def kinds(kind: type[ProxyError]) -> Iterator[type[ProxyError]]:
    """Every error that is raised; the trunk of the tree is only there to be caught."""
    if kind not in (ProxyError, errors.CallerError, errors.PoeError, errors.LinkError):
        yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


class TestTheTable:
    @pytest.mark.parametrize("kind", [*kinds(ProxyError)])
    def test_every_error_has_one_place(self, kind: type[ProxyError]) -> None:
        """``FINAL`` is asked first: ``Unfit`` is a ``Refused`` whose layers would not help."""
        places = [place for place in (AGAIN, ONCE_MORE, OTHERWISE, SHORTER) if issubclass(kind, place)]
        assert len(places) == (0 if issubclass(kind, FINAL) and kind is not Unfit else 1)

    @pytest.mark.parametrize(
        "kind", [Unfit, OutOfPoints, Moderated, ModelMissing, KeyRefused, TimedOut, errors.Internal]
    )
    def test_what_asking_again_does_not_help_is_final(self, world: World, kind: type[ProxyError]) -> None:
        error = made(kind)
        assert world.run({**ASKED, "max_tokens": 5}, error) is error
        assert len(world.attempts) == 1

    @pytest.mark.parametrize("kind", [PoeFailed, RateLimited])
    def test_poes_word_that_asking_again_is_no_use_is_taken(self, world: World, kind: type[ProxyError]) -> None:
        error = made(kind)
        error.may_retry = False
        assert world.run(ASKED, error) is error
        assert len(world.attempts) == 1


class TestLayers:
    def test_in_order_none_of_them_twice(self, world: World) -> None:
        body = {**ASKED, "max_tokens": 5, "max_completion_tokens": 6, "temperature": 1}
        first = refused("Unsupported parameter: 'temperature'.")
        later = [refused() for _ in range(9)]
        assert world.run(body, first, *later) is later[0]
        assert world.bodies() == [
            body,
            {**ASKED, "max_tokens": 5, "max_completion_tokens": 6},
            ASKED,
            {**ASKED, "model": "gpt-5", "max_tokens": 5, "max_completion_tokens": 6},
            {**ASKED, "model": "gpt-5"},
        ]
        assert [attempt.number for attempt in world.attempts] == [1, 2, 3, 4, 5]
        assert world.waits() == [0.0] * 4

    def test_what_changed_is_told_with_each(self, world: World) -> None:
        world.run({**ASKED, "max_tokens": 5, "seed": 1}, refused("Unknown parameter: 'seed'."), *[refused()] * 9)
        assert [attempt.changes for attempt in world.attempts] == [
            (),
            ("dropped seed",),
            ("dropped seed", "dropped max_tokens"),
            ("dropped seed", "model became gpt-5"),
            ("dropped seed", "dropped max_tokens", "model became gpt-5"),
        ]

    def test_a_body_with_nothing_to_change_is_sent_once(self, world: World) -> None:
        error = refused()
        assert world.run({**ASKED, "model": "gpt-5"}, error) is error

    def test_as_long_as_errors_name_something_it_is_dropped(self, world: World) -> None:
        names = ["top_k", "min_p", "odd"]
        body = {**ASKED, **dict.fromkeys(names, 1)}
        assert world.run(body, *(refused(f"Unknown parameter: '{name}'.") for name in names)) is None
        assert world.bodies()[-1] == ASKED

    def test_what_an_error_names_while_guessing_is_kept_in_later_guesses(self, world: World) -> None:
        script = [refused(), refused("Unknown parameter: 'odd'."), refused(), refused(), refused()]
        world.run({**ASKED, "max_tokens": 5, "odd": 1}, *script)
        assert world.bodies()[1:] == [
            {**ASKED, "odd": 1},
            ASKED,
            {**ASKED, "model": "gpt-5", "max_tokens": 5},
            {**ASKED, "model": "gpt-5"},
        ]

    def test_the_layers_have_an_end(self, world: World) -> None:
        body = {**ASKED, **{f"odd_{n}": n for n in range(50)}}
        script = [refused(f"Unknown parameter: 'odd_{n}'.") for n in range(50)]
        assert world.run(body, *script) in script
        assert len(world.attempts) == 10

    @pytest.mark.parametrize("name", ["messages", "tools", "tool_choice", "response_format", "model", "stream"])
    def test_what_the_request_is_stays(self, world: World, name: str) -> None:
        body = {**ASKED, "model": "gpt-5", "tools": [], "tool_choice": "auto", "response_format": {}, "stream": True}
        error = refused(f"Unsupported parameter: '{name}' is not supported with this model.", param=name)
        assert world.run(body, error) is error

    def test_a_value_is_moved_and_not_remembered(self, world: World) -> None:
        body = {**ASKED, "reasoning_effort": "high"}
        message = "Unsupported value: 'high' is not supported with the 'x' model. Supported values are: 'medium'."
        world.run(body, refused(message))
        assert world.bodies()[1] == {**ASKED, "reasoning_effort": "medium"}
        assert world.memory.recall("gpt-5") == {}

    def test_of_two_errors_the_caller_sees_the_one_from_before_the_guesses(self, world: World) -> None:
        plain, later = refused("It is wrong."), refused("It is wrong in another way.")
        assert world.run({**ASKED, "max_tokens": 5}, plain, later, later, later) is plain

    def test_a_final_error_in_the_middle_is_what_the_caller_sees(self, world: World) -> None:
        error = made(OutOfPoints)
        assert world.run({**ASKED, "max_tokens": 5}, refused(), error) is error


class TestWaiting:
    @pytest.mark.parametrize("kind", [RateLimited, NotStarted, PoeFailed, NotReached])
    def test_the_same_body_again_ever_later(self, world: World, kind: type[ProxyError]) -> None:
        world.budget_s = 1000
        world.run(ASKED, *[made(kind)] * 8)
        assert world.waits() == [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
        assert world.bodies() == [ASKED] * 9

    @pytest.mark.parametrize(("chance", "first"), [(0.0, 0.125), (0.5, 0.1875), (1.0, 0.25)])
    def test_chance_spreads_the_callers(self, world: World, chance: float, first: float) -> None:
        world.chance = chance
        world.run(ASKED, made(PoeFailed))
        assert world.waits() == [first]

    def test_retry_after_goes_first(self, world: World) -> None:
        world.run(ASKED, made(RateLimited, retry_after=3.0), made(RateLimited, retry_after=5.0))
        assert world.waits() == [3.0, 5.0]

    def test_a_retry_after_of_nothing_is_no_leave_to_hammer(self, world: World) -> None:
        world.run(ASKED, *[made(RateLimited, retry_after=0.0)] * 3)
        assert world.waits() == [0.125, 0.25, 0.5]

    def test_a_wait_beyond_the_budget_is_not_begun(self, world: World) -> None:
        error = made(RateLimited, retry_after=21.0)
        assert world.run(ASKED, error) is error
        assert len(world.attempts) == 1

    def test_the_budget_counts_from_the_first_attempt(self, world: World) -> None:
        error = made(RateLimited, retry_after=9.0)
        last = made(RateLimited, retry_after=9.0)
        assert world.run(ASKED, error, error, last) is last
        assert world.now == 1018.0

    def test_without_a_budget_there_is_one_attempt(self, world: World) -> None:
        world.budget_s = 0
        error = made(PoeFailed)
        assert world.run(ASKED, error) is error

    def test_the_last_error_is_what_the_caller_sees(self, world: World) -> None:
        last = made(NotReached, retry_after=60.0)
        assert world.run(ASKED, made(RateLimited), last) is last

    def test_a_wait_and_a_layer_in_turn(self, world: World) -> None:
        world.run({**ASKED, "odd": 1}, made(RateLimited), refused("Unknown parameter: 'odd'."), made(RateLimited))
        assert world.bodies() == [{**ASKED, "odd": 1}] * 2 + [ASKED] * 2
        assert [wait > 0 for wait in world.waits()] == [True, False, True]
        assert world.attempts[-1].changes == ("dropped odd",)


class TestWhatMayHaveBeenCharged:
    @pytest.mark.parametrize("kind", [Unanswered, StreamBroken, Garbled])
    def test_is_repeated_once(self, world: World, kind: type[ProxyError]) -> None:
        first, second = made(kind), made(kind)
        assert world.run(ASKED, first, second) is second
        assert world.bodies() == [ASKED, ASKED]

    def test_is_repeated_once_whatever_came_between(self, world: World) -> None:
        second = made(Garbled)
        assert world.run(ASKED, made(Unanswered), made(RateLimited), second) is second


class TestATooLongContext:
    body: ClassVar[Json] = {**ASKED, "messages": list("abcdefghij")}

    def kept(self, world: World) -> list[str]:
        return ["".join(body["messages"]) for body in world.bodies()]

    def test_is_shortened_in_four_steps_and_then_told(self, world: World) -> None:
        tries = [made(ContextTooLong) for _ in range(5)]
        assert world.run(self.body, *tries) is tries[-1]
        assert self.kept(world) == ["abcdefghij", "cdefghij", "efghij", "ghij", "ij"]
        assert world.asked == [0.8, 0.6, 0.4, 0.2]
        assert [attempt.number for attempt in world.attempts] == [1, 2, 3, 4, 5]
        assert world.waits() == [0.0] * 4

    def test_tells_how_far_it_was_shortened(self, world: World) -> None:
        world.run(self.body, made(ContextTooLong), made(ContextTooLong))
        assert world.attempts[-1].changes == ("clipped to 80% of the context", "clipped to 60% of the context")

    def test_is_not_sent_again_where_nothing_can_go(self, world: World) -> None:
        error = made(ContextTooLong)
        assert world.run({**self.body, "messages": ["a"]}, error) is error
        assert len(world.attempts) == 1
        assert world.asked == [0.8, 0.6, 0.4, 0.2]

    def test_skips_steps_at_which_nothing_goes(self, world: World) -> None:
        world.whole = 13
        world.run(self.body, made(ContextTooLong))
        assert self.kept(world)[-1] == "defghij"
        assert world.attempts[-1].number == 2

    def test_stays_short_in_later_layers(self, world: World) -> None:
        script = [made(ContextTooLong), refused("Unknown parameter: 'odd'."), refused(), refused()]
        world.run({**self.body, "odd": 1, "max_tokens": 5}, *script)
        assert self.kept(world)[1:] == ["cdefghij"] * 4
        assert world.attempts[-1].changes == ("clipped to 80% of the context", "dropped odd", "model became gpt-5")

    def test_goes_on_where_it_was_after_a_wait(self, world: World) -> None:
        world.run(self.body, made(ContextTooLong), made(RateLimited), made(ContextTooLong))
        assert self.kept(world)[1:] == ["cdefghij", "cdefghij", "efghij"]


class TestMemory:
    def test_an_unsupported_parameter_is_remembered_for_the_model_in_any_case(self, world: World) -> None:
        world.run({**ASKED, "odd": 1}, refused("Unknown parameter: 'odd'."))
        assert world.memory.recall("gpt-5") == world.memory.recall("GPT-5") == {"odd": None}
        assert world.memory.recall("gpt-5-mini") == {}

    def test_a_new_name_is_remembered_with_it(self, world: World) -> None:
        message = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
        world.run({**ASKED, "max_tokens": 5}, refused(message))
        assert world.bodies()[1] == {**ASKED, "max_completion_tokens": 5}
        assert world.memory.recall("gpt-5") == {"max_tokens": "max_completion_tokens"}

    def test_what_does_not_help_is_not_remembered(self, world: World) -> None:
        """The same error to the body without it: that was not the reason."""
        body = {**ASKED, "model": "gpt-5", "odd": 1}
        world.run(body, refused("Unknown parameter: 'odd'. (request 71)"))
        assert world.memory.recall("gpt-5") == {"odd": None}
        world.run(body, *[refused(f"Unknown parameter: 'odd'. (request {n})") for n in range(2)])
        assert world.memory.recall("gpt-5") == {}

    def test_what_helped_stays_when_another_error_comes(self, world: World) -> None:
        world.run({**ASKED, "odd": 1, "even": 2}, *[refused(f"Unknown parameter: '{n}'.") for n in ("odd", "even")])
        assert world.memory.recall("gpt-5") == {"odd": None, "even": None}

    def test_what_is_only_refused_beside_another_is_not_remembered(self, world: World) -> None:
        world.run(
            {**ASKED, "temperature": 0.7}, refused("`temperature` may only be set to 1 when thinking is enabled.")
        )
        assert world.bodies()[1] == {**ASKED, "temperature": 1}
        assert world.memory.recall("gpt-5") == {}

    def test_a_guess_is_not_remembered(self, world: World) -> None:
        world.run({**ASKED, "max_tokens": 5}, refused(), refused(), refused())
        assert world.memory.recall("gpt-5") == {}

    def test_it_forgets(self) -> None:
        now = 0.0
        memory = Memory(lambda: now, ttl_s=100)
        memory.learn("m", {"a": None})
        now = 60.0
        memory.learn("m", {"b": None})
        now = 99.0
        assert memory.recall("m") == {"a": None, "b": None}
        now = 101.0
        assert memory.recall("m") == {"b": None}
        now = 161.0
        assert memory.recall("m") == {}

    def test_what_it_is_told_to_forget_it_forgets(self) -> None:
        memory = Memory(lambda: 0.0)
        memory.forget("m", ["a"])
        memory.learn("m", {"a": None, "b": None})
        memory.forget("M", ["a", "c"])
        assert memory.recall("m") == {"b": None}

    def test_the_model_learned_of_longest_ago_makes_room(self) -> None:
        memory = Memory(lambda: 0.0, models=2)
        for model in ("a", "b", "a", "c"):
            memory.learn(model, {"x": None})
        assert [bool(memory.recall(model)) for model in "abc"] == [True, False, True]

    def test_nothing_learned_is_nothing_known(self) -> None:
        memory = Memory(lambda: 0.0)
        memory.learn("m", {})
        assert memory.recall("m") == {}
