"""What goes of a conversation that is too long, and what stays. The counter counts characters."""

import copy
import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.policy import clipping
from poe_proxy.policy.clipping import Clip
from poe_proxy.policy.costs import MESSAGE, cost, weigh
from poe_proxy.policy.cutting import LEAST
from poe_proxy.policy.turns import conversation
from tests.policy.talks import IMAGE, Json, assistant, calling, of, result, round_, system, talks, user


def clip(messages: list[Json], budget: float, factor: float = 1.0, **body: Any) -> Clip:
    return clipping.clip({"messages": messages, **body}, budget, factor, len)


def costs(messages: list[Json]) -> list[int]:
    return [cost(weigh(message), len) for message in messages]


def tokens(messages: list[Json]) -> int:
    return MESSAGE + sum(costs(messages))


def turn(letter: str, size: int = 92) -> list[Json]:
    """A question and an answer, 100 tokens together."""
    return [user(letter * (size // 2)), assistant(letter * (size // 2))]


def letters(messages: list[Json]) -> str:
    return "".join((message["content"] or "-")[0] for message in messages)


class TestWhatStays:
    def test_all_of_what_fits_and_it_is_not_even_copied(self) -> None:
        messages = of(turn("a"), user("b"))
        kept = clip(messages, tokens(messages))
        assert kept.messages is messages
        assert kept.before == kept.after == kept.counted == tokens(messages)

    def test_the_newest_turns(self) -> None:
        messages = of(*(turn(letter) for letter in "abcdefghij"), user("k" * 16))
        assert letters(clip(messages, 924).messages) == "ddeeffgghhiijjk"

    def test_system_messages_wherever_they_stand(self) -> None:
        messages = of(system("S"), turn("a"), turn("b"), system("T"), turn("c"), user("d" * 46))
        assert letters(clip(messages, 200).messages) == "STccd"

    def test_no_turn_by_halves(self) -> None:
        messages = of(turn("a"), turn("b", 192), user("c" * 46))
        assert letters(clip(messages, 270).messages) == "bbc"

    def test_the_newest_turn_with_all_its_calls(self) -> None:
        messages = of(*(turn(letter) for letter in "abcd"), user("e"), *(round_(f"call_{n}") for n in range(5)))
        kept = clip(messages, tokens(messages) - 250).messages
        assert kept[-11:] == messages[-11:]
        assert len(kept) < len(messages)

    def test_questions_that_follow_each_other_are_the_newest_turn(self) -> None:
        messages = of(*(turn(letter) for letter in "abcd"), user("D" * 46), user("e" * 46))
        assert letters(clip(messages, 190).messages) == "De"

    def test_unknown_fields_and_the_order_of_what_stays(self) -> None:
        marked = {**assistant("z"), "x_unknown": [1, {"a": None}]}
        messages = of(*(turn(letter) for letter in "abcd"), user("y"), marked, user("e"))
        kept = clip(messages, 220).messages
        assert kept[-2] is marked

    def test_the_request_itself_is_never_touched(self) -> None:
        messages = of(user("a" * 500), *(round_(f"call_{n}", "r" * 100) for n in range(9)))
        before = copy.deepcopy(messages)
        clip(messages, 300)
        assert messages == before


class TestCallsAndResults:
    def test_leave_together_whatever_the_order_of_the_results(self) -> None:
        first = of(calling("x", "y"), assistant("meanwhile"), result("y", "r" * 200), result("x", "r" * 200))
        messages = of(user("a"), first, round_("z", "r" * 200), user("b" * 100))
        assert clip(messages, 400).messages == [messages[-1]]

    def test_of_a_turn_that_is_too_long_leave_oldest_first_and_its_question_stays(self) -> None:
        messages = of(system("S"), user("question"), *(round_(f"call_{n:03}", "r" * 100) for n in range(300)))
        kept = clip(messages, 10_000).messages
        assert kept[:2] == messages[:2]
        assert kept[2:] == messages[len(messages) - len(kept) + 2 :]
        assert kept[2]["role"] == "assistant"
        assert 7_000 < tokens(kept) <= 10_000

    def test_a_turn_before_the_newest_leaves_as_a_whole(self) -> None:
        messages = of(user("a"), *(round_(f"call_{n}", "r" * 100) for n in range(9)), user("b" * 100))
        assert clip(messages, 500).messages == [messages[-1]]

    def test_belong_to_the_newest_call_of_that_id(self) -> None:
        messages = of(user("a" * 100), round_("call_0"), user("b" * 100), round_("call_0"), user("c" * 100))
        kept = clip(messages, tokens(messages) - 50).messages
        assert kept == messages[3:]

    def test_stay_one_when_a_question_came_between(self) -> None:
        between = of(calling("x"), user("hurry"), result("x"))
        messages = of(user("a" * 200), between, user("b" * 100))
        assert clip(messages, 250).messages == [messages[-1]]
        assert clip(messages[:-1], 250).messages[1:] == between

    def test_of_the_old_kind_belong_together_too(self) -> None:
        old: list[Json] = [
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "r" * 100},
        ]
        messages = of(user("a"), old * 5)
        kept = clip(messages, 500).messages
        assert [message["role"] for message in kept[1:]] == ["assistant", "function"] * (len(kept) // 2)

    def test_a_result_without_a_call_stays_with_what_it_follows(self) -> None:
        messages = of(user("a" * 100), result("nobody's"), turn("b"), user("c" * 46))
        assert letters(clip(messages, 180).messages) == "bbc"


class TestWhatIsTooLongByItself:
    def test_a_message_is_cut_in_its_middle_and_says_so(self) -> None:
        text = "begin " + "x" * 5000 + " end"
        kept = clip([user(text)], 1000)
        (message,) = kept.messages
        assert message["content"].startswith("begin ")
        assert message["content"].endswith(" end")
        assert "tokens left out here" in message["content"]
        assert 700 < kept.after <= 1000

    def test_of_a_list_of_parts_the_text_is_cut_and_the_image_stays(self) -> None:
        message = {"role": "user", "content": [{"type": "text", "text": "x" * 5000, "x_mark": 1}, IMAGE]}
        (kept,) = clip([message], 1000).messages
        assert kept["content"][1] == IMAGE
        assert kept["content"][0]["x_mark"] == 1
        assert tokens([kept]) <= 1000

    def test_a_result_is_cut_and_still_answers_its_call(self) -> None:
        messages = of(user("a"), calling("x"), result("x", "r" * 5000))
        kept = clip(messages, 1000).messages
        assert kept[:2] == messages[:2]
        assert kept[2]["tool_call_id"] == "x"
        assert tokens(kept) <= 1000

    def test_a_result_that_was_cut_is_cut_alike_in_the_next_round(self) -> None:
        messages = of(user("a"), round_("x", "r" * 5000))
        first = clip(messages, 1000).messages
        second = clip(of(messages, round_("y")), 1000).messages
        assert second[: len(first)] == first

    def test_arguments_of_calls_are_left_whole(self) -> None:
        call = calling("x")
        call["tool_calls"][0]["function"]["arguments"] = "y" * 5000
        messages = of(user("a" * 3000), call, result("x"))
        assert clip(messages, 1000).messages[1:] == messages[1:]

    def test_a_system_message_only_where_it_leaves_next_to_nothing(self) -> None:
        fits = of(system("s" * 700), turn("a"), user("b" * 46))
        assert clip(fits, 800).messages == [fits[0], fits[-1]]
        too_long = of(system("s" * 5000), user("b" * 600))
        kept = clip(too_long, 1000).messages
        assert tokens(kept) <= 1000
        assert letters(kept) == "sb"

    def test_where_tools_alone_are_too_much_the_least_is_sent(self) -> None:
        tools = [{"type": "function", "function": {"name": "f", "description": "d" * 5000}}]
        kept = clip(of(system("s" * 500), turn("a"), user("b" * 500)), 1000, tools=tools)
        assert letters(kept.messages) == "sb"
        assert max(costs(kept.messages)) <= LEAST + MESSAGE
        assert kept.after > 1000


class TestWhatCounts:
    def test_the_answers_room_is_what_is_asked_at_most_a_quarter(self) -> None:
        assert clipping.room({}, 1000) == 0
        assert clipping.room({"max_tokens": 100}, 1000) == 100
        assert clipping.room({"max_completion_tokens": 900}, 1000) == 250

    def test_tools_and_formats_count(self) -> None:
        messages = of(*(turn(letter) for letter in "abcd"), user("e"))
        tools = [{"type": "function", "function": {"name": "f", "description": "d" * 200}}]
        assert clip(messages, 500).messages is messages
        assert len(clip(messages, 500, tools=tools).messages) < len(messages)
        schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"description": "d" * 200}}}
        assert len(clip(messages, 500, response_format=schema).messages) < len(messages)

    def test_a_models_own_tokens_are_told(self) -> None:
        messages = of(*(turn(letter) for letter in "abcdefghij"), user("k" * 16))
        kept = clip(messages, 1000, factor=1.5)
        assert kept.before == 1536
        assert kept.after <= 1000
        assert kept.counted * 1.5 == pytest.approx(kept.after, abs=1)

    @given(talks(), st.integers(10, 4000))
    def test_what_fits_by_its_bytes_fits_when_it_is_counted(self, messages: list[Json], budget: int) -> None:
        if clipping.fits({"messages": messages}, budget, 1.0):
            assert clip(messages, budget).messages is messages


class TestALegalConversation:
    """Whatever it is like, and however little there is room for."""

    @given(talks(), st.integers(0, 4000))
    def test_stays_one(self, messages: list[Json], budget: int) -> None:
        kept = clip(messages, budget).messages
        assert answered(kept) == called(kept)
        assert Counter(called(kept)) <= Counter(called(messages))
        assert next(message for message in kept if message["role"] != "system")["role"] == "user"

    @given(talks(), st.integers(0, 4000))
    def test_loses_whole_turns_the_oldest_first(self, messages: list[Json], budget: int) -> None:
        parts = conversation(messages)
        kept = places(clip(messages, budget).messages)
        assert kept == sorted(kept)
        older = [turn for turn in parts.older if set(turn) <= set(kept)]
        assert older == list(parts.older[len(parts.older) - len(older) :])
        groups = [group for group in parts.groups if set(group) <= set(kept)]
        assert groups == list(parts.groups[len(parts.groups) - len(groups) :])
        must = {*parts.system, *parts.head, *parts.tail}
        assert set(kept) == must.union(*older, *groups)
        assert not older or len(groups) == len(parts.groups)

    @given(talks(), st.integers(0, 4000))
    def test_fits_or_is_the_least_that_can_be(self, messages: list[Json], budget: int) -> None:
        kept = clip(messages, budget)
        assert kept.after == tokens(kept.messages)
        if kept.after > budget:
            parts = conversation(messages)
            assert len(kept.messages) == len(parts.system) + len(parts.head) + len(parts.tail)
            assert all(len(text) <= LEAST for message in kept.messages for text in cuttable(message))

    @given(talks(), st.integers(0, 4000))
    def test_is_clipped_once(self, messages: list[Json], budget: int) -> None:
        once = clip(messages, budget).messages
        assert clip(once, budget).messages == once

    @given(talks(), st.integers(200, 4000))
    def test_keeps_what_is_not_too_long_by_itself_as_it_was(self, messages: list[Json], budget: int) -> None:
        parts = conversation(messages)
        must = sum(cost(weigh(messages[index]), len) for index in (*parts.system, *parts.head, *parts.tail))
        kept = clip(messages, budget).messages
        if MESSAGE + must <= budget and max(costs(messages)) <= budget - MESSAGE - must:
            assert all(any(message is one for one in messages) for message in kept)


def called(messages: list[Json]) -> list[str]:
    return sorted(call["id"] for message in messages for call in message.get("tool_calls") or ())


def answered(messages: list[Json]) -> list[str]:
    """The results, each of which must come after its call."""
    open_calls: Counter[str] = Counter()
    found = []
    for message in messages:
        open_calls.update(call["id"] for call in message.get("tool_calls") or ())
        if message["role"] == "tool":
            assert open_calls[message["tool_call_id"]] > 0
            open_calls[message["tool_call_id"]] -= 1
            found.append(message["tool_call_id"])
    return sorted(found)


def cuttable(message: Json) -> list[str]:
    content = message["content"]
    if isinstance(content, list):
        return [part["text"] for part in content if part["type"] == "text"]
    return [content or ""]


def places(kept: list[Json]) -> list[int]:
    """Where the kept messages stood."""
    return [message["x_place"] for message in kept]


class TestAGrowingConversation:
    """Poe's prompt cache lives as long as the beginning stays the same."""

    def beginnings(self, grown: list[list[Json]], budget: int) -> list[int]:
        """The turns at which the beginning changed, each request being compared with the one before."""
        changed = []
        before: list[Json] = []
        for number, messages in enumerate(grown):
            kept = clip(messages, budget).messages
            assert tokens(kept) <= budget
            if kept[: len(before)] != before:
                changed.append(number)
            before = kept
        return changed

    def test_keeps_its_beginning_from_turn_to_turn(self) -> None:
        messages = of(system("S" * 50), *(turn("x", 60 + 7 * (n % 9)) for n in range(400)))
        grown = [messages[: 2 * n + 2] for n in range(1, 400)]
        changed = self.beginnings(grown, 4_000)
        # 400 turns of some 95 tokens: each step is 512 of them at least, so one change in five turns at most.
        assert 0 < len(changed) <= len(grown) // 5
        assert min(later - earlier for earlier, later in itertools.pairwise(changed)) >= 4

    def test_keeps_it_in_the_loop_of_an_agent(self) -> None:
        rounds = [round_(f"call_{n:03}", "r" * (50 + 11 * (n % 7))) for n in range(300)]
        grown = [of(system("S"), user("question"), *rounds[:n]) for n in range(1, 300)]
        assert len(self.beginnings(grown, 10_000)) <= 299 // 8

    def test_keeps_it_when_the_budget_wavers(self) -> None:
        messages = of(*(turn("x") for _ in range(100)), user("y"))
        kept = [clip(messages, 4_000 + wavering).messages[0] for wavering in (0, 30, -20, 40)]
        assert all(first is kept[0] for first in kept)

    @given(talks(), st.integers(600, 3000))
    def test_never_gets_an_old_message_back(self, messages: list[Json], budget: int) -> None:
        """With each further turn the kept part of the old ones begins where it did or later."""
        parts = conversation(messages)
        if max(costs(messages)) > budget // 4:
            return
        first = 0
        for end in sorted({turn[-1] + 1 for turn in parts.older}):
            grown = [message for message in messages[:end] if message["role"] != "system"]
            begins = places(clip(grown, budget).messages)[0]
            if begins != places(grown)[conversation(grown).head[0]]:
                assert begins >= first
                first = begins
